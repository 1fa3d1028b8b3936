// SPDX-License-Identifier: Apache-2.0
//
// main ends with pthread_exit while a thread goes on; the process ends with status 0 when that thread
// does, however many service threads a preloaded library may have.
#include "victim.h"

static pthread_t main_thread;

static void* outlive_main(void* unused) {
    join(main_thread);
    say("main has ended");
    succeed();
    return unused;
}

int main(void) {
    main_thread = pthread_self();
    start(outlive_main, NULL);
    pthread_exit(NULL);
}
