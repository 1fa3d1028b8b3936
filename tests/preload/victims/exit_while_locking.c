// SPDX-License-Identifier: Apache-2.0
//
// main returns while other threads lock, wait and wake: the process ends with status 0, although libraries
// are torn down under those threads.
#include "victim.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static _Atomic int rounds;

static void* lock_for_ever(void* unused) {
    while (unused == NULL) {
        pthread_mutex_lock(&mutex);
        atomic_fetch_add(&rounds, 1);
        pthread_cond_signal(&cond);
        pthread_mutex_unlock(&mutex);
    }
    return unused;
}

static void* wait_for_ever(void* unused) {
    pthread_mutex_lock(&mutex);
    while (unused == NULL) pthread_cond_wait(&cond, &mutex);
    return unused;
}

int main(void) {
    for (int i = 0; i < 3; ++i) start(lock_for_ever, NULL);
    start(wait_for_ever, NULL);
    while (atomic_load(&rounds) < 20000) sched_yield();
    return succeed();
}
