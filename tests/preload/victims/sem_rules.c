// SPDX-License-Identifier: Apache-2.0
//
// Semaphores: the waiter destroys and unmaps one while the poster is still inside sem_post; no post is lost
// to a waiter that times out, is interrupted or cancelled; the value seen while threads wait; posts that
// meet the limit beside waiters.
#include "victim.h"
#include <limits.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/mman.h>

enum { kRounds = 1500, kRaces = 300 };
static sem_t* volatile current;
static sem_t permits;
static pthread_barrier_t barrier;
static _Atomic pid_t sleepers[4];
static _Atomic int taken;

static void* post_each(void* unused) {
    for (int i = 0; i < kRounds; ++i) {
        pthread_barrier_wait(&barrier);
        CHECK_EQ(sem_post(current), 0);
    }
    return unused;
}

static void check_unmapped(void) {
    pthread_t thread = start(post_each, NULL);
    for (int i = 0; i < kRounds; ++i) {
        sem_t* semaphore = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK_EQ(sem_init(semaphore, 0, 0), 0);
        current = semaphore;
        pthread_barrier_wait(&barrier);
        CHECK_EQ(sem_wait(semaphore), 0);
        CHECK_EQ(sem_destroy(semaphore), 0);
        CHECK_EQ(munmap(semaphore, 4096), 0);
    }
    join(thread);
    say("the waiter unmaps what was posted");
}

static void* wait_once(void* argument) {
    atomic_store(&sleepers[(long)argument], gettid());
    CHECK_EQ(sem_wait(&permits), 0);
    atomic_fetch_add(&taken, 1);
    return NULL;
}

static void check_value(void) {
    pthread_t threads[4];
    int value = 7;
    for (long i = 0; i < 4; ++i) threads[i] = start(wait_once, (void*)i);
    for (int i = 0; i < 4; ++i) wait_until_asleep(&sleepers[i]);
    CHECK_EQ(sem_getvalue(&permits, &value), 0);
    CHECK_EQ(value, 0);
    CHECK_EQ(sem_trywait(&permits), -1);
    for (int i = 0; i < 4; ++i) {
        CHECK_EQ(sem_post(&permits), 0);
        wait_for(&taken, i + 1);
    }
    for (int i = 0; i < 4; ++i) join(threads[i]);
    CHECK_EQ(sem_getvalue(&permits, &value), 0);
    CHECK_EQ(value, 0);
    say("no value below 0; each post lets one through");
}

static void ignore(int signal) {
    (void)signal;
}

// Result 1: took a permit; NULL: its time was over.
static void* take_or_leave(void* how) {
    struct timespec soon = in_ms(CLOCK_MONOTONIC, 1);
    int result;
    do {
        result = how == NULL ? sem_wait(&permits) : sem_clockwait(&permits, CLOCK_MONOTONIC, &soon);
    } while (result != 0 && errno == EINTR);
    if (result != 0) CHECK_EQ(errno, ETIMEDOUT);
    return result == 0 ? (void*)1L : NULL;
}

// Two wait, one of them until about now or with a signal on its way: each post lets one through.
static void race_time_or_signal(int has_time, int spins) {
    pthread_t leaver = start(take_or_leave, has_time ? &permits : NULL);
    pthread_t other = start(take_or_leave, NULL);
    for (volatile int spin = 0; spin < spins; ++spin) {
    }
    CHECK_EQ(sem_post(&permits), 0);
    if (!has_time) CHECK_EQ(pthread_kill(leaver, SIGUSR1), 0);
    if (!has_time) CHECK_EQ(sem_post(&permits), 0);
    if (join(leaver) == (void*)1L && has_time) CHECK_EQ(sem_post(&permits), 0);
    CHECK(join(other) == (void*)1L);
}

// Either cancelled, and the permit is still there, or not, and it is taken.
static void race_cancel(int spins) {
    pthread_t leaver = start(take_or_leave, NULL);
    for (volatile int spin = 0; spin < spins; ++spin) {
    }
    CHECK_EQ(sem_post(&permits), 0);
    CHECK_EQ(pthread_cancel(leaver), 0);
    if (join(leaver) == PTHREAD_CANCELED) CHECK_EQ(sem_trywait(&permits), 0);
}

static void check_races(void) {
    struct sigaction action = {.sa_flags = 0};
    action.sa_handler = ignore;
    CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
    for (int i = 0; i < kRaces; ++i) {
        if (i % 3 == 0)
            race_cancel(i % 30 * 200);
        else
            race_time_or_signal(i % 3 == 1, i % 30 * 200);
        CHECK_EQ(sem_trywait(&permits), -1);
        CHECK_EQ(errno, EAGAIN);
    }
    say("time-outs, signals and cancellations beside posts: no permit lost, none twice");
}

static void check_limit(void) {
    int value = 0;
    CHECK_EQ(sem_destroy(&permits), 0);
    CHECK_EQ(sem_init(&permits, 0, SEM_VALUE_MAX - 1), 0);
    CHECK_EQ(sem_post(&permits), 0);
    for (int i = 0; i < 3; ++i) {
        CHECK_EQ(sem_post(&permits), -1);
        CHECK_EQ(errno, EOVERFLOW);
    }
    CHECK_EQ(sem_getvalue(&permits, &value), 0);
    CHECK_EQ(value, SEM_VALUE_MAX);
    CHECK_EQ(sem_init(&permits, 0, (unsigned)SEM_VALUE_MAX + 1), -1);
    CHECK_EQ(errno, EINVAL);
    say("SEM_VALUE_MAX");
}

int main(void) {
    CHECK_EQ(pthread_barrier_init(&barrier, NULL, 2), 0);
    CHECK_EQ(sem_init(&permits, 0, 0), 0);
    check_unmapped();
    check_value();
    check_races();
    check_limit();
    return succeed();
}
