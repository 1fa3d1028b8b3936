// SPDX-License-Identifier: Apache-2.0
//
// Timed locks that really wait end with ETIMEDOUT, not before their time, and leave the lock usable.
#include "victim.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void* wait_in_vain(void* unused) {
    struct timespec at = in_ms(CLOCK_REALTIME, 20);
    struct timespec at_monotonic = in_ms(CLOCK_MONOTONIC, 40);
    CHECK_EQ(pthread_mutex_timedlock(&mutex, &at), ETIMEDOUT);
    CHECK(now_ns(CLOCK_REALTIME) >= at.tv_sec * 1000000000LL + at.tv_nsec);
    CHECK_EQ(pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &at_monotonic), ETIMEDOUT);
    CHECK(now_ns(CLOCK_MONOTONIC) >= at_monotonic.tv_sec * 1000000000LL + at_monotonic.tv_nsec);
    at = in_ms(CLOCK_REALTIME, 20);
    CHECK_EQ(pthread_mutex_clocklock(&mutex, CLOCK_REALTIME, &at), ETIMEDOUT);
    return unused;
}

int main(void) {
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    join(start(wait_in_vain, NULL));
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    CHECK_EQ(pthread_mutex_trylock(&mutex), 0);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    return succeed();
}
