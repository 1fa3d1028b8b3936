// SPDX-License-Identifier: Apache-2.0
//
// fork with held locks, the pthread_atfork pattern, fork from a thread beside busy threads, and children
// that create threads of their own and fork again. (A rwlock is read-held: glibc lets no child release
// the write lock of its parent.)
#include "victim.h"

static pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t guarded = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static _Atomic int stop, ready;

static void prepare(void) {
    CHECK_EQ(pthread_mutex_lock(&guarded), 0);
}
static void release(void) {
    CHECK_EQ(pthread_mutex_unlock(&guarded), 0);
}

static void* keep_busy(void* unused) {
    atomic_fetch_add(&ready, 1);
    while (!atomic_load(&stop)) {
        CHECK_EQ(pthread_mutex_lock(&guarded), 0);
        CHECK_EQ(pthread_mutex_unlock(&guarded), 0);
    }
    return unused;
}

static void* lock_once(void* unused) {
    CHECK_EQ(pthread_mutex_lock(&guarded), 0);
    CHECK_EQ(pthread_mutex_unlock(&guarded), 0);
    return unused;
}

// The child releases what its parent's thread held; while `generations` are left it takes both again and
// goes on as its own child.
static void live_as_child(int generations) {
    for (;; --generations) {
        CHECK_EQ(pthread_mutex_trylock(&held), EBUSY);
        CHECK_EQ(pthread_mutex_unlock(&held), 0);
        CHECK_EQ(pthread_rwlock_unlock(&rwlock), 0);
        for (int i = 0; i < 3; ++i) join(start(lock_once, NULL));
        if (generations == 0) _exit(0);
        CHECK_EQ(pthread_mutex_lock(&held), 0);
        CHECK_EQ(pthread_rwlock_rdlock(&rwlock), 0);
        pid_t child = fork();
        if (child != 0) _exit(wait_child(child));
    }
}

static void* fork_often(void* unused) {
    for (int i = 0; i < 12; ++i) {
        CHECK_EQ(pthread_mutex_lock(&held), 0);
        CHECK_EQ(pthread_rwlock_rdlock(&rwlock), 0);
        pid_t child = fork();
        if (child == 0) live_as_child(i % 2);
        CHECK_EQ(pthread_rwlock_unlock(&rwlock), 0);
        CHECK_EQ(pthread_mutex_unlock(&held), 0);
        CHECK_EQ(wait_child(child), 0);
    }
    return unused;
}

int main(void) {
    pthread_t busy[2];
    CHECK_EQ(pthread_atfork(prepare, release, release), 0);
    fork_often(NULL);
    say("forks of a single-threaded process");
    for (int i = 0; i < 2; ++i) busy[i] = start(keep_busy, NULL);
    wait_for(&ready, 2);
    join(start(fork_often, NULL));
    atomic_store(&stop, 1);
    for (int i = 0; i < 2; ++i) join(busy[i]);
    say("forks of a thread beside busy threads");
    return succeed();
}
