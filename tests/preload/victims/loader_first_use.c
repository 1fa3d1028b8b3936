// SPDX-License-Identifier: Apache-2.0
//
// The deadlock of lazy resolution, made certain: the constructor of first_use_plugin.c (argument 1) runs
// under the loader's lock and waits until this program's other thread has called each lock function for
// the first time in the life of the process. If such a first call needs the loader, nobody goes on.
#include "victim.h"
#include <dlfcn.h>
#include <semaphore.h>

_Atomic int constructor_runs, first_uses_done;

static void* use_each_for_the_first_time(void* unused) {
    struct timespec past = {.tv_sec = 1, .tv_nsec = 0};
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
    pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
    sem_t semaphore;
    while (!atomic_load(&constructor_runs)) sched_yield();
    CHECK_EQ(pthread_mutex_timedlock(&mutex, &past), 0);
    CHECK_EQ(pthread_cond_clockwait(&cond, &mutex, CLOCK_MONOTONIC, &past), ETIMEDOUT);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    CHECK_EQ(pthread_rwlock_clockwrlock(&rwlock, CLOCK_MONOTONIC, &past), 0);
    CHECK_EQ(pthread_rwlock_unlock(&rwlock), 0);
    CHECK_EQ(sem_init(&semaphore, 0, 1), 0);
    CHECK_EQ(sem_clockwait(&semaphore, CLOCK_MONOTONIC, &past), 0);
    CHECK_EQ(pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &past), 0);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    CHECK_EQ(nanosleep(&(struct timespec){.tv_nsec = 1}, NULL), 0);
    atomic_store(&first_uses_done, 1);
    return unused;
}

int main(int count, char** arguments) {
    CHECK_EQ(count, 2);
    pthread_t thread = start(use_each_for_the_first_time, NULL);
    void* handle = dlopen(arguments[1], RTLD_NOW);
    CHECK(handle != NULL);
    join(thread);
    CHECK_EQ(dlclose(handle), 0);
    return succeed();
}
