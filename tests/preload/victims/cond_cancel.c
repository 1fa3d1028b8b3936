// SPDX-License-Identifier: Apache-2.0
//
// A thread cancelled in each of the condvar waits: its cleanup handler runs owning the mutex, deferred
// cancellation of other waits leaves locks free, and a disabled cancel state is kept.
#include "victim.h"

static pthread_mutex_t mutex = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
static _Atomic pid_t waiter;
static int cleaned;

static void clean(void* unused) {
    (void)unused;
    CHECK_EQ(pthread_mutex_trylock(&mutex), EBUSY);
    CHECK_EQ(pthread_mutex_lock(&mutex), EDEADLK);
    ++cleaned;
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
}

static void* wait_forever(void* argument) {
    struct timespec late = in_ms(CLOCK_REALTIME, 100000);
    struct timespec late_monotonic = in_ms(CLOCK_MONOTONIC, 100000);
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    pthread_cleanup_push(clean, NULL);
    atomic_store(&waiter, gettid());
    for (;;) {
        switch (*(int*)argument % 3) {
            case 0:
                CHECK_EQ(pthread_cond_wait(&never, &mutex), 0);
                break;
            case 1:
                CHECK_EQ(pthread_cond_timedwait(&never, &mutex, &late), 0);
                break;
            default:
                CHECK_EQ(pthread_cond_clockwait(&never, &mutex, CLOCK_MONOTONIC, &late_monotonic), 0);
        }
    }
    pthread_cleanup_pop(0);
    return NULL;
}

static void* wait_uncancellable(void* unused) {
    int old;
    CHECK_EQ(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old), 0);
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    atomic_store(&waiter, gettid());
    while (cleaned == 30) CHECK_EQ(pthread_cond_wait(&never, &mutex), 0);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    return unused;
}

int main(void) {
    for (int round = 0; round < 30; ++round) {
        atomic_store(&waiter, 0);
        pthread_t thread = start(wait_forever, &round);
        wait_until_asleep(&waiter);
        CHECK_EQ(pthread_cancel(thread), 0);
        CHECK(join(thread) == PTHREAD_CANCELED);
        CHECK_EQ(cleaned, round + 1);
    }
    say("handlers ran owning the mutex");
    atomic_store(&waiter, 0);
    pthread_t thread = start(wait_uncancellable, NULL);
    wait_until_asleep(&waiter);
    CHECK_EQ(pthread_cancel(thread), 0);
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    ++cleaned;
    CHECK_EQ(pthread_cond_signal(&never), 0);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    CHECK(join(thread) == NULL);
    say("disabled cancellation is kept");
    return succeed();
}
