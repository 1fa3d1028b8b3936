// SPDX-License-Identifier: Apache-2.0
//
// main ends with pthread_exit while a thread goes on; the process ends with status 0 when that thread
// does, its thread specific data destroyed, however many service threads a preloaded library may have.
#include "victim.h"

static pthread_t main_thread;
static pthread_key_t key;

static void destroy(void* unused) {
    (void)unused;
    say("the last thread's data are destroyed");
    succeed();
}

static void* outlive_main(void* unused) {
    CHECK_EQ(pthread_setspecific(key, &key), 0);
    join(main_thread);
    say("main has ended");
    return unused;
}

int main(void) {
    CHECK_EQ(pthread_key_create(&key, destroy), 0);
    main_thread = pthread_self();
    start(outlive_main, NULL);
    pthread_exit(NULL);
}
