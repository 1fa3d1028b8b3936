// SPDX-License-Identifier: Apache-2.0
//
// Ping-pong by signal, then 31 waiters by broadcast: everybody wakes each round, nobody twice.
#include "victim.h"

enum { kTurns = 5000, kWaiters = 31, kRounds = 50 };
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turn_changed = PTHREAD_COND_INITIALIZER;
static pthread_cond_t round_changed = PTHREAD_COND_INITIALIZER;
static pthread_cond_t all_arrived = PTHREAD_COND_INITIALIZER;
static int turn, current_round, arrived, wakes;

static void* play(void* argument) {
    int mine = (int)(long)argument;
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    for (int i = 0; i < kTurns; ++i) {
        while (turn % 2 != mine) CHECK_EQ(pthread_cond_wait(&turn_changed, &mutex), 0);
        ++turn;
        CHECK_EQ(pthread_cond_signal(&turn_changed), 0);
    }
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    return NULL;
}

static void* follow_rounds(void* unused) {
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    for (int round = 1; round <= kRounds; ++round) {
        if (++arrived == kWaiters) CHECK_EQ(pthread_cond_signal(&all_arrived), 0);
        while (current_round < round) CHECK_EQ(pthread_cond_wait(&round_changed, &mutex), 0);
        ++wakes;
    }
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    return unused;
}

static void lead_rounds(void) {
    pthread_t threads[kWaiters];
    for (int i = 0; i < kWaiters; ++i) threads[i] = start(follow_rounds, NULL);
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    for (int round = 1; round <= kRounds; ++round) {
        while (arrived < kWaiters) CHECK_EQ(pthread_cond_wait(&all_arrived, &mutex), 0);
        CHECK_EQ(wakes, (round - 1) * kWaiters);
        arrived = 0;
        current_round = round;
        CHECK_EQ(pthread_cond_broadcast(&round_changed), 0);
    }
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    for (int i = 0; i < kWaiters; ++i) join(threads[i]);
    CHECK_EQ(wakes, kRounds * kWaiters);
}

int main(void) {
    pthread_t players[2] = {start(play, (void*)0L), start(play, (void*)1L)};
    for (int i = 0; i < 2; ++i) join(players[i]);
    CHECK_EQ(turn, 2 * kTurns);
    say("ping-pong");
    lead_rounds();
    say("broadcast");
    return succeed();
}
