// SPDX-License-Identifier: Apache-2.0
//
// Forks while four threads wait for locks and condvars at ever new call depths; each child waits as well.
// Named for a bug: a thread was inside libunwind, taking the stack of its wait, when another forked; the
// child took its first stack and waited for libunwind's lock, whose owner it does not have.
#include "victim.h"

enum { kForks = 60, kThreads = 4 };
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t turn_changed = PTHREAD_COND_INITIALIZER;
static long turn;
static _Atomic int stop;

static void take_turn(long mine) {
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    while (turn % kThreads != mine && !atomic_load(&stop)) {
        CHECK_EQ(pthread_cond_wait(&turn_changed, &mutex), 0);
    }
    ++turn;
    CHECK_EQ(pthread_cond_broadcast(&turn_changed), 0);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
}

__attribute__((noinline)) static int descend(int depth, long mine) {
    volatile int below = 0;
    if (depth == 0) {
        take_turn(mine);
    } else {
        below = descend(depth - 1, mine);
    }
    return below + 1;
}

static void* wait_at_many_depths(void* argument) {
    for (int depth = 0; !atomic_load(&stop); depth = (depth + 1) % 200) descend(depth, (long)argument);
    return NULL;
}

static void* answer(void* unused) {
    for (int i = 0; i < 3; ++i) take_turn(1);
    return unused;
}

static void live_as_child(void) {
    CHECK_EQ(pthread_mutex_init(&mutex, NULL), 0);
    CHECK_EQ(pthread_cond_init(&turn_changed, NULL), 0);
    turn = 0;
    pthread_t thread = start(answer, NULL);
    for (int i = 0; i < 3; ++i) {
        for (long mine = 0; mine < kThreads; ++mine) {
            if (mine != 1) take_turn(mine);
        }
    }
    join(thread);
    _exit(0);
}

int main(void) {
    pthread_t threads[kThreads];
    for (long i = 0; i < kThreads; ++i) threads[i] = start(wait_at_many_depths, (void*)i);
    for (int i = 0; i < kForks; ++i) {
        pid_t child = fork();
        if (child == 0) live_as_child();
        CHECK_EQ(wait_child(child), 0);
    }
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    atomic_store(&stop, 1);
    CHECK_EQ(pthread_cond_broadcast(&turn_changed), 0);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    for (int i = 0; i < kThreads; ++i) join(threads[i]);
    return succeed();
}
