// SPDX-License-Identifier: Apache-2.0
//
// A library that is initialised before any other, also before one that is preloaded, and before libc: it is
// linked with -z initfirst and loaded last. Its constructor leaves locks taken; with the program's argument
// `blocked` also a thread that is blocked on one of them, with `cond` one that waits on a condvar.
// early_locks.c goes on from there.
#include "victim.h"

pthread_mutex_t early_plain = PTHREAD_MUTEX_INITIALIZER;
pthread_mutex_t early_contended = PTHREAD_MUTEX_INITIALIZER;
pthread_mutex_t early_recursive = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
pthread_mutex_t early_checked = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
pthread_rwlock_t early_rwlock = PTHREAD_RWLOCK_INITIALIZER;
pthread_cond_t early_changed = PTHREAD_COND_INITIALIZER;
pthread_mutex_t early_cond_mutex = PTHREAD_MUTEX_INITIALIZER;
int early_is_done;
pthread_t early_thread;
static _Atomic pid_t sleeper;

static void* block(void* unused) {
    atomic_store(&sleeper, gettid());
    CHECK_EQ(pthread_mutex_lock(&early_contended), 0);
    CHECK_EQ(pthread_mutex_unlock(&early_contended), 0);
    return unused;
}

static void* wait_on_cond(void* unused) {
    CHECK_EQ(pthread_mutex_lock(&early_cond_mutex), 0);
    atomic_store(&sleeper, gettid());
    while (!early_is_done) CHECK_EQ(pthread_cond_wait(&early_changed, &early_cond_mutex), 0);
    CHECK_EQ(pthread_mutex_unlock(&early_cond_mutex), 0);
    return unused;
}

__attribute__((constructor)) static void take_early(int count, char** arguments) {
    CHECK_EQ(pthread_mutex_lock(&early_plain), 0);
    CHECK_EQ(pthread_mutex_lock(&early_contended), 0);
    for (int i = 0; i < 2; ++i) CHECK_EQ(pthread_mutex_lock(&early_recursive), 0);
    CHECK_EQ(pthread_mutex_lock(&early_checked), 0);
    CHECK_EQ(pthread_rwlock_rdlock(&early_rwlock), 0);
    CHECK_EQ(count, 2);
    if (strcmp(arguments[1], "blocked") == 0) {
        early_thread = start(block, NULL);
        wait_until_asleep(&sleeper);
    }
    if (strcmp(arguments[1], "cond") == 0) {
        early_thread = start(wait_on_cond, NULL);
        wait_until_asleep(&sleeper);
    }
}
