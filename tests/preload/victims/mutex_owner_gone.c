// SPDX-License-Identifier: Apache-2.0
//
// Threads that end holding mutexes of each kind: for everybody later the mutex is held, by nobody they are
// (no false EDEADLK, no recursion into it), also for those that already wait; a normal one can still be
// unlocked by another thread. A mutex that is held, or waited for, is not destroyed: EBUSY.
#include "victim.h"

enum { kLater = 100 };
static pthread_mutex_t plain = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t adaptive = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP;
static pthread_mutex_t recursive = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static pthread_mutex_t checked = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
static pthread_mutex_t* const all[] = {&plain, &adaptive, &recursive, &checked};
static _Atomic pid_t waiter;
static pthread_barrier_t barrier;

static void* end_holding(void* unused) {
    for (int i = 0; i < 4; ++i) CHECK_EQ(pthread_mutex_lock(all[i]), 0);
    CHECK_EQ(pthread_mutex_lock(&recursive), 0);
    return unused;
}

// `really_waits` not null: the time-outs are waited for.
static void* find_all_held(void* really_waits) {
    struct timespec past = in_ms(CLOCK_REALTIME, -1);
    for (int i = 0; i < 4; ++i) {
        struct timespec soon = in_ms(CLOCK_MONOTONIC, 1);
        CHECK_EQ(pthread_mutex_trylock(all[i]), EBUSY);
        CHECK_EQ(pthread_mutex_timedlock(all[i], &past), ETIMEDOUT);
        if (really_waits != NULL)
            CHECK_EQ(pthread_mutex_clocklock(all[i], CLOCK_MONOTONIC, &soon), ETIMEDOUT);
    }
    CHECK_EQ(pthread_mutex_unlock(&recursive), EPERM);
    CHECK_EQ(pthread_mutex_unlock(&checked), EPERM);
    return NULL;
}

static void check_later_threads(void) {
    join(start(end_holding, NULL));
    for (int i = 0; i < kLater; ++i) join(start(find_all_held, i % 10 == 0 ? &plain : NULL));
    find_all_held(&plain);
    for (int i = 0; i < 4; ++i) CHECK_EQ(pthread_mutex_destroy(all[i]), EBUSY);
    say("held by a thread that ended: EBUSY, ETIMEDOUT, EPERM for all others");
}

static void* take_after_release(void* mutex) {
    atomic_store(&waiter, gettid());
    CHECK_EQ(pthread_mutex_lock(mutex), 0);
    CHECK_EQ(pthread_mutex_unlock(mutex), 0);
    return NULL;
}

static void* unlock(void* mutex) {
    CHECK_EQ(pthread_mutex_unlock(mutex), 0);
    return NULL;
}

static void check_release_by_others(void) {
    for (int i = 0; i < 2; ++i) {
        atomic_store(&waiter, 0);
        pthread_t blocked = start(take_after_release, all[i]);
        wait_until_asleep(&waiter);
        CHECK_EQ(pthread_mutex_destroy(all[i]), EBUSY);
        join(start(unlock, all[i]));
        join(blocked);
        CHECK_EQ(pthread_mutex_trylock(all[i]), 0);
        CHECK_EQ(pthread_mutex_unlock(all[i]), 0);
        CHECK_EQ(pthread_mutex_destroy(all[i]), 0);
    }
    say("unlocked by a third thread: the one that waits gets it");
}

static void* hold_until_told(void* mutex) {
    CHECK_EQ(pthread_mutex_lock(mutex), 0);
    pthread_barrier_wait(&barrier);
    pthread_barrier_wait(&barrier);
    return NULL;
}

static void* wait_in_vain(void* mutex) {
    struct timespec soon = in_ms(CLOCK_REALTIME, 30);
    atomic_store(&waiter, gettid());
    CHECK_EQ(pthread_mutex_timedlock(mutex, &soon), ETIMEDOUT);
    return NULL;
}

static void check_end_beside_waiter(int type, const char* name) {
    pthread_mutex_t mutex;
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    CHECK_EQ(pthread_mutexattr_settype(&attributes, type), 0);
    CHECK_EQ(pthread_mutex_init(&mutex, &attributes), 0);
    pthread_t owner = start(hold_until_told, &mutex);
    pthread_barrier_wait(&barrier);
    pthread_t blocked = start(wait_in_vain, &mutex);
    pthread_barrier_wait(&barrier);
    join(owner);
    join(blocked);
    CHECK_EQ(pthread_mutex_trylock(&mutex), EBUSY);
    CHECK_EQ(pthread_mutex_destroy(&mutex), EBUSY);
    printf("%s: the owner ends beside a waiter\n", name);
}

int main(void) {
    CHECK_EQ(pthread_barrier_init(&barrier, NULL, 2), 0);
    check_later_threads();
    check_release_by_others();
    check_end_beside_waiter(PTHREAD_MUTEX_NORMAL, "normal");
    check_end_beside_waiter(PTHREAD_MUTEX_RECURSIVE, "recursive");
    check_end_beside_waiter(PTHREAD_MUTEX_ERRORCHECK, "errorcheck");
    check_end_beside_waiter(PTHREAD_MUTEX_ADAPTIVE_NP, "adaptive");
    return succeed();
}
