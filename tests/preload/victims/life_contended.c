// SPDX-License-Identifier: Apache-2.0
//
// Threads that wait for each other where life begins and ends: in a constructor before main, in each round
// of the destructors of thread-specific data, in atexit handlers beside threads that go on fighting, and in a
// destructor of the program.
#include "victim.h"
#include <limits.h>
#include <semaphore.h>

enum { kPartners = 4, kAdds = 300 };
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t recursive = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_key_t key;
static long count;
static int arrived, generation, rounds[kPartners];

static void* add(void* unused) {
    for (int i = 0; i < kAdds; ++i) {
        CHECK_EQ(pthread_mutex_lock(&mutex), 0);
        CHECK_EQ(pthread_mutex_lock(&recursive), 0);
        if (++count % 16 == 0) sched_yield();
        CHECK_EQ(pthread_mutex_unlock(&recursive), 0);
        CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
        CHECK_EQ(i % 8 ? pthread_rwlock_rdlock(&rwlock) : pthread_rwlock_wrlock(&rwlock), 0);
        CHECK_EQ(pthread_rwlock_unlock(&rwlock), 0);
    }
    return unused;
}

static void fight(const char* where) {
    pthread_t threads[3];
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    long before = count;
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    for (int i = 0; i < 3; ++i) threads[i] = start(add, NULL);
    add(NULL);
    for (int i = 0; i < 3; ++i) join(threads[i]);
    CHECK(count >= before + 4 * kAdds);
    say(where);
}

// All partners come here, each in its own destructor; the last one wakes the others.
static void meet(void) {
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    int mine = generation;
    if (++arrived == kPartners) {
        arrived = 0;
        ++generation;
        CHECK_EQ(pthread_cond_broadcast(&changed), 0);
    }
    while (generation == mine) CHECK_EQ(pthread_cond_wait(&changed, &mutex), 0);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
}

static void meet_in_destructor(void* value) {
    meet();
    add(NULL);
    if (++*(int*)value < PTHREAD_DESTRUCTOR_ITERATIONS) CHECK_EQ(pthread_setspecific(key, value), 0);
}

static void* leave_value(void* value) {
    CHECK_EQ(pthread_setspecific(key, value), 0);
    return NULL;
}

static void check_destructors(void) {
    pthread_t threads[kPartners];
    for (int i = 0; i < kPartners; ++i) threads[i] = start(leave_value, &rounds[i]);
    for (int i = 0; i < kPartners; ++i) join(threads[i]);
    for (int i = 0; i < kPartners; ++i) CHECK_EQ(rounds[i], PTHREAD_DESTRUCTOR_ITERATIONS);
    CHECK_EQ(generation, PTHREAD_DESTRUCTOR_ITERATIONS);
    say("destructors of thread-specific data");
}

static void* fight_for_ever(void* unused) {
    while (unused == NULL) add(NULL);
    return unused;
}

__attribute__((constructor(101))) static void before_main(void) {
    fight("constructor");
}

__attribute__((destructor(101))) static void after_main(void) {
    fight("destructor");
    succeed();
}

static void at_exit(void) {
    fight("atexit handler");
}

int main(void) {
    CHECK_EQ(atexit(at_exit), 0);
    CHECK_EQ(pthread_key_create(&key, meet_in_destructor), 0);
    check_destructors();
    for (int i = 0; i < 2; ++i) start(fight_for_ever, NULL);
    return 0;
}
