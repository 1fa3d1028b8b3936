// SPDX-License-Identifier: Apache-2.0
//
// The error of each wrong or impossible mutex call, and that it left the mutex as it was.
#include "victim.h"

static pthread_mutex_t plain = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t checked = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;

static void* try_from_outside(void* unused) {
    struct timespec past = in_ms(CLOCK_REALTIME, -1000);
    struct timespec past_monotonic = in_ms(CLOCK_MONOTONIC, -1000);
    struct timespec ancient = {.tv_sec = -1, .tv_nsec = 0};
    struct timespec negative = {.tv_sec = past.tv_sec, .tv_nsec = -1};
    struct timespec overfull = {.tv_sec = past.tv_sec, .tv_nsec = 1000000000};
    CHECK_EQ(pthread_mutex_trylock(&plain), EBUSY);
    CHECK_EQ(pthread_mutex_timedlock(&plain, &past), ETIMEDOUT);
    CHECK_EQ(pthread_mutex_timedlock(&plain, &ancient), ETIMEDOUT);
    CHECK_EQ(pthread_mutex_clocklock(&plain, CLOCK_MONOTONIC, &past_monotonic), ETIMEDOUT);
    say("held: EBUSY, and ETIMEDOUT for the past");
    CHECK_EQ(pthread_mutex_timedlock(&plain, &negative), EINVAL);
    CHECK_EQ(pthread_mutex_timedlock(&plain, &overfull), EINVAL);
    CHECK_EQ(pthread_mutex_clocklock(&plain, CLOCK_PROCESS_CPUTIME_ID, &past), EINVAL);
    CHECK_EQ(pthread_mutex_clocklock(&plain, 4711, &past), EINVAL);
    say("held: EINVAL for a bad tv_nsec or clock");
    CHECK_EQ(pthread_mutex_unlock(&checked), EPERM);
    CHECK_EQ(pthread_mutex_trylock(&checked), EBUSY);
    return unused;
}

static void check_free_with_bad_time(void) {
    struct timespec overfull = {.tv_sec = 0, .tv_nsec = 1000000000};
    CHECK_EQ(pthread_mutex_timedlock(&plain, &overfull), 0);
    CHECK_EQ(pthread_mutex_unlock(&plain), 0);
    say("free: the time is not looked at");
}

int main(void) {
    check_free_with_bad_time();
    CHECK_EQ(pthread_mutex_unlock(&checked), EPERM);
    CHECK_EQ(pthread_mutex_lock(&plain), 0);
    CHECK_EQ(pthread_mutex_lock(&checked), 0);
    CHECK_EQ(pthread_mutex_lock(&checked), EDEADLK);
    CHECK_EQ(pthread_mutex_trylock(&checked), EBUSY);
    join(start(try_from_outside, NULL));
    CHECK_EQ(pthread_mutex_destroy(&plain), EBUSY);
    say("destroy of a locked mutex: EBUSY");
    CHECK_EQ(pthread_mutex_unlock(&checked), 0);
    CHECK_EQ(pthread_mutex_unlock(&plain), 0);
    CHECK_EQ(pthread_mutex_consistent(&plain), EINVAL);
    CHECK_EQ(pthread_mutex_destroy(&plain), 0);
    CHECK_EQ(pthread_mutex_destroy(&checked), 0);
    return succeed();
}
