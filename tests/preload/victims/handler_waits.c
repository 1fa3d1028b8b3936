// SPDX-License-Identifier: Apache-2.0
//
// A signal handler that waits, while the thread it interrupts waits: every kind of wait inside every other,
// the inner one released first, then the outer one first, so that what the outer wait was for happens while
// the handler still waits. The objects differ, so the C library allows it; whatever a library keeps per
// waiting thread must be kept per wait.
#include "victim.h"
#include <semaphore.h>
#include <signal.h>

enum { kKinds = 7, kInner = 7 };
static const char* const kNames[kKinds] = {"mutex",  "timed mutex", "condvar",  "timed condvar",
                                           "reader", "writer",      "semaphore"};

// One of each; two sets, so that the handler never touches what it interrupted.
struct objects {
    pthread_mutex_t mutex, cond_mutex;
    pthread_cond_t changed;
    pthread_rwlock_t rwlock;
    sem_t semaphore;
    int is_done;
};
static struct objects outer, inner;
static _Atomic pid_t waiter;
static _Atomic int inner_kind, inner_done, outer_done;

static void init(struct objects* o) {
    CHECK_EQ(pthread_mutex_init(&o->mutex, NULL), 0);
    CHECK_EQ(pthread_mutex_init(&o->cond_mutex, NULL), 0);
    CHECK_EQ(pthread_cond_init(&o->changed, NULL), 0);
    CHECK_EQ(pthread_rwlock_init(&o->rwlock, NULL), 0);
    CHECK_EQ(sem_init(&o->semaphore, 0, 0), 0);
    o->is_done = 0;
}

static void destroy(struct objects* o) {
    CHECK_EQ(pthread_mutex_destroy(&o->mutex), 0);
    CHECK_EQ(pthread_mutex_destroy(&o->cond_mutex), 0);
    CHECK_EQ(pthread_cond_destroy(&o->changed), 0);
    CHECK_EQ(pthread_rwlock_destroy(&o->rwlock), 0);
    CHECK_EQ(sem_destroy(&o->semaphore), 0);
}

// Makes the wait of this kind block.
static void close_gate(struct objects* o, int kind) {
    if (kind <= 1) CHECK_EQ(pthread_mutex_lock(&o->mutex), 0);
    if (kind == 4) CHECK_EQ(pthread_rwlock_wrlock(&o->rwlock), 0);
    if (kind == 5) CHECK_EQ(pthread_rwlock_rdlock(&o->rwlock), 0);
}

static void open_gate(struct objects* o, int kind) {
    if (kind <= 1) CHECK_EQ(pthread_mutex_unlock(&o->mutex), 0);
    if (kind == 2 || kind == 3) {
        CHECK_EQ(pthread_mutex_lock(&o->cond_mutex), 0);
        o->is_done = 1;
        CHECK_EQ(pthread_cond_signal(&o->changed), 0);
        CHECK_EQ(pthread_mutex_unlock(&o->cond_mutex), 0);
    }
    if (kind == 4 || kind == 5) CHECK_EQ(pthread_rwlock_unlock(&o->rwlock), 0);
    if (kind == 6) CHECK_EQ(sem_post(&o->semaphore), 0);
}

static void wait_on_cond(struct objects* o, int is_timed, struct timespec late) {
    CHECK_EQ(pthread_mutex_lock(&o->cond_mutex), 0);
    while (!o->is_done)
        CHECK_EQ(is_timed ? pthread_cond_timedwait(&o->changed, &o->cond_mutex, &late)
                          : pthread_cond_wait(&o->changed, &o->cond_mutex),
                 0);
    CHECK_EQ(pthread_mutex_unlock(&o->cond_mutex), 0);
}

static void pass_gate(struct objects* o, int kind) {
    struct timespec late = in_ms(CLOCK_REALTIME, 100000);
    if (kind == 0) CHECK_EQ(pthread_mutex_lock(&o->mutex), 0);
    if (kind == 1) CHECK_EQ(pthread_mutex_timedlock(&o->mutex, &late), 0);
    if (kind <= 1) CHECK_EQ(pthread_mutex_unlock(&o->mutex), 0);
    if (kind == 2 || kind == 3) wait_on_cond(o, kind == 3, late);
    if (kind == 4) CHECK_EQ(pthread_rwlock_rdlock(&o->rwlock), 0);
    if (kind == 5) CHECK_EQ(pthread_rwlock_wrlock(&o->rwlock), 0);
    if (kind == 4 || kind == 5) CHECK_EQ(pthread_rwlock_unlock(&o->rwlock), 0);
    while (kind == 6 && sem_wait(&o->semaphore) != 0) CHECK_EQ(errno, EINTR);
}

static void handle(int signal) {
    int saved = errno;
    (void)signal;
    atomic_store(&waiter, gettid());
    pass_gate(&inner, atomic_load(&inner_kind));
    atomic_store(&inner_done, 1);
    errno = saved;
}

static void* wait_outside(void* kind) {
    atomic_store(&waiter, gettid());
    pass_gate(&outer, (int)(long)kind);
    atomic_store(&outer_done, 1);
    return NULL;
}

static void nest(int outer_kind, int kind, int outer_first) {
    init(&outer);
    init(&inner);
    atomic_store(&waiter, 0);
    atomic_store(&inner_done, 0);
    atomic_store(&outer_done, 0);
    atomic_store(&inner_kind, kind);
    close_gate(&outer, outer_kind);
    close_gate(&inner, kind);
    pthread_t thread = start(wait_outside, (void*)(long)outer_kind);
    wait_until_asleep(&waiter);
    atomic_store(&waiter, 0);
    CHECK_EQ(pthread_kill(thread, SIGUSR1), 0);
    wait_until_asleep(&waiter);
    if (outer_first) open_gate(&outer, outer_kind);
    CHECK(!atomic_load(&outer_done) && !atomic_load(&inner_done));
    open_gate(&inner, kind);
    wait_for(&inner_done, 1);
    if (!outer_first) open_gate(&outer, outer_kind);
    join(thread);
    CHECK(atomic_load(&outer_done));
    destroy(&outer);
    destroy(&inner);
}

int main(void) {
    struct sigaction action = {.sa_flags = 0};
    action.sa_handler = handle;
    CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
    for (int kind = 0; kind < kKinds; ++kind) {
        for (int in = 0; in < kInner; ++in) {
            nest(kind, in, 0);
            nest(kind, in, 1);
        }
        printf("%s: interrupted by waits of each kind\n", kNames[kind]);
    }
    return succeed();
}
