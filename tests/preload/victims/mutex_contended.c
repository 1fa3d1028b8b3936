// SPDX-License-Identifier: Apache-2.0
//
// Each of fifty rounds blocks one waiter on a held mutex for certain: lock, timedlock and clocklock wait.
#include "victim.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static _Atomic pid_t waiter;
static int guarded;

static void* wait_with(void* argument) {
    struct timespec late = in_ms(CLOCK_REALTIME, 100000);
    struct timespec late_monotonic = in_ms(CLOCK_MONOTONIC, 100000);
    atomic_store(&waiter, gettid());
    switch (*(int*)argument % 3) {
        case 0:
            CHECK_EQ(pthread_mutex_lock(&mutex), 0);
            break;
        case 1:
            CHECK_EQ(pthread_mutex_timedlock(&mutex, &late), 0);
            break;
        default:
            CHECK_EQ(pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &late_monotonic), 0);
    }
    ++guarded;
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    return NULL;
}

int main(void) {
    for (int round = 0; round < 50; ++round) {
        atomic_store(&waiter, 0);
        CHECK_EQ(pthread_mutex_lock(&mutex), 0);
        pthread_t thread = start(wait_with, &round);
        wait_until_asleep(&waiter);
        CHECK_EQ(guarded, round);
        CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
        join(thread);
    }
    CHECK_EQ(guarded, 50);
    return succeed();
}
