// SPDX-License-Identifier: Apache-2.0
//
// The timed calls of every object with times and clocks at the edges, once when the call need not wait and
// once when it has to; what each returns is printed, the C library's answer is the right one. Then waits
// until the end of time, which end when they may.
#include "victim.h"
#include <limits.h>
#include <semaphore.h>

struct edge {
    const char* name;
    clockid_t clock;
    struct timespec at;
};
static const struct edge kEdges[] = {
    {"the epoch", CLOCK_REALTIME, {.tv_sec = 0, .tv_nsec = 0}},
    {"before the epoch", CLOCK_REALTIME, {.tv_sec = -7, .tv_nsec = 5}},
    {"long before, monotonic", CLOCK_MONOTONIC, {.tv_sec = LONG_MIN, .tv_nsec = 0}},
    {"tv_nsec -1", CLOCK_REALTIME, {.tv_sec = 0, .tv_nsec = -1}},
    {"tv_nsec 10^9", CLOCK_REALTIME, {.tv_sec = 0, .tv_nsec = 1000000000}},
    {"tv_nsec LONG_MAX, far", CLOCK_MONOTONIC, {.tv_sec = LONG_MAX, .tv_nsec = LONG_MAX}},
    {"clock 4711", 4711, {.tv_sec = 0, .tv_nsec = 0}},
    {"clock -1", -1, {.tv_sec = LONG_MAX, .tv_nsec = 0}},
    {"CLOCK_BOOTTIME", CLOCK_BOOTTIME, {.tv_sec = 0, .tv_nsec = 0}},
    {"CLOCK_REALTIME_COARSE", CLOCK_REALTIME_COARSE, {.tv_sec = 0, .tv_nsec = 0}},
    {"CLOCK_PROCESS_CPUTIME_ID", CLOCK_PROCESS_CPUTIME_ID, {.tv_sec = 0, .tv_nsec = 0}},
};
enum { kEdgeCount = sizeof kEdges / sizeof kEdges[0] };

static pthread_mutex_t mutexes[] = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP,
                                    PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP,
                                    PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP};
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static sem_t semaphore;
static _Atomic pid_t sleepers[5];
static int is_done;

static void show(int result) {
    printf(" %s", strerrorname_np(result));
}

static void show_mutexes(const struct edge* edge) {
    for (int i = 0; i < 4; ++i) {
        int result = pthread_mutex_clocklock(&mutexes[i], edge->clock, &edge->at);
        show(result);
        if (result == 0) CHECK_EQ(pthread_mutex_unlock(&mutexes[i]), 0);
    }
}

static void show_others(const struct edge* edge) {
    int result = pthread_rwlock_clockrdlock(&rwlock, edge->clock, &edge->at);
    show(result);
    if (result == 0) CHECK_EQ(pthread_rwlock_unlock(&rwlock), 0);
    result = pthread_rwlock_clockwrlock(&rwlock, edge->clock, &edge->at);
    show(result);
    if (result == 0) CHECK_EQ(pthread_rwlock_unlock(&rwlock), 0);
    result = sem_clockwait(&semaphore, edge->clock, &edge->at);
    show(result == 0 ? 0 : errno);
    if (result == 0) CHECK_EQ(sem_post(&semaphore), 0);
}

// In each line: normal, recursive, errorcheck and adaptive mutex, reader, writer, semaphore.
static void* show_all(void* unused) {
    for (int i = 0; i < kEdgeCount; ++i) {
        printf("%s:", kEdges[i].name);
        show_mutexes(&kEdges[i]);
        show_others(&kEdges[i]);
        say("");
    }
    return unused;
}

static void show_held_by_caller(void) {
    for (int e = 0; e < kEdgeCount; ++e) {
        printf("%s:", kEdges[e].name);
        show(pthread_mutex_clocklock(&mutexes[2], kEdges[e].clock, &kEdges[e].at));
        int result = pthread_mutex_clocklock(&mutexes[1], kEdges[e].clock, &kEdges[e].at);
        show(result);
        if (result == 0) CHECK_EQ(pthread_mutex_unlock(&mutexes[1]), 0);
        say("");
    }
}

static void show_cond(void) {
    for (int e = 0; e < kEdgeCount; ++e) {
        printf("%s:", kEdges[e].name);
        for (int i = 0; i < 4; ++i) {
            CHECK_EQ(pthread_mutex_lock(&mutexes[i]), 0);
            show(pthread_cond_clockwait(&changed, &mutexes[i], kEdges[e].clock, &kEdges[e].at));
            CHECK_EQ(pthread_mutex_unlock(&mutexes[i]), 0);
        }
        say("");
    }
}

static void hold_all(void) {
    for (int i = 0; i < 4; ++i) CHECK_EQ(pthread_mutex_lock(&mutexes[i]), 0);
    CHECK_EQ(pthread_rwlock_wrlock(&rwlock), 0);
    CHECK_EQ(sem_wait(&semaphore), 0);
}

static void release_all(void) {
    CHECK_EQ(sem_post(&semaphore), 0);
    CHECK_EQ(pthread_rwlock_unlock(&rwlock), 0);
    for (int i = 0; i < 4; ++i) CHECK_EQ(pthread_mutex_unlock(&mutexes[i]), 0);
}

static void* wait_until_the_end(void* argument) {
    static const struct timespec kEnd = {.tv_sec = LONG_MAX, .tv_nsec = 999999999};
    long which = (long)argument;
    atomic_store(&sleepers[which], gettid());
    if (which == 0) {
        CHECK_EQ(pthread_mutex_timedlock(&mutexes[0], &kEnd), 0);
        while (!is_done) CHECK_EQ(pthread_cond_clockwait(&changed, &mutexes[0], CLOCK_MONOTONIC, &kEnd), 0);
        CHECK_EQ(pthread_mutex_unlock(&mutexes[0]), 0);
    } else if (which == 1) {
        CHECK_EQ(pthread_mutex_clocklock(&mutexes[1], CLOCK_MONOTONIC, &kEnd), 0);
        CHECK_EQ(pthread_mutex_unlock(&mutexes[1]), 0);
    } else if (which == 4) {
        CHECK_EQ(sem_clockwait(&semaphore, CLOCK_MONOTONIC, &kEnd), 0);
        CHECK_EQ(sem_post(&semaphore), 0);
    } else {
        CHECK_EQ(which == 2 ? pthread_rwlock_timedrdlock(&rwlock, &kEnd)
                            : pthread_rwlock_clockwrlock(&rwlock, CLOCK_MONOTONIC, &kEnd),
                 0);
        CHECK_EQ(pthread_rwlock_unlock(&rwlock), 0);
    }
    return NULL;
}

int main(void) {
    pthread_t threads[5];
    CHECK_EQ(sem_init(&semaphore, 0, 1), 0);
    say("free:");
    show_all(NULL);
    hold_all();
    say("held by another thread:");
    join(start(show_all, NULL));
    say("errorcheck and recursive, held by the caller:");
    show_held_by_caller();
    for (long i = 0; i < 5; ++i) threads[i] = start(wait_until_the_end, (void*)i);
    for (int i = 0; i < 5; ++i) wait_until_asleep(&sleepers[i]);
    release_all();
    for (int i = 1; i < 5; ++i) join(threads[i]);
    CHECK_EQ(pthread_mutex_lock(&mutexes[0]), 0);
    is_done = 1;
    CHECK_EQ(pthread_cond_signal(&changed), 0);
    CHECK_EQ(pthread_mutex_unlock(&mutexes[0]), 0);
    join(threads[0]);
    say("waits until the end of time ended");
    say("condvar with each kind of mutex:");
    show_cond();
    return succeed();
}
