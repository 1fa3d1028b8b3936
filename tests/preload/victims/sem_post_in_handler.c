// SPDX-License-Identifier: Apache-2.0
//
// sem_post from a handler that interrupts everything the program does, at a high rate: as many waits
// succeed as posts were made. Ends after so many posts or so long, whichever comes first.
#include "victim.h"
#include <semaphore.h>
#include <signal.h>

enum { kPosts = 20000 };
static const long long kAtMostNs = 2000000000LL;
static sem_t posted;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int posts, finished;
static _Atomic int expected = -1;  // waits that must succeed, once known

static void post(int signal) {
    int saved = errno;
    (void)signal;
    if (sem_post(&posted) != 0) abort();
    atomic_fetch_add(&posts, 1);
    errno = saved;
}

static void* keep_busy(void* unused) {
    int null = open("/dev/null", O_WRONLY);
    while (!atomic_load(&finished)) {
        CHECK_EQ(pthread_mutex_lock(&mutex), 0);
        CHECK_EQ(write(null, "x", 1), 1);
        CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
        if (sem_trywait(&posted) == 0) CHECK_EQ(sem_post(&posted), 0);
    }
    close(null);
    return unused;
}

static void* interrupt(void* argument) {
    long long end = now_ns(CLOCK_MONOTONIC) + kAtMostNs;
    for (int i = 0; i < kPosts && now_ns(CLOCK_MONOTONIC) < end; ++i) {
        CHECK_EQ(pthread_kill(*(pthread_t*)argument, SIGUSR1), 0);
        while (atomic_load(&posts) <= i) sched_yield();
    }
    return NULL;
}

static void* wait_for_all(void* unused) {
    int waits = 0;
    do {
        CHECK_EQ(sem_wait(&posted), 0);
        ++waits;
    } while (waits != atomic_load(&expected));
    return unused;
}

int main(void) {
    struct sigaction action = {.sa_flags = SA_RESTART};
    action.sa_handler = post;
    CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
    CHECK_EQ(sem_init(&posted, 0, 0), 0);
    pthread_t busy = start(keep_busy, NULL);
    pthread_t waiter = start(wait_for_all, NULL);
    join(start(interrupt, &busy));
    atomic_store(&finished, 1);
    join(busy);
    CHECK(atomic_load(&posts) > 0);
    atomic_store(&expected, atomic_load(&posts) + 1);
    CHECK_EQ(sem_post(&posted), 0);  // the last one, so that the waiter looks once more
    join(waiter);
    CHECK_EQ(sem_trywait(&posted), -1);
    CHECK_EQ(errno, EAGAIN);
    CHECK_EQ(sem_destroy(&posted), 0);
    return succeed();
}
