// SPDX-License-Identifier: Apache-2.0
//
// A fork while other threads are blocked on, or fight for, the very locks the child goes on with. The child
// unlocks what was held and uses it hard with threads of its own: nothing of the parent's waiters, queues or
// spinners may be left to hang it. fork, fork then init, and _Fork; then the parent goes on as well.
#include "victim.h"
#include <semaphore.h>

enum { kBlocked = 3, kForks = 6, kAdds = 300, kChildThreads = 4 };
static pthread_mutex_t held_by_forker = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t held_by_other = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP;
static pthread_mutex_t fought_for = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t cond_mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static sem_t semaphore;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static _Atomic int stop, asleep, ready;
static _Atomic pid_t sleepers[3 * kBlocked + 1];
static long count;

static void say_here(void) {
    atomic_store(&sleepers[atomic_fetch_add(&asleep, 1)], gettid());
}

static void* block_on_mutex(void* mutex) {
    say_here();
    CHECK_EQ(pthread_mutex_lock(mutex), 0);
    CHECK_EQ(pthread_mutex_unlock(mutex), 0);
    return NULL;
}

static void* block_on_cond(void* unused) {
    CHECK_EQ(pthread_mutex_lock(&cond_mutex), 0);
    say_here();
    while (!atomic_load(&stop)) CHECK_EQ(pthread_cond_wait(&changed, &cond_mutex), 0);
    CHECK_EQ(pthread_mutex_unlock(&cond_mutex), 0);
    return unused;
}

static void* block_on_semaphore(void* unused) {
    say_here();
    CHECK_EQ(sem_wait(&semaphore), 0);
    return unused;
}

static void* fight(void* unused) {
    atomic_fetch_add(&ready, 1);
    while (!atomic_load(&stop)) {
        CHECK_EQ(pthread_mutex_lock(&fought_for), 0);
        CHECK_EQ(pthread_mutex_unlock(&fought_for), 0);
    }
    return unused;
}

static void* hold_other(void* unused) {
    CHECK_EQ(pthread_mutex_lock(&held_by_other), 0);
    atomic_fetch_add(&ready, 1);
    CHECK_EQ(sem_wait(&semaphore), 0);
    CHECK_EQ(pthread_mutex_unlock(&held_by_other), 0);
    return unused;
}

static void* add(void* mutex) {
    struct timespec late = in_ms(CLOCK_MONOTONIC, 100000);
    for (int i = 0; i < kAdds; ++i) {
        CHECK_EQ(i % 2 ? pthread_mutex_lock(mutex) : pthread_mutex_clocklock(mutex, CLOCK_MONOTONIC, &late),
                 0);
        ++count;
        if (i % 16 == 0) sched_yield();
        CHECK_EQ(pthread_mutex_unlock(mutex), 0);
    }
    return NULL;
}

static void use_hard(pthread_mutex_t* mutex) {
    pthread_t threads[kChildThreads];
    count = 0;
    for (int i = 0; i < kChildThreads; ++i) threads[i] = start(add, mutex);
    for (int i = 0; i < kChildThreads; ++i) join(threads[i]);
    CHECK_EQ(count, kAdds * kChildThreads);
}

static void* wait_for_turn(void* unused) {
    CHECK_EQ(pthread_mutex_lock(&cond_mutex), 0);
    while (count == 0) CHECK_EQ(pthread_cond_wait(&changed, &cond_mutex), 0);
    CHECK_EQ(pthread_mutex_unlock(&cond_mutex), 0);
    CHECK_EQ(sem_post(&semaphore), 0);
    return unused;
}

// After _Fork beside other threads there are no threads to be made: no handler made the libraries ready.
static void live_as_bare_child(void) {
    pthread_mutex_t* locks[] = {&held_by_forker, &held_by_other};
    for (int i = 0; i < 2; ++i) {
        CHECK_EQ(pthread_mutex_trylock(locks[i]), EBUSY);
        CHECK_EQ(pthread_mutex_unlock(locks[i]), 0);
        CHECK_EQ(pthread_mutex_lock(locks[i]), 0);
        CHECK_EQ(pthread_mutex_unlock(locks[i]), 0);
    }
    CHECK_EQ(sem_post(&semaphore), 0);
    CHECK_EQ(sem_wait(&semaphore), 0);
    _exit(0);
}

// Mutexes and the semaphore go on as they are; a condvar somebody waited on at the fork begins anew.
static void live_as_child(int inits) {
    if (inits) {
        CHECK_EQ(pthread_mutex_init(&held_by_forker, NULL), 0);
        CHECK_EQ(pthread_mutex_init(&held_by_other, NULL), 0);
    } else {
        CHECK_EQ(pthread_mutex_trylock(&held_by_other), EBUSY);
        CHECK_EQ(pthread_mutex_unlock(&held_by_other), 0);
        CHECK_EQ(pthread_mutex_unlock(&held_by_forker), 0);
    }
    pthread_mutex_trylock(&fought_for);  // held now, by this thread or by one that is not here
    CHECK_EQ(pthread_mutex_unlock(&fought_for), 0);
    use_hard(&fought_for);
    use_hard(&held_by_other);
    use_hard(&held_by_forker);
    CHECK_EQ(pthread_cond_init(&changed, NULL), 0);
    CHECK_EQ(pthread_rwlock_unlock(&rwlock), 0);
    CHECK_EQ(pthread_rwlock_trywrlock(&rwlock), 0);
    count = 0;
    pthread_t thread = start(wait_for_turn, NULL);
    CHECK_EQ(pthread_mutex_lock(&cond_mutex), 0);
    count = 1;
    CHECK_EQ(pthread_cond_broadcast(&changed), 0);
    CHECK_EQ(pthread_mutex_unlock(&cond_mutex), 0);
    CHECK_EQ(sem_wait(&semaphore), 0);
    join(thread);
    _exit(0);
}

static void fork_often(void) {
    for (int i = 0; i < kForks; ++i) {
        pid_t child = i % 3 == 2 ? _Fork() : fork();
        if (child == 0 && i % 3 == 2) live_as_bare_child();
        if (child == 0) live_as_child(i % 3 == 1);
        CHECK_EQ(wait_child(child), 0);
    }
}

// A process without threads that forks by _Fork: the child may do everything.
static void check_single_threaded(void) {
    CHECK_EQ(pthread_mutex_lock(&held_by_other), 0);
    pid_t child = _Fork();
    if (child == 0) live_as_child(0);
    CHECK_EQ(wait_child(child), 0);
    CHECK_EQ(pthread_mutex_unlock(&held_by_other), 0);
}

int main(void) {
    pthread_t threads[3 * kBlocked + 4];
    int started = 0;
    CHECK_EQ(sem_init(&semaphore, 0, 0), 0);
    CHECK_EQ(pthread_mutex_lock(&held_by_forker), 0);
    CHECK_EQ(pthread_rwlock_rdlock(&rwlock), 0);
    check_single_threaded();
    threads[started++] = start(hold_other, NULL);
    for (int i = 0; i < 3; ++i) threads[started++] = start(fight, NULL);
    wait_for(&ready, 4);
    for (int i = 0; i < kBlocked; ++i) {
        threads[started++] = start(block_on_mutex, i % 2 ? &held_by_forker : &held_by_other);
        threads[started++] = start(block_on_cond, NULL);
        threads[started++] = start(block_on_semaphore, NULL);
    }
    for (int i = 0; i < 3 * kBlocked; ++i) wait_until_asleep(&sleepers[i]);
    fork_often();
    say("children went on");
    atomic_store(&stop, 1);
    CHECK_EQ(pthread_mutex_unlock(&held_by_forker), 0);
    for (int i = 0; i < kBlocked + 1; ++i) CHECK_EQ(sem_post(&semaphore), 0);
    CHECK_EQ(pthread_mutex_lock(&cond_mutex), 0);
    CHECK_EQ(pthread_cond_broadcast(&changed), 0);
    CHECK_EQ(pthread_mutex_unlock(&cond_mutex), 0);
    for (int i = 0; i < started; ++i) join(threads[i]);
    use_hard(&held_by_other);
    CHECK_EQ(pthread_rwlock_unlock(&rwlock), 0);
    say("the parent went on");
    return succeed();
}
