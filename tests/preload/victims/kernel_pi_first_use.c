// SPDX-License-Identifier: Apache-2.0
//
// Threads that meet at mutexes nobody has used yet: first locks race, of each kind, made statically, of
// zeroes, as copies; also trylock and time-outs as first calls. Mutexes with attributes keep their kind,
// which is shown.
#include "victim.h"

enum { kThreads = 4, kMutexes = 2000 };
static pthread_mutex_t mutexes[kMutexes];
static long counts[kMutexes];
static pthread_barrier_t barrier;

static int lock_somehow(pthread_mutex_t* m, int how) {
    struct timespec far = in_ms(CLOCK_REALTIME, 3600 * 1000);
    if (how % 4 == 0) return pthread_mutex_timedlock(m, &far);
    if (how % 4 == 1 && pthread_mutex_trylock(m) == 0) return 0;
    return pthread_mutex_lock(m);
}

static void* use_all(void* argument) {
    for (int i = 0; i < kMutexes; ++i) {
        if (i % 50 == 0) pthread_barrier_wait(&barrier);
        CHECK_EQ(lock_somehow(&mutexes[i], i + (int)(long)argument), 0);
        ++counts[i];
        CHECK_EQ(pthread_mutex_unlock(&mutexes[i]), 0);
    }
    return NULL;
}

static void check_races(void) {
    static const pthread_mutex_t kModels[] = {
        PTHREAD_MUTEX_INITIALIZER, PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP,
        PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP, PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP};
    pthread_t threads[kThreads];
    CHECK_EQ(pthread_barrier_init(&barrier, NULL, kThreads), 0);
    for (int i = 0; i < kMutexes; ++i) memcpy(&mutexes[i], &kModels[i / 3 % 4], sizeof mutexes[i]);
    for (long i = 0; i < kThreads; ++i) threads[i] = start(use_all, (void*)i);
    for (int i = 0; i < kThreads; ++i) join(threads[i]);
    for (int i = 0; i < kMutexes; ++i) CHECK_EQ(counts[i], kThreads);
    say("first locks that race");
}

static void show(const char* name, const pthread_mutexattr_t* attributes) {
    pthread_mutex_t m;
    int ceiling = 0;
    CHECK_EQ(pthread_mutex_init(&m, attributes), 0);
    int locked = pthread_mutex_lock(&m);
    printf("%s: kind %d, lock: %s", name, m.__data.__kind, strerror(locked));
    printf(", ceiling: %s\n", strerror(pthread_mutex_getprioceiling(&m, &ceiling)));
    if (locked == 0) CHECK_EQ(pthread_mutex_unlock(&m), 0);
    CHECK_EQ(pthread_mutex_destroy(&m), 0);
    CHECK_EQ(pthread_mutex_lock(&m), EINVAL);
}

static void check_attributes(void) {
    pthread_mutexattr_t attributes;
    for (int type = 0; type < 4; ++type) {
        pthread_mutexattr_init(&attributes);
        CHECK_EQ(pthread_mutexattr_settype(&attributes, type), 0);
        CHECK_EQ(pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST), 0);
        show("robust", &attributes);
        CHECK_EQ(pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_STALLED), 0);
        CHECK_EQ(pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED), 0);
        show("shared", &attributes);
        CHECK_EQ(pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_PRIVATE), 0);
        CHECK_EQ(pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT), 0);
        show("inheriting", &attributes);
        CHECK_EQ(pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_PROTECT), 0);
        show("protected", &attributes);
    }
    pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    int ceiling = 0;
    CHECK_EQ(pthread_mutex_lock(&m), 0);
    CHECK_EQ(pthread_mutex_unlock(&m), 0);
    CHECK_EQ(pthread_mutex_getprioceiling(&m, &ceiling), EINVAL);
    CHECK_EQ(pthread_mutex_consistent(&m), EINVAL);
}

int main(void) {
    check_races();
    check_attributes();
    return succeed();
}
