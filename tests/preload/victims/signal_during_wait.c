// SPDX-License-Identifier: Apache-2.0
//
// A signal handler runs while a thread waits: mutex, rwlock, barrier and condvar never return EINTR; a
// semaphore does without SA_RESTART and does not with it. The handler takes a lock of its own.
#include "victim.h"
#include <semaphore.h>
#include <signal.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t handlers_own = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static sem_t semaphore;
static _Atomic pid_t waiter;
static _Atomic int handled, released;

static void handle(int signal) {
    int saved = errno;
    (void)signal;
    pthread_mutex_lock(&handlers_own);
    pthread_mutex_unlock(&handlers_own);
    atomic_fetch_add(&handled, 1);
    errno = saved;
}

static void set_handler(int flags) {
    struct sigaction action = {.sa_flags = flags};
    action.sa_handler = handle;
    CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
}

static void arrive(void) {
    atomic_store(&waiter, gettid());
}

static void* wait_mutex(void* unused) {
    arrive();
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    return unused;
}

static void* wait_rwlock(void* unused) {
    arrive();
    CHECK_EQ(pthread_rwlock_rdlock(&rwlock), 0);
    CHECK_EQ(pthread_rwlock_unlock(&rwlock), 0);
    return unused;
}

static void* wait_cond(void* unused) {
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    arrive();
    while (!atomic_load(&released)) CHECK_EQ(pthread_cond_wait(&never, &mutex), 0);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    return unused;
}

static void* wait_barrier(void* unused) {
    arrive();
    int result = pthread_barrier_wait(&barrier);
    CHECK(result == 0 || result == PTHREAD_BARRIER_SERIAL_THREAD);
    return unused;
}

static void* wait_semaphore(void* unused) {
    arrive();
    if (sem_wait(&semaphore) == 0) return unused;
    CHECK_EQ(errno, EINTR);
    return (void*)EINTR;
}

// Starts a thread that blocks, interrupts it twenty times or until it ends, releases it.
static long interrupt(void* (*routine)(void*), void (*release)(void), int times) {
    atomic_store(&waiter, 0);
    pthread_t thread = start(routine, NULL);
    for (int i = 0; i < times; ++i) {
        wait_until_asleep(&waiter);
        int before = atomic_load(&handled);
        CHECK_EQ(pthread_kill(thread, SIGUSR1), 0);
        wait_for(&handled, before + 1);
    }
    release();
    return (long)join(thread);
}

static void release_mutex(void) {
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
}
static void release_rwlock(void) {
    CHECK_EQ(pthread_rwlock_unlock(&rwlock), 0);
}
static void release_barrier(void) {
    pthread_barrier_wait(&barrier);
}
static void release_semaphore(void) {
    CHECK_EQ(sem_post(&semaphore), 0);
}
static void release_nothing(void) {}
static void release_cond(void) {
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    atomic_store(&released, 1);
    CHECK_EQ(pthread_cond_broadcast(&never), 0);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
}

int main(void) {
    CHECK_EQ(sem_init(&semaphore, 0, 0), 0);
    CHECK_EQ(pthread_barrier_init(&barrier, NULL, 2), 0);
    set_handler(0);
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    CHECK_EQ(interrupt(wait_mutex, release_mutex, 20), 0);
    CHECK_EQ(pthread_rwlock_wrlock(&rwlock), 0);
    CHECK_EQ(interrupt(wait_rwlock, release_rwlock, 20), 0);
    CHECK_EQ(interrupt(wait_cond, release_cond, 20), 0);
    CHECK_EQ(interrupt(wait_barrier, release_barrier, 20), 0);
    say("mutex, rwlock, condvar, barrier: no EINTR");
    CHECK_EQ(interrupt(wait_semaphore, release_nothing, 1), EINTR);
    say("sem_wait: EINTR");
    set_handler(SA_RESTART);
    CHECK_EQ(interrupt(wait_semaphore, release_semaphore, 20), 0);
    say("sem_wait with SA_RESTART: goes on waiting");
    return succeed();
}
