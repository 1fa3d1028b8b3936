// SPDX-License-Identifier: Apache-2.0
//
// Many condvars on one mutex, one condvar with two mutexes one after another, signals given without the
// mutex, and 2000 threads waiting on one condvar at once: a broadcast wakes all, 2000 signals wake each.
#include "victim.h"
#include <limits.h>

enum { kRing = 64, kLaps = 40, kCrowd = 2000, kTurns = 2000 };
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t second = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
static pthread_cond_t ring[kRing];
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pthread_cond_t all_here = PTHREAD_COND_INITIALIZER;
static long turn;
static int arrived, current_round, permits, left;

// Thread i waits on condvar i for the baton and hands it to condvar i + 1.
static void* pass_on(void* argument) {
    long mine = (long)argument;
    for (long lap = 0; lap < kLaps; ++lap) {
        CHECK_EQ(pthread_mutex_lock(&mutex), 0);
        while (turn != lap * kRing + mine) CHECK_EQ(pthread_cond_wait(&ring[mine], &mutex), 0);
        ++turn;
        if (lap % 2) CHECK_EQ(pthread_cond_signal(&ring[(mine + 1) % kRing]), 0);
        CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
        if (lap % 2 == 0) CHECK_EQ(pthread_cond_signal(&ring[(mine + 1) % kRing]), 0);
    }
    return NULL;
}

static void check_ring(void) {
    pthread_t threads[kRing];
    for (int i = 0; i < kRing; ++i) CHECK_EQ(pthread_cond_init(&ring[i], NULL), 0);
    for (long i = 0; i < kRing; ++i) threads[i] = start(pass_on, (void*)i);
    for (int i = 0; i < kRing; ++i) join(threads[i]);
    CHECK_EQ(turn, kRing * kLaps);
    for (int i = 0; i < kRing; ++i) CHECK_EQ(pthread_cond_destroy(&ring[i]), 0);
    say("64 condvars on one mutex");
}

static void take_turns(pthread_mutex_t* lock, int mine) {
    for (int i = 0; i < kTurns; ++i) {
        CHECK_EQ(pthread_mutex_lock(lock), 0);
        while (turn % 2 != mine) CHECK_EQ(pthread_cond_wait(&changed, lock), 0);
        ++turn;
        CHECK_EQ(pthread_mutex_unlock(lock), 0);
        CHECK_EQ(pthread_cond_signal(&changed), 0);
    }
}

static void* take_odd_turns(void* lock) {
    take_turns(lock, 1);
    return NULL;
}

static void check_two_mutexes(void) {
    for (int i = 0; i < 4; ++i) {
        pthread_mutex_t* lock = i % 2 ? &second : &mutex;
        turn = 0;
        pthread_t other = start(take_odd_turns, lock);
        take_turns(lock, 0);
        join(other);
        CHECK_EQ(turn, 2 * kTurns);
    }
    say("one condvar, two mutexes one after another");
}

// Waits in the crowd twice: for the round to change, then for a permit.
static void* join_crowd(void* unused) {
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    if (++arrived == kCrowd) CHECK_EQ(pthread_cond_signal(&all_here), 0);
    while (current_round == 0) CHECK_EQ(pthread_cond_wait(&changed, &mutex), 0);
    if (++arrived == 2 * kCrowd) CHECK_EQ(pthread_cond_signal(&all_here), 0);
    while (permits == 0) CHECK_EQ(pthread_cond_wait(&changed, &mutex), 0);
    --permits;
    if (++left == kCrowd) CHECK_EQ(pthread_cond_signal(&all_here), 0);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    return unused;
}

static void check_crowd(void) {
    static pthread_t threads[kCrowd];
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    CHECK_EQ(pthread_attr_setstacksize(&attributes, 4 * PTHREAD_STACK_MIN), 0);
    for (int i = 0; i < kCrowd; ++i) CHECK_EQ(pthread_create(&threads[i], &attributes, join_crowd, NULL), 0);
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    while (arrived < kCrowd) CHECK_EQ(pthread_cond_wait(&all_here, &mutex), 0);
    current_round = 1;
    CHECK_EQ(pthread_cond_broadcast(&changed), 0);
    while (arrived < 2 * kCrowd) CHECK_EQ(pthread_cond_wait(&all_here, &mutex), 0);
    say("broadcast to 2000 threads");
    for (int i = 0; i < kCrowd; ++i) {
        ++permits;
        CHECK_EQ(pthread_cond_signal(&changed), 0);
        if (i % 50 == 0) {
            CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
            CHECK_EQ(pthread_mutex_lock(&mutex), 0);
        }
    }
    while (left < kCrowd) CHECK_EQ(pthread_cond_wait(&all_here, &mutex), 0);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    for (int i = 0; i < kCrowd; ++i) join(threads[i]);
    CHECK_EQ(permits, 0);
    say("2000 signals");
}

int main(void) {
    check_ring();
    check_two_mutexes();
    check_crowd();
    CHECK_EQ(pthread_cond_destroy(&changed), 0);
    return succeed();
}
