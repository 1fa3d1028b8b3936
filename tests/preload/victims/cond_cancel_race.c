// SPDX-License-Identifier: Apache-2.0
//
// Cancellation and a time-out, each racing a signal, many times: three threads wait, one of them leaves by
// itself at the moment of the one signal. Either it took the token, or one of the others is woken and takes
// it. A signal that ended with the thread that left wakes nobody: the victim hangs.
#include "victim.h"

enum { kRounds = 400, kWaiters = 3 };
static pthread_mutex_t mutex;
static pthread_cond_t tokens_added = PTHREAD_COND_INITIALIZER;
static pthread_cond_t token_taken = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t race;
static int waiting, tokens, taken, cleaned;
static struct timespec leaves_at;  // when the one that times out does so

static void clean(void* unused) {
    (void)unused;
    ++cleaned;
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
}

static int wait_somehow(long how) {
    struct timespec late = in_ms(how == 1 ? CLOCK_REALTIME : CLOCK_MONOTONIC, 100000);
    if (how == 0) return pthread_cond_wait(&tokens_added, &mutex);
    if (how == 1) return pthread_cond_timedwait(&tokens_added, &mutex, &late);
    if (how == 2) return pthread_cond_clockwait(&tokens_added, &mutex, CLOCK_MONOTONIC, &late);
    return pthread_cond_clockwait(&tokens_added, &mutex, CLOCK_MONOTONIC, &leaves_at);
}

// Calls 0 to 2 wait for good. Call 3 has a time; when it is over the thread leaves without a look at the
// tokens: a wait that ends so must not have used up a signal.
static void* take_token(void* how) {
    int result = 0;
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    pthread_cleanup_push(clean, NULL);
    ++waiting;
    while (result == 0 && tokens == 0) result = wait_somehow((long)how);
    CHECK(result == 0 || ((long)how == 3 && result == ETIMEDOUT));
    if (result == 0) {
        --tokens;
        ++taken;
        CHECK_EQ(pthread_cond_signal(&token_taken), 0);
    }
    pthread_cleanup_pop(0);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    return result == 0 ? NULL : PTHREAD_CANCELED;
}

static void wait_for_waiters(void) {
    for (int seen = 0; seen < kWaiters; sched_yield()) {
        CHECK_EQ(pthread_mutex_lock(&mutex), 0);
        seen = waiting;
        CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    }
}

// One token, one signal; returns when somebody took it.
static void give_token(int under_mutex) {
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    int wanted = taken + 1;
    ++tokens;
    if (under_mutex) CHECK_EQ(pthread_cond_signal(&tokens_added), 0);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    if (!under_mutex) CHECK_EQ(pthread_cond_signal(&tokens_added), 0);
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    while (taken < wanted) CHECK_EQ(pthread_cond_wait(&token_taken, &mutex), 0);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
}

static void* cancel(void* thread) {
    pthread_barrier_wait(&race);
    CHECK_EQ(pthread_cancel(*(pthread_t*)thread), 0);
    return NULL;
}

static void spin_until(long long moment) {
    while (now_ns(CLOCK_MONOTONIC) < moment) {
    }
}

static void race_once(int round, int by_time) {
    pthread_t waiters[kWaiters];
    pthread_t canceller = 0;
    int leaver = round % kWaiters;
    waiting = tokens = taken = cleaned = 0;
    long long moment = now_ns(CLOCK_MONOTONIC) + 400000;
    leaves_at.tv_sec = (time_t)(moment / 1000000000);
    leaves_at.tv_nsec = (long)(moment % 1000000000);
    for (long i = 0; i < kWaiters; ++i)
        waiters[i] = start(take_token, (void*)(by_time && i == leaver ? 3L : (round + i) % 3));
    wait_for_waiters();
    if (by_time) {
        spin_until(moment + (round % 40 - 20) * 3000);
    } else {
        canceller = start(cancel, &waiters[leaver]);
        pthread_barrier_wait(&race);
        spin_until(now_ns(CLOCK_MONOTONIC) + round % 40 * 1000);
    }
    give_token(round % 2);
    if (!by_time) join(canceller);
    int has_left = join(waiters[leaver]) == PTHREAD_CANCELED;
    CHECK_EQ(cleaned, has_left && !by_time);
    for (int left = has_left ? kWaiters - 2 : kWaiters - 1; left > 0; --left) give_token(round % 2);
    for (int i = 0; i < kWaiters; ++i) {
        if (i != leaver) CHECK(join(waiters[i]) == NULL);
    }
    CHECK_EQ(tokens, 0);
    CHECK_EQ(taken, has_left ? kWaiters - 1 : kWaiters);
}

int main(void) {
    static const int kinds[] = {PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ERRORCHECK,
                                PTHREAD_MUTEX_ADAPTIVE_NP};
    CHECK_EQ(pthread_barrier_init(&race, NULL, 2), 0);
    for (int by_time = 0; by_time < 2; ++by_time) {
        for (int kind = 0; kind < 4; ++kind) {
            pthread_mutexattr_t attributes;
            pthread_mutexattr_init(&attributes);
            CHECK_EQ(pthread_mutexattr_settype(&attributes, kinds[kind]), 0);
            CHECK_EQ(pthread_mutex_init(&mutex, &attributes), 0);
            for (int round = 0; round < kRounds / 4; ++round) race_once(round, by_time);
            CHECK_EQ(pthread_mutex_destroy(&mutex), 0);
        }
        say(by_time ? "time-outs racing a signal" : "cancellations racing a signal");
    }
    return succeed();
}
