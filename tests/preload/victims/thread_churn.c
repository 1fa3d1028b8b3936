// SPDX-License-Identifier: Apache-2.0
//
// 10000 threads one after the other (more than any table of threads holds), each locking; most joined,
// some detached; then 200 alive at once.
#include "victim.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static long count;
static _Atomic int detached_done, together, leave;

static void* add(void* argument) {
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    ++count;
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    return argument;
}

static void* add_detached(void* argument) {
    add(argument);
    atomic_fetch_add(&detached_done, 1);
    return NULL;
}

static void* stay(void* unused) {
    atomic_fetch_add(&together, 1);
    wait_for(&leave, 1);
    return unused;
}

int main(void) {
    pthread_t many[200];
    for (long i = 0; i < 10000; ++i) {
        if (i % 100 == 99) {
            CHECK_EQ(pthread_detach(start(add_detached, NULL)), 0);
        } else {
            CHECK_EQ((long)join(start(add, (void*)i)), i);
        }
    }
    wait_for(&detached_done, 100);
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    CHECK_EQ(count, 10000);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    say("10000 in sequence");
    for (int i = 0; i < 200; ++i) many[i] = start(stay, NULL);
    wait_for(&together, 200);
    atomic_store(&leave, 1);
    for (int i = 0; i < 200; ++i) join(many[i]);
    say("200 at once");
    return succeed();
}
