// SPDX-License-Identifier: Apache-2.0
//
// Nobody starves: twelve threads fight for one lock for a time (milliseconds in argument 1), most of them
// without ever pausing, some by calls with random deadlines. Each must have got it again and again: the
// longest any of them went without it is held against a bound no scheduler needs. Per kind of mutex, for the
// writers of a rwlock whose readers never all let go, for a semaphore and for waits on a condvar.
#include "victim.h"
#include <semaphore.h>

enum { kThreads = 12 };
static const long long kStarvedNs = 20000000000LL;

static pthread_mutex_t mutex;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;
static sem_t semaphore;
static long long end;
static long count, turns[kThreads];

static unsigned next(unsigned* random) {
    *random = *random * 1664525 + 1013904223;
    return *random >> 8;
}

// One try with a deadline within 2 ms, or one without. True: acquired.
typedef int (*acquire_function)(unsigned* random);
typedef void (*release_function)(void);

static int acquire_mutex(unsigned* random) {
    struct timespec soon = in_ms(CLOCK_MONOTONIC, 0);
    if (next(random) % 2) {
        CHECK_EQ(pthread_mutex_lock(&mutex), 0);
        return 1;
    }
    soon.tv_nsec += next(random) % 2000000;
    soon.tv_sec += soon.tv_nsec / 1000000000;
    soon.tv_nsec %= 1000000000;
    int result = pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &soon);
    CHECK(result == 0 || result == ETIMEDOUT);
    return result == 0;
}

static void release_mutex(void) {
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
}

static int acquire_writing(unsigned* random) {
    struct timespec soon = in_ms(CLOCK_REALTIME, next(random) % 3);
    int result =
        next(random) % 2 ? pthread_rwlock_wrlock(&rwlock) : pthread_rwlock_timedwrlock(&rwlock, &soon);
    CHECK(result == 0 || result == ETIMEDOUT);
    return result == 0;
}

static void release_rwlock(void) {
    CHECK_EQ(pthread_rwlock_unlock(&rwlock), 0);
}

static int acquire_semaphore(unsigned* random) {
    struct timespec soon = in_ms(CLOCK_REALTIME, next(random) % 3);
    int result = next(random) % 2 ? sem_wait(&semaphore) : sem_timedwait(&semaphore, &soon);
    if (result != 0) CHECK_EQ(errno, ETIMEDOUT);
    return result == 0;
}

static void release_semaphore(void) {
    CHECK_EQ(sem_post(&semaphore), 0);
}

// Also waits a moment for a signal of whoever comes next; being passed over must not make it starve.
static int acquire_and_wait(unsigned* random) {
    struct timespec soon = in_ms(CLOCK_REALTIME, 1);
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    CHECK_EQ(pthread_cond_signal(&changed), 0);
    if (next(random) % 2) {
        int result = pthread_cond_timedwait(&changed, &mutex, &soon);
        CHECK(result == 0 || result == ETIMEDOUT);
    }
    return 1;
}

static acquire_function acquire;
static release_function release;

// Fights until the time is over and every thread has had its turn.
static void* fight(void* argument) {
    long mine = (long)argument;
    unsigned random = (unsigned)mine * 2654435761U + 1;
    long long last = now_ns(CLOCK_MONOTONIC);
    for (int is_over = 0; !is_over;) {
        int has_it = acquire(&random);
        long long now = now_ns(CLOCK_MONOTONIC);
        CHECK(now - last < kStarvedNs);
        if (!has_it) continue;
        last = now;
        ++count;
        ++turns[mine];
        is_over = now >= end;
        for (int i = 0; i < kThreads; ++i) is_over = is_over && turns[i] > 0;
        if (mine % 4 == 0 && next(&random) % 64 == 0) sched_yield();
        release();
        if (mine % 3 == 0) sched_yield();
    }
    return NULL;
}

static void* read_without_end(void* unused) {
    while (now_ns(CLOCK_MONOTONIC) < end) {
        CHECK_EQ(pthread_rwlock_rdlock(&rwlock), 0);
        sched_yield();
        CHECK_EQ(pthread_rwlock_unlock(&rwlock), 0);
    }
    return unused;
}

static void contest(const char* name, acquire_function how, release_function give_back, long ms,
                    int readers) {
    pthread_t threads[kThreads];
    pthread_t reading[2];
    long sum = 0;
    acquire = how;
    release = give_back;
    count = 0;
    memset(turns, 0, sizeof turns);
    end = now_ns(CLOCK_MONOTONIC) + ms * 1000000LL;
    for (int i = 0; i < readers; ++i) reading[i] = start(read_without_end, NULL);
    for (long i = 0; i < kThreads; ++i) threads[i] = start(fight, (void*)i);
    for (int i = 0; i < kThreads; ++i) join(threads[i]);
    for (int i = 0; i < readers; ++i) join(reading[i]);
    for (int i = 0; i < kThreads; ++i) sum += turns[i];
    CHECK_EQ(sum, count);
    printf("%s: everybody had it\n", name);
}

int main(int argument_count, char** arguments) {
    static const int kinds[] = {PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ERRORCHECK,
                                PTHREAD_MUTEX_ADAPTIVE_NP};
    static const char* const kNames[] = {"normal", "recursive", "errorcheck", "adaptive"};
    CHECK_EQ(argument_count, 2);
    long ms = atol(arguments[1]) / 8;
    for (int i = 0; i < 4; ++i) {
        pthread_mutexattr_t attributes;
        pthread_mutexattr_init(&attributes);
        CHECK_EQ(pthread_mutexattr_settype(&attributes, kinds[i]), 0);
        CHECK_EQ(pthread_mutex_init(&mutex, &attributes), 0);
        contest(kNames[i], acquire_mutex, release_mutex, ms, 0);
        contest("with waits on a condvar", acquire_and_wait, release_mutex, ms / 2, 0);
        CHECK_EQ(pthread_mutex_destroy(&mutex), 0);
    }
    contest("writers beside readers", acquire_writing, release_rwlock, ms, 2);
    CHECK_EQ(sem_init(&semaphore, 0, 1), 0);
    contest("semaphore", acquire_semaphore, release_semaphore, ms, 0);
    return succeed();
}
