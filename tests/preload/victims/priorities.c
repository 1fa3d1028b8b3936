// SPDX-License-Identifier: Apache-2.0
//
// The priority setters do what they say, for the calling thread and for others; errors are kept.
#include "victim.h"
#include <sys/resource.h>

static _Atomic int leave;

static void* stay(void* unused) {
    wait_for(&leave, 1);
    return unused;
}

int main(void) {
    struct sched_param zero = {.sched_priority = 0};
    struct sched_param wrong = {.sched_priority = 5};
    pthread_t thread = start(stay, NULL);
    CHECK_EQ(setpriority(PRIO_PROCESS, 0, 19), 0);
    CHECK_EQ(getpriority(PRIO_PROCESS, 0), 19);
    errno = 0;
    CHECK_EQ(nice(0), 19);
    CHECK_EQ(errno, 0);
    CHECK_EQ(setpriority(4711, 0, 0), -1);
    CHECK_EQ(errno, EINVAL);
    CHECK_EQ(sched_setscheduler(0, SCHED_BATCH, &zero), 0);
    CHECK_EQ(sched_getscheduler(0), SCHED_BATCH);
    CHECK_EQ(sched_setparam(0, &zero), 0);
    CHECK_EQ(sched_setparam(0, &wrong), -1);
    CHECK_EQ(errno, EINVAL);
    CHECK_EQ(sched_setscheduler(0, 4711, &zero), -1);
    CHECK_EQ(errno, EINVAL);
    CHECK_EQ(pthread_setschedparam(thread, SCHED_IDLE, &zero), 0);
    CHECK_EQ(pthread_setschedparam(thread, SCHED_OTHER, &wrong), EINVAL);
    CHECK_EQ(pthread_setschedprio(thread, 0), 0);
    CHECK_EQ(pthread_setschedprio(thread, 200), EINVAL);
    atomic_store(&leave, 1);
    join(thread);
    return succeed();
}
