// SPDX-License-Identifier: Apache-2.0
//
// As many threads as argument 1 says in a program's life, eight at a time and never more than a few calls
// old: each fights for a mutex, waits on a condvar for the next one and leaves. Whatever is kept per thread
// is used again and again while its last wake may still be on the way.
#include "victim.h"
#include <limits.h>

enum { kLanes = 8 };
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t recursive = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static long lived, passed;
static pthread_attr_t attributes;

// Waits until somebody else has passed, or a moment; so the last one need not wait for ever.
static void* live(void* unused) {
    struct timespec soon = in_ms(CLOCK_REALTIME, 1);
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    ++lived;
    long seen = ++passed;
    CHECK_EQ(pthread_cond_signal(&changed), 0);
    if (lived % 16 == 0) {
        int result = 0;
        while (passed == seen && result == 0) result = pthread_cond_timedwait(&changed, &mutex, &soon);
        CHECK(result == 0 || result == ETIMEDOUT);
    }
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    CHECK_EQ(pthread_mutex_lock(&recursive), 0);
    CHECK_EQ(pthread_mutex_lock(&recursive), 0);
    CHECK_EQ(pthread_mutex_unlock(&recursive), 0);
    CHECK_EQ(pthread_mutex_unlock(&recursive), 0);
    return unused;
}

int main(int count, char** arguments) {
    pthread_t lanes[kLanes];
    CHECK_EQ(count, 2);
    long total = atol(arguments[1]);
    pthread_attr_init(&attributes);
    CHECK_EQ(pthread_attr_setstacksize(&attributes, 4 * PTHREAD_STACK_MIN), 0);
    for (long i = 0; i < total; ++i) {
        if (i >= kLanes) join(lanes[i % kLanes]);
        CHECK_EQ(pthread_create(&lanes[i % kLanes], &attributes, live, NULL), 0);
    }
    for (int i = 0; i < kLanes; ++i) join(lanes[i]);
    CHECK_EQ(lived, total);
    return succeed();
}
