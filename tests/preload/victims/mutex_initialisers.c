// SPDX-License-Identifier: Apache-2.0
//
// Mutexes that no init call ever saw: static kinds, zeroed memory, a copy, memory used again.
#include "victim.h"
#include <sys/mman.h>

static pthread_mutex_t recursive = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static pthread_mutex_t checked = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
static pthread_mutex_t adaptive = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP;

struct shared {
    pthread_mutex_t* mutex;
    long count;
};

static void* add(void* argument) {
    struct shared* shared = argument;
    for (int i = 0; i < 20000; ++i) {
        CHECK_EQ(pthread_mutex_lock(shared->mutex), 0);
        ++shared->count;
        CHECK_EQ(pthread_mutex_unlock(shared->mutex), 0);
    }
    return NULL;
}

static void check_exclusion(pthread_mutex_t* mutex, const char* what) {
    struct shared shared = {.mutex = mutex, .count = 0};
    pthread_t threads[4];
    for (int i = 0; i < 4; ++i) threads[i] = start(add, &shared);
    for (int i = 0; i < 4; ++i) join(threads[i]);
    CHECK_EQ(shared.count, 80000);
    say(what);
}

static void check_memory(void) {
    pthread_mutex_t* memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check_exclusion(memory, "zeroed memory");
    memcpy(memory + 1, memory, sizeof *memory);
    check_exclusion(memory + 1, "copy of a free mutex");
    CHECK_EQ(pthread_mutex_lock(memory), 0);
    memset(memory, 0, sizeof *memory);
    check_exclusion(memory, "memory used again without destroy");
    memset(memory, 0xab, 4096);
    CHECK_EQ(pthread_mutex_init(memory, NULL), 0);
    check_exclusion(memory, "garbage, then init");
    CHECK_EQ(pthread_mutex_init(memory, NULL), 0);
    check_exclusion(memory, "init twice");
    CHECK_EQ(munmap(memory, 4096), 0);
}

int main(void) {
    check_exclusion(&recursive, "recursive");
    check_exclusion(&checked, "errorcheck");
    check_exclusion(&adaptive, "adaptive");
    CHECK_EQ(pthread_mutex_lock(&recursive), 0);
    CHECK_EQ(pthread_mutex_lock(&recursive), 0);
    CHECK_EQ(pthread_mutex_unlock(&recursive), 0);
    CHECK_EQ(pthread_mutex_unlock(&recursive), 0);
    CHECK_EQ(pthread_mutex_unlock(&recursive), EPERM);
    check_memory();
    return succeed();
}
