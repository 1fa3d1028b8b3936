// SPDX-License-Identifier: Apache-2.0
//
// Threads that allocate and free under locks, beside forks: with jemalloc linked or preloaded, malloc
// itself locks mutexes, from constructors on, and creates background threads.
#include "victim.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static void* slots[64];

__attribute__((constructor)) static void allocate_early(void) {
    for (int i = 0; i < 64; ++i) slots[i] = malloc(1000);
}

static void* churn(void* argument) {
    unsigned random = (unsigned)(long)argument;
    for (int i = 0; i < 20000; ++i) {
        random = random * 1664525 + 1013904223;
        void* fresh = malloc(random >> 18);
        CHECK_EQ(pthread_mutex_lock(&mutex), 0);
        void* old = slots[(random >> 8) % 64];
        slots[(random >> 8) % 64] = fresh;
        if (i % 100 == 0) old = realloc(old, random >> 16);
        CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
        free(old);
    }
    return NULL;
}

static void fork_once(void) {
    pid_t child = fork();
    if (child == 0) {
        void* memory = calloc(1000, 1000);
        free(memory);
        exit(0);
    }
    CHECK_EQ(wait_child(child), 0);
}

int main(void) {
    pthread_t threads[4];
    for (long i = 0; i < 4; ++i) threads[i] = start(churn, (void*)(i + 1));
    for (int i = 0; i < 10; ++i) fork_once();
    for (int i = 0; i < 4; ++i) join(threads[i]);
    return succeed();
}
