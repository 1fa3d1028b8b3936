// SPDX-License-Identifier: Apache-2.0
//
// Two waiters, one signal, one of them cancelled at the same moment: either the cancelled one had no part
// in the signal, or it returned from its wait. The signal may never be lost: the other one wakes.
#include "victim.h"

enum { kRounds = 500 };
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t tokens_added = PTHREAD_COND_INITIALIZER;
static int waiting, tokens;

static void unlock(void* unused) {
    (void)unused;
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
}

static void* take_token(void* unused) {
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    pthread_cleanup_push(unlock, NULL);
    ++waiting;
    while (tokens == 0) CHECK_EQ(pthread_cond_wait(&tokens_added, &mutex), 0);
    --tokens;
    pthread_cleanup_pop(1);
    return unused;
}

static void add_token(void) {
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    ++tokens;
    CHECK_EQ(pthread_cond_signal(&tokens_added), 0);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
}

static void wait_for_both(void) {
    for (int seen = 0; seen < 2; sched_yield()) {
        CHECK_EQ(pthread_mutex_lock(&mutex), 0);
        seen = waiting;
        CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    }
}

int main(void) {
    for (int round = 0; round < kRounds; ++round) {
        waiting = tokens = 0;
        pthread_t cancelled = start(take_token, NULL);
        pthread_t other = start(take_token, NULL);
        wait_for_both();
        add_token();
        CHECK_EQ(pthread_cancel(cancelled), 0);
        if (join(cancelled) != PTHREAD_CANCELED) add_token();
        join(other);
        CHECK_EQ(tokens, 0);
    }
    return succeed();
}
