// SPDX-License-Identifier: Apache-2.0
//
// A cancellation that is pending takes effect at no call that is not a cancellation point: mutexes, rwlocks,
// posts, signals, however long they wait and whatever is told about them. It does at the next one that is.
#include "victim.h"
#include <semaphore.h>

enum { kRounds = 40 };
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_spinlock_t spin;
static sem_t semaphore;
static _Atomic int stop, passed;
static int cleaned;

// Keeps everything contended, and waits for what the others signal and post.
static void* fight(void* unused) {
    while (!atomic_load(&stop)) {
        struct timespec soon = in_ms(CLOCK_REALTIME, 1);
        CHECK_EQ(pthread_mutex_lock(&mutex), 0);
        int result = pthread_cond_timedwait(&changed, &mutex, &soon);
        CHECK(result == 0 || result == ETIMEDOUT);
        sched_yield();
        CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
        CHECK_EQ(pthread_rwlock_wrlock(&rwlock), 0);
        sched_yield();
        CHECK_EQ(pthread_rwlock_unlock(&rwlock), 0);
        if (sem_timedwait(&semaphore, &soon) != 0) CHECK_EQ(errno, ETIMEDOUT);
    }
    return unused;
}

static void use_all(void) {
    struct timespec soon = in_ms(CLOCK_REALTIME, 1);
    int result = pthread_mutex_timedlock(&mutex, &soon);
    if (result != 0) CHECK_EQ(result, ETIMEDOUT);
    if (result != 0) CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    CHECK_EQ(pthread_cond_signal(&changed), 0);
    CHECK_EQ(pthread_cond_broadcast(&changed), 0);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    CHECK_EQ(pthread_rwlock_rdlock(&rwlock), 0);
    CHECK_EQ(pthread_rwlock_unlock(&rwlock), 0);
    CHECK_EQ(pthread_rwlock_wrlock(&rwlock), 0);
    CHECK_EQ(pthread_rwlock_unlock(&rwlock), 0);
    CHECK_EQ(pthread_spin_lock(&spin), 0);
    CHECK_EQ(pthread_spin_unlock(&spin), 0);
    CHECK_EQ(sem_post(&semaphore), 0);
    (void)sem_trywait(&semaphore);
    if (pthread_mutex_trylock(&mutex) == 0) CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
}

static void clean(void* unused) {
    (void)unused;
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    ++cleaned;
}

// At the end the wait is the cancellation point, although it need not wait: its time is over.
static void* be_cancelled(void* unused) {
    struct timespec past = in_ms(CLOCK_REALTIME, -1);
    CHECK_EQ(pthread_cancel(pthread_self()), 0);
    for (int i = 0; i < kRounds; ++i) use_all();
    atomic_fetch_add(&passed, 1);
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    pthread_cleanup_push(clean, NULL);
    (void)pthread_cond_timedwait(&changed, &mutex, &past);
    CHECK(!"a cancellation point was passed");
    pthread_cleanup_pop(0);
    return unused;
}

int main(void) {
    pthread_t fighters[3], cancelled[3];
    CHECK_EQ(sem_init(&semaphore, 0, 0), 0);
    CHECK_EQ(pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE), 0);
    for (int i = 0; i < 3; ++i) fighters[i] = start(fight, NULL);
    for (int i = 0; i < 3; ++i) cancelled[i] = start(be_cancelled, NULL);
    for (int i = 0; i < 3; ++i) CHECK(join(cancelled[i]) == PTHREAD_CANCELED);
    CHECK_EQ(passed, 3);
    CHECK_EQ(cleaned, 3);
    atomic_store(&stop, 1);
    for (int i = 0; i < 3; ++i) join(fighters[i]);
    return succeed();
}
