// SPDX-License-Identifier: Apache-2.0
//
// Robust mutexes whose owner dies: thread exit, cancelled thread, killed process; consistent or not.
#include "victim.h"
#include <signal.h>
#include <sys/mman.h>

static pthread_mutex_t* make_robust(int shared) {
    pthread_mutex_t* mutex = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    CHECK_EQ(pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST), 0);
    if (shared) CHECK_EQ(pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED), 0);
    CHECK_EQ(pthread_mutex_init(mutex, &attributes), 0);
    return mutex;
}

static void* die_holding(void* mutex) {
    CHECK_EQ(pthread_mutex_lock(mutex), 0);
    return NULL;
}

static void* be_cancelled_holding(void* mutex) {
    CHECK_EQ(pthread_mutex_lock(mutex), 0);
    for (;;) pause();
}

static void check_recovery(pthread_mutex_t* mutex) {
    CHECK_EQ(pthread_mutex_lock(mutex), EOWNERDEAD);
    CHECK_EQ(pthread_mutex_consistent(mutex), 0);
    CHECK_EQ(pthread_mutex_unlock(mutex), 0);
    CHECK_EQ(pthread_mutex_lock(mutex), 0);
    CHECK_EQ(pthread_mutex_unlock(mutex), 0);
}

static void check_threads(void) {
    pthread_mutex_t* mutex = make_robust(0);
    join(start(die_holding, mutex));
    check_recovery(mutex);
    say("owner thread ended: EOWNERDEAD, made consistent");
    pthread_t thread = start(be_cancelled_holding, mutex);
    while (pthread_mutex_trylock(mutex) == 0) pthread_mutex_unlock(mutex);
    CHECK_EQ(pthread_cancel(thread), 0);
    CHECK(join(thread) == PTHREAD_CANCELED);
    CHECK_EQ(pthread_mutex_trylock(mutex), EOWNERDEAD);
    CHECK_EQ(pthread_mutex_unlock(mutex), 0);
    CHECK_EQ(pthread_mutex_lock(mutex), ENOTRECOVERABLE);
    CHECK_EQ(pthread_mutex_trylock(mutex), ENOTRECOVERABLE);
    CHECK_EQ(pthread_mutex_destroy(mutex), 0);
    say("cancelled owner, not made consistent: ENOTRECOVERABLE");
}

static void check_killed_process(void) {
    pthread_mutex_t* mutex = make_robust(1);
    int ready[2];
    CHECK_EQ(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        CHECK_EQ(pthread_mutex_lock(mutex), 0);
        CHECK_EQ(write(ready[1], "x", 1), 1);
        for (;;) pause();
    }
    char byte;
    CHECK_EQ(read(ready[0], &byte, 1), 1);
    CHECK_EQ(pthread_mutex_trylock(mutex), EBUSY);
    CHECK_EQ(kill(child, SIGKILL), 0);
    check_recovery(mutex);
    CHECK_EQ(wait_child(child), -SIGKILL);
    say("owner process killed while we wait: EOWNERDEAD, made consistent");
}

int main(void) {
    check_threads();
    check_killed_process();
    return succeed();
}
