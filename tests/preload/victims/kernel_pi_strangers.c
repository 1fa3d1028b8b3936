// SPDX-License-Identifier: Apache-2.0
//
// What the kernel's inheriting mutexes refuse or survive badly, and ordinary ones allow: unlocks by threads
// that hold nothing while others wait, owners that end, deadlocks that a time-out resolves, and what a fork
// child does with mutexes that its parent held.
#include "victim.h"

enum { kWaiters = 6, kTurns = 600 };
static pthread_mutex_t normal = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t adaptive = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP;
static pthread_mutex_t* const both[] = {&normal, &adaptive};
static _Atomic pid_t waiters[kWaiters];
static _Atomic int passed, stage;
static int inside;

struct task {
    pthread_mutex_t* mutex;
    _Atomic pid_t* tid;
};

static void* pass(void* argument) {
    struct task task = *(struct task*)argument;
    atomic_store(task.tid, gettid());
    CHECK_EQ(pthread_mutex_lock(task.mutex), 0);
    CHECK_EQ(inside++, 0);
    sched_yield();
    CHECK_EQ(--inside, 0);
    atomic_fetch_add(&passed, 1);
    CHECK_EQ(pthread_mutex_unlock(task.mutex), 0);
    return NULL;
}

static void start_waiters(pthread_mutex_t* mutex, struct task* tasks, pthread_t* threads) {
    atomic_store(&passed, 0);
    for (int i = 0; i < kWaiters; ++i) {
        atomic_store(&waiters[i], 0);
        tasks[i] = (struct task){mutex, &waiters[i]};
        threads[i] = start(pass, &tasks[i]);
    }
    for (int i = 0; i < kWaiters; ++i) wait_until_asleep(&waiters[i]);
    CHECK_EQ(atomic_load(&passed), 0);
}

static void* unlock(void* mutex) {
    CHECK_EQ(pthread_mutex_unlock(mutex), 0);
    return NULL;
}

static void* hold_to_the_end(void* mutex) {
    CHECK_EQ(pthread_mutex_lock(mutex), 0);
    atomic_store(&stage, 1);
    wait_for(&stage, 2);
    return NULL;
}

// owner: the thread that unlocks in the end holds the mutex itself (0), another one does, which goes on (1),
// ends before the unlock (2) or right after it (3).
static void check_release(pthread_mutex_t* mutex, int owner) {
    struct task tasks[kWaiters];
    pthread_t threads[kWaiters];
    pthread_t holder = 0;
    atomic_store(&stage, 0);
    if (owner <= 1) CHECK_EQ(pthread_mutex_lock(mutex), 0);
    if (owner >= 2) {
        holder = start(hold_to_the_end, mutex);
        wait_for(&stage, 1);
    }
    start_waiters(mutex, tasks, threads);
    if (owner == 2) {
        atomic_store(&stage, 2);
        join(holder);
    }
    if (owner == 1)
        join(start(unlock, mutex));
    else
        unlock(mutex);
    if (owner == 3) {
        atomic_store(&stage, 2);
        join(holder);
    }
    for (int i = 0; i < kWaiters; ++i) join(threads[i]);
    CHECK_EQ(atomic_load(&passed), kWaiters);
    CHECK_EQ(pthread_mutex_trylock(mutex), 0);
    CHECK_EQ(pthread_mutex_unlock(mutex), 0);
}

static void check_releases(void) {
    for (int owner = 0; owner <= 3; ++owner)
        for (int i = 0; i < 2; ++i) check_release(both[i], owner);
    CHECK_EQ(pthread_mutex_destroy(&normal), 0);
    CHECK_EQ(pthread_mutex_destroy(&adaptive), 0);
    CHECK_EQ(pthread_mutex_init(&normal, NULL), 0);
    say("released by strangers, with waiters");
}

// A mutex as a semaphore: two threads take it in turn, each after the other one, and a third one unlocks it
// when one waits.
static void* take_in_turn(void* which) {
    for (int i = (int)(long)which; i < kTurns; i += 2) {
        while (atomic_load(&passed) < i) sched_yield();
        atomic_store(&waiters[i % 2], gettid());
        CHECK_EQ(pthread_mutex_lock(&normal), 0);
        atomic_store(&passed, i + 1);
    }
    return NULL;
}

static void check_semaphore(void) {
    atomic_store(&passed, 0);
    for (int i = 0; i < 2; ++i) atomic_store(&waiters[i], 0);
    CHECK_EQ(pthread_mutex_lock(&normal), 0);
    pthread_t one = start(take_in_turn, (void*)0L);
    pthread_t other = start(take_in_turn, (void*)1L);
    for (int i = 0; i < kTurns; ++i) {
        wait_until_asleep(&waiters[i % 2]);
        CHECK_EQ(atomic_load(&passed), i);
        CHECK_EQ(pthread_mutex_unlock(&normal), 0);
    }
    join(one);
    join(other);
    CHECK_EQ(pthread_mutex_unlock(&normal), 0);
    say("a mutex used as a semaphore");
}

// Two threads take two mutexes in opposite order; one of them gives up in time.
static pthread_mutex_t first, second;

static void* take_and_wait(void* unused) {
    CHECK_EQ(pthread_mutex_lock(&second), 0);
    atomic_store(&stage, 1);
    atomic_store(&waiters[0], gettid());
    CHECK_EQ(pthread_mutex_lock(&first), 0);
    CHECK_EQ(pthread_mutex_unlock(&first), 0);
    CHECK_EQ(pthread_mutex_unlock(&second), 0);
    return unused;
}

static void check_deadlock(int type, const char* name) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    CHECK_EQ(pthread_mutexattr_settype(&attributes, type), 0);
    CHECK_EQ(pthread_mutex_init(&first, &attributes), 0);
    CHECK_EQ(pthread_mutex_init(&second, &attributes), 0);
    atomic_store(&waiters[0], 0);
    CHECK_EQ(pthread_mutex_lock(&first), 0);
    pthread_t thread = start(take_and_wait, NULL);
    wait_until_asleep(&waiters[0]);
    struct timespec soon = in_ms(CLOCK_MONOTONIC, 30);
    CHECK_EQ(pthread_mutex_clocklock(&second, CLOCK_MONOTONIC, &soon), ETIMEDOUT);
    CHECK_EQ(pthread_mutex_unlock(&first), 0);
    join(thread);
    printf("%s: a deadlock ends with a time-out\n", name);
    fflush(stdout);
}

static void* take_once(void* mutex) {
    atomic_store(&waiters[0], gettid());
    CHECK_EQ(pthread_mutex_lock(mutex), 0);
    CHECK_EQ(pthread_mutex_unlock(mutex), 0);
    return NULL;
}

static pthread_cond_t never = PTHREAD_COND_INITIALIZER;

static void live_as_child(pthread_mutex_t* others) {
    struct timespec soon = in_ms(CLOCK_REALTIME, 5);
    atomic_store(&waiters[0], 0);
    pthread_t thread = start(take_once, &adaptive);
    wait_until_asleep(&waiters[0]);
    CHECK_EQ(pthread_mutex_trylock(&adaptive), EBUSY);
    CHECK_EQ(pthread_mutex_unlock(&adaptive), 0);
    join(thread);
    CHECK_EQ(pthread_cond_timedwait(&never, &normal, &soon), ETIMEDOUT);
    CHECK_EQ(pthread_mutex_trylock(&normal), EBUSY);
    CHECK_EQ(pthread_mutex_unlock(&normal), 0);
    CHECK_EQ(pthread_mutex_trylock(others), EBUSY);
    CHECK_EQ(pthread_mutex_timedlock(others, &soon), ETIMEDOUT);
    soon = in_ms(CLOCK_REALTIME, 30);
    CHECK_EQ(pthread_mutex_timedlock(others, &soon), ETIMEDOUT);
    CHECK_EQ(pthread_mutex_unlock(others), 0);
    take_once(others);
    _exit(0);
}

// In the parent others wait for what its child inherits, and a thread of the parent holds another mutex.
static void check_fork(void) {
    static pthread_mutex_t others = PTHREAD_MUTEX_INITIALIZER;
    struct task tasks[kWaiters];
    pthread_t threads[kWaiters];
    CHECK_EQ(pthread_mutex_init(&adaptive, NULL), 0);
    atomic_store(&stage, 0);
    pthread_t holder = start(hold_to_the_end, &others);
    wait_for(&stage, 1);
    CHECK_EQ(pthread_mutex_lock(&normal), 0);
    CHECK_EQ(pthread_mutex_lock(&adaptive), 0);
    start_waiters(&normal, tasks, threads);
    pid_t child = fork();
    if (child == 0) live_as_child(&others);
    CHECK_EQ(wait_child(child), 0);
    CHECK_EQ(atomic_load(&passed), 0);
    CHECK_EQ(pthread_mutex_unlock(&normal), 0);
    CHECK_EQ(pthread_mutex_unlock(&adaptive), 0);
    for (int i = 0; i < kWaiters; ++i) join(threads[i]);
    atomic_store(&stage, 2);
    join(holder);
    CHECK_EQ(pthread_mutex_trylock(&others), EBUSY);
    say("a fork child and what its parent's threads held");
}

// Threads take one mutex in all ways; a fourth of the releases is left to another thread, and every locker
// ends soon, maybe with a release pending.
static pthread_mutex_t shared;
static _Atomic int to_release;

static void* release_for_others(void* unused) {
    for (;;) {
        if (atomic_load(&stage) == 1) return unused;
        if (atomic_load(&to_release) == 0) {
            sched_yield();
            continue;
        }
        CHECK_EQ(--inside, 0);
        atomic_store(&to_release, 0);
        CHECK_EQ(pthread_mutex_unlock(&shared), 0);
    }
}

static void take(unsigned how) {
    struct timespec soon;
    int result = how % 3 == 0 ? pthread_mutex_lock(&shared) : EBUSY;
    while (result != 0) {
        soon = in_ms(how % 2 ? CLOCK_REALTIME : CLOCK_MONOTONIC, how % 7);
        result = how % 3 == 1
                     ? pthread_mutex_trylock(&shared)
                     : pthread_mutex_clocklock(&shared, how % 2 ? CLOCK_REALTIME : CLOCK_MONOTONIC, &soon);
        CHECK(result == 0 || result == EBUSY || result == ETIMEDOUT);
        if (result == EBUSY) usleep(100);
    }
    CHECK_EQ(inside++, 0);
}

static void* take_often(void* seed) {
    unsigned random = (unsigned)(long)seed;
    for (int i = 0; i < 40; ++i) {
        random = random * 1103515245u + 12345;
        take(random >> 8);
        if ((random >> 16) % 5 == 0) sched_yield();
        if ((random >> 20) % 4 == 0) {
            atomic_store(&to_release, 1);
            continue;
        }
        CHECK_EQ(--inside, 0);
        CHECK_EQ(pthread_mutex_unlock(&shared), 0);
    }
    return NULL;
}

static void check_mixed_releases(void) {
    for (int round = 0; round < 12; ++round) {
        pthread_t threads[kWaiters];
        CHECK_EQ(pthread_mutex_init(&shared, NULL), 0);
        atomic_store(&stage, 0);
        pthread_t releaser = start(release_for_others, NULL);
        for (long i = 0; i < kWaiters; ++i) threads[i] = start(take_often, (void*)(round * 100 + i));
        for (long i = 0; i < kWaiters; ++i) {
            join(threads[i]);
            threads[i] = start(take_often, (void*)(round * 100 + 50 + i));
        }
        for (int i = 0; i < kWaiters; ++i) join(threads[i]);
        while (atomic_load(&to_release)) sched_yield();
        atomic_store(&stage, 1);
        join(releaser);
        CHECK_EQ(pthread_mutex_trylock(&shared), 0);
        CHECK_EQ(pthread_mutex_unlock(&shared), 0);
        CHECK_EQ(pthread_mutex_destroy(&shared), 0);
    }
    say("exclusion, with releases by others among own ones");
}

int main(void) {
    check_releases();
    check_semaphore();
    check_mixed_releases();
    check_deadlock(PTHREAD_MUTEX_NORMAL, "normal");
    check_deadlock(PTHREAD_MUTEX_RECURSIVE, "recursive");
    check_deadlock(PTHREAD_MUTEX_ERRORCHECK, "errorcheck");
    check_deadlock(PTHREAD_MUTEX_ADAPTIVE_NP, "adaptive");
    check_fork();
    return succeed();
}
