// SPDX-License-Identifier: Apache-2.0
//
// Spin locks exclude and report EBUSY; a barrier lets exactly one thread per round be the serial one.
#include "victim.h"

enum { kThreads = 4, kRounds = 500 };
static pthread_spinlock_t spin;
static pthread_barrier_t barrier;
static long count;
static _Atomic int serial;

static void* take_turns(void* unused) {
    for (int i = 0; i < kRounds; ++i) {
        CHECK_EQ(pthread_spin_lock(&spin), 0);
        ++count;
        CHECK_EQ(pthread_spin_unlock(&spin), 0);
        int result = pthread_barrier_wait(&barrier);
        if (result == PTHREAD_BARRIER_SERIAL_THREAD) {
            atomic_fetch_add(&serial, 1);
            CHECK_EQ(count, (long)kThreads * (i + 1));
        } else {
            CHECK_EQ(result, 0);
        }
        pthread_barrier_wait(&barrier);
    }
    return unused;
}

int main(void) {
    pthread_t threads[kThreads];
    CHECK_EQ(pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE), 0);
    CHECK_EQ(pthread_barrier_init(&barrier, NULL, 0), EINVAL);
    CHECK_EQ(pthread_barrier_init(&barrier, NULL, kThreads), 0);
    CHECK_EQ(pthread_spin_trylock(&spin), 0);
    CHECK_EQ(pthread_spin_trylock(&spin), EBUSY);
    CHECK_EQ(pthread_spin_unlock(&spin), 0);
    for (int i = 0; i < kThreads; ++i) threads[i] = start(take_turns, NULL);
    for (int i = 0; i < kThreads; ++i) join(threads[i]);
    CHECK_EQ(serial, kRounds);
    CHECK_EQ(count, kThreads * kRounds);
    CHECK_EQ(pthread_spin_destroy(&spin), 0);
    CHECK_EQ(pthread_barrier_destroy(&barrier), 0);
    return succeed();
}
