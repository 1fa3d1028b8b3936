// SPDX-License-Identifier: Apache-2.0
//
// main ends with pthread_exit, the only other thread blocks SIGTERM for a while and then takes it: a
// process-directed SIGTERM must end the process by that signal's default action, not before it is
// unblocked in a thread of the program.
#include "victim.h"
#include <signal.h>

static pthread_t main_thread;

static void* take_signal(void* unused) {
    sigset_t set;
    join(main_thread);
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    CHECK_EQ(kill(getpid(), SIGTERM), 0);
    sched_yield();
    say("still blocked");
    CHECK_EQ(pthread_sigmask(SIG_UNBLOCK, &set, NULL), 0);
    say("not reached");
    return unused;
}

int main(void) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &set, NULL), 0);
    main_thread = pthread_self();
    start(take_signal, NULL);
    pthread_exit(NULL);
}
