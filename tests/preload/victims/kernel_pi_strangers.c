// SPDX-License-Identifier: Apache-2.0
//
// What the kernel's inheriting mutexes refuse or survive badly, and ordinary ones allow: unlocks by threads
// that hold nothing while others wait, owners that end, deadlocks that a time-out resolves, and what a fork
// child does with mutexes that its parent held.
#include "victim.h"

enum { kWaiters = 6, kRounds = 3000 };
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

// A mutex as a semaphore: the thread locks what it holds, another one unlocks it.
static void* be_released(void* mutex) {
    CHECK_EQ(pthread_mutex_lock(mutex), 0);
    for (int i = 1; i <= kRounds; ++i) {
        atomic_store(&passed, i);
        CHECK_EQ(pthread_mutex_lock(mutex), 0);
    }
    CHECK_EQ(pthread_mutex_unlock(mutex), 0);
    return NULL;
}

static void check_semaphore(void) {
    atomic_store(&passed, 0);
    pthread_t thread = start(be_released, &normal);
    for (int i = 1; i <= kRounds; ++i) {
        while (atomic_load(&passed) < i) sched_yield();
        CHECK_EQ(pthread_mutex_unlock(&normal), 0);
    }
    join(thread);
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

int main(void) {
    check_releases();
    check_semaphore();
    check_deadlock(PTHREAD_MUTEX_NORMAL, "normal");
    check_deadlock(PTHREAD_MUTEX_RECURSIVE, "recursive");
    check_deadlock(PTHREAD_MUTEX_ERRORCHECK, "errorcheck");
    check_deadlock(PTHREAD_MUTEX_ADAPTIVE_NP, "adaptive");
    check_fork();
    return succeed();
}
