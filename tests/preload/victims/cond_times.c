// SPDX-License-Identifier: Apache-2.0
//
// Times and clocks of condvar waits: the past, a bad tv_nsec, an unknown clock, CLOCK_MONOTONIC by
// attribute and by call. The mutex is held after each of them.
#include "victim.h"

static pthread_mutex_t mutex = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
static pthread_cond_t realtime = PTHREAD_COND_INITIALIZER;
static pthread_cond_t monotonic;

static void check_still_held(void) {
    CHECK_EQ(pthread_mutex_lock(&mutex), EDEADLK);
}

static void check_waits_until(clockid_t clock, struct timespec at, int result) {
    CHECK_EQ(result, ETIMEDOUT);
    CHECK(now_ns(clock) >= at.tv_sec * 1000000000LL + at.tv_nsec);
    check_still_held();
}

static void check_bad_times(void) {
    struct timespec past = in_ms(CLOCK_REALTIME, -1000);
    struct timespec bad = {.tv_sec = past.tv_sec + 100, .tv_nsec = 1000000000};
    CHECK_EQ(pthread_cond_timedwait(&realtime, &mutex, &past), ETIMEDOUT);
    check_still_held();
    CHECK_EQ(pthread_cond_timedwait(&realtime, &mutex, &bad), EINVAL);
    bad.tv_nsec = -1;
    CHECK_EQ(pthread_cond_timedwait(&realtime, &mutex, &bad), EINVAL);
    CHECK_EQ(pthread_cond_clockwait(&realtime, &mutex, CLOCK_MONOTONIC, &bad), EINVAL);
    CHECK_EQ(pthread_cond_clockwait(&realtime, &mutex, 4711, &past), EINVAL);
    CHECK_EQ(pthread_cond_clockwait(&realtime, &mutex, CLOCK_THREAD_CPUTIME_ID, &past), EINVAL);
    check_still_held();
    say("past: ETIMEDOUT; bad tv_nsec and unknown clock: EINVAL");
}

static void check_clocks(void) {
    struct timespec at = in_ms(CLOCK_REALTIME, 20);
    check_waits_until(CLOCK_REALTIME, at, pthread_cond_timedwait(&realtime, &mutex, &at));
    at = in_ms(CLOCK_MONOTONIC, 20);
    check_waits_until(CLOCK_MONOTONIC, at, pthread_cond_timedwait(&monotonic, &mutex, &at));
    at = in_ms(CLOCK_MONOTONIC, 20);
    check_waits_until(CLOCK_MONOTONIC, at, pthread_cond_clockwait(&realtime, &mutex, CLOCK_MONOTONIC, &at));
    at = in_ms(CLOCK_REALTIME, 20);
    check_waits_until(CLOCK_REALTIME, at, pthread_cond_clockwait(&monotonic, &mutex, CLOCK_REALTIME, &at));
    say("each wait ends by its own clock");
}

int main(void) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    CHECK_EQ(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC), 0);
    CHECK_EQ(pthread_cond_init(&monotonic, &attributes), 0);
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    check_bad_times();
    check_clocks();
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    struct timespec late = in_ms(CLOCK_REALTIME, 100000);
    CHECK_EQ(pthread_cond_timedwait(&realtime, &mutex, &late), EPERM);
    say("mutex not held: EPERM");
    CHECK_EQ(pthread_cond_destroy(&monotonic), 0);
    return succeed();
}
