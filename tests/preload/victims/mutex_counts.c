// SPDX-License-Identifier: Apache-2.0
//
// A thousand uncontended pairs, recursive depth, and errno left alone: the counters must be exact.
#include "victim.h"

static pthread_mutex_t plain = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t recursive = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

static void* pairs(void* unused) {
    for (int i = 0; i < 1000; ++i) {
        errno = i;
        CHECK_EQ(pthread_mutex_lock(&plain), 0);
        CHECK_EQ(pthread_mutex_unlock(&plain), 0);
        CHECK_EQ(errno, i);
    }
    return unused;
}

int main(void) {
    pairs(NULL);
    say("single-threaded pairs");
    join(start(pairs, NULL));
    say("pairs of a second thread");
    for (int i = 0; i < 100; ++i) CHECK_EQ(pthread_mutex_lock(&recursive), 0);
    for (int i = 0; i < 100; ++i) CHECK_EQ(pthread_mutex_trylock(&recursive), 0);
    for (int i = 0; i < 200; ++i) CHECK_EQ(pthread_mutex_unlock(&recursive), 0);
    say("recursive depth 200");
    return succeed();
}
