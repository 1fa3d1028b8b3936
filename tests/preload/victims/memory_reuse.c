// SPDX-License-Identifier: Apache-2.0
//
// The same few addresses are a mutex, a condvar with its mutex, a rwlock and a semaphore in turn, fought for
// each time, made by init, by zeroes, by copying a free one or out of garbage, with and without destroy:
// nothing kept by address may outlive the object.
#include "victim.h"
#include <semaphore.h>

enum { kThreads = 3, kRounds = 240, kAdds = 60 };

struct with_cond {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
};
static union {
    pthread_mutex_t mutex;
    struct with_cond with_cond;
    pthread_rwlock_t rwlock;
    sem_t semaphore;
    char bytes[128];
} memory __attribute__((aligned(64)));
static pthread_barrier_t barrier;
static long count;
static _Atomic int kind;

static void add_by_mutex(void) {
    for (int i = 0; i < kAdds; ++i) {
        CHECK_EQ(pthread_mutex_lock(&memory.mutex), 0);
        if (++count % 8 == 0) sched_yield();
        CHECK_EQ(pthread_mutex_unlock(&memory.mutex), 0);
    }
}

static void add_by_turns(long mine) {
    CHECK_EQ(pthread_mutex_lock(&memory.with_cond.mutex), 0);
    for (int i = 0; i < kAdds; ++i) {
        while (count % kThreads != mine)
            CHECK_EQ(pthread_cond_wait(&memory.with_cond.changed, &memory.with_cond.mutex), 0);
        ++count;
        CHECK_EQ(pthread_cond_broadcast(&memory.with_cond.changed), 0);
    }
    CHECK_EQ(pthread_mutex_unlock(&memory.with_cond.mutex), 0);
}

static void add_by_rwlock(void) {
    for (int i = 0; i < kAdds; ++i) {
        CHECK_EQ(pthread_rwlock_wrlock(&memory.rwlock), 0);
        if (++count % 8 == 0) sched_yield();
        CHECK_EQ(pthread_rwlock_unlock(&memory.rwlock), 0);
        CHECK_EQ(pthread_rwlock_rdlock(&memory.rwlock), 0);
        CHECK_EQ(pthread_rwlock_unlock(&memory.rwlock), 0);
    }
}

static void add_by_semaphore(void) {
    for (int i = 0; i < kAdds; ++i) {
        CHECK_EQ(sem_wait(&memory.semaphore), 0);
        if (++count % 8 == 0) sched_yield();
        CHECK_EQ(sem_post(&memory.semaphore), 0);
    }
}

static void* use(void* argument) {
    for (int round = 0; round < kRounds; ++round) {
        pthread_barrier_wait(&barrier);
        if (kind == 0) add_by_mutex();
        if (kind == 1) add_by_turns((long)argument);
        if (kind == 2) add_by_rwlock();
        if (kind == 3) add_by_semaphore();
        pthread_barrier_wait(&barrier);
    }
    return NULL;
}

static void make_with_init(void) {
    if (kind == 0) CHECK_EQ(pthread_mutex_init(&memory.mutex, NULL), 0);
    if (kind == 1) CHECK_EQ(pthread_mutex_init(&memory.with_cond.mutex, NULL), 0);
    if (kind == 1) CHECK_EQ(pthread_cond_init(&memory.with_cond.changed, NULL), 0);
    if (kind == 2) CHECK_EQ(pthread_rwlock_init(&memory.rwlock, NULL), 0);
}

static void make(int how) {
    static const struct with_cond kFresh = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER};
    memset(&memory, how % 2 ? 0 : 0xa5, sizeof memory);
    if (how % 4 == 3 && kind <= 1) memcpy(&memory, &kFresh, sizeof kFresh);
    if (how % 2 == 0) make_with_init();
    if (kind == 3) CHECK_EQ(sem_init(&memory.semaphore, 0, 1), 0);
}

static void destroy(void) {
    if (kind == 0) CHECK_EQ(pthread_mutex_destroy(&memory.mutex), 0);
    if (kind == 1) CHECK_EQ(pthread_cond_destroy(&memory.with_cond.changed), 0);
    if (kind == 1) CHECK_EQ(pthread_mutex_destroy(&memory.with_cond.mutex), 0);
    if (kind == 2) CHECK_EQ(pthread_rwlock_destroy(&memory.rwlock), 0);
    if (kind == 3) CHECK_EQ(sem_destroy(&memory.semaphore), 0);
}

int main(void) {
    pthread_t threads[kThreads];
    CHECK_EQ(pthread_barrier_init(&barrier, NULL, kThreads + 1), 0);
    for (long i = 0; i < kThreads; ++i) threads[i] = start(use, (void*)i);
    for (int round = 0; round < kRounds; ++round) {
        kind = round * 7 / 3 % 4;
        count = 0;
        make(round);
        pthread_barrier_wait(&barrier);
        pthread_barrier_wait(&barrier);
        CHECK_EQ(count, kThreads * kAdds);
        if (round % 3) destroy();
    }
    for (int i = 0; i < kThreads; ++i) join(threads[i]);
    return succeed();
}
