// SPDX-License-Identifier: Apache-2.0
//
// A holder gets the priority of its most urgent waiter: mutexes of each kind, initialised statically and by
// call; waits with a time-out; a holder that got the mutex back from a condition variable; a chain of
// holders; a fork child. Looked at from outside, in field 18 of /proc/PID/task/TID/stat (-11: as SCHED_FIFO
// 10), and only with the environment variable BOOSTED: without --runtime=kernel-pi nobody inherits.
#include "victim.h"
#include <threads.h>

static int is_boosted;
static pthread_mutex_t mutexes[] = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP,
                                    PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP,
                                    PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP};
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pthread_mutex_t links[2] = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER};
static pthread_mutex_t* mutex;
static clockid_t clock_used;  // of the time-out; -1: none
static _Atomic pid_t waiter;
static _Atomic int stage;

static int priority_of(pid_t process, pid_t tid) {
    char path[64];
    char line[512];
    int priority = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/stat", (int)process, (int)tid);
    FILE* file = fopen(path, "r");
    CHECK(file != NULL);
    CHECK(fgets(line, sizeof line, file) != NULL);
    fclose(file);
    CHECK_EQ(sscanf(strrchr(line, ')'), ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %d",
                    &priority),
             1);
    return priority;
}

// In the end, that is: the case's time limit says when there is no end.
static void await_priority(pid_t tid, int wanted) {
    while (is_boosted && priority_of(getpid(), tid) != wanted) usleep(200);
}

static void become_fifo(int priority) {
    struct sched_param parameters = {.sched_priority = priority};
    CHECK_EQ(pthread_setschedparam(pthread_self(), SCHED_FIFO, &parameters), 0);
}

static int lock_as_told(void) {
    if (clock_used == -1) return pthread_mutex_lock(mutex);
    struct timespec far = in_ms(clock_used, 3600 * 1000);
    return pthread_mutex_clocklock(mutex, clock_used, &far);
}

static void* want(void* priority) {
    become_fifo((int)(long)priority);
    atomic_store(&waiter, gettid());
    CHECK_EQ(lock_as_told(), 0);
    CHECK_EQ(pthread_mutex_unlock(mutex), 0);
    return NULL;
}

// The caller holds `mutex`.
static void check_boost(int priority) {
    atomic_store(&waiter, 0);
    pthread_t thread = start(want, (void*)(long)priority);
    wait_until_asleep(&waiter);
    await_priority(gettid(), -1 - priority);
    CHECK_EQ(pthread_mutex_unlock(mutex), 0);
    join(thread);
    await_priority(gettid(), 20);
}

static void check_each_wait(pthread_mutex_t* m, const char* name) {
    static const clockid_t kClocks[] = {-1, CLOCK_MONOTONIC, CLOCK_REALTIME};
    mutex = m;
    for (int i = 0; i < 3; ++i) {
        clock_used = kClocks[i];
        CHECK_EQ(pthread_mutex_lock(m), 0);
        check_boost(10 + i);
        CHECK_EQ(pthread_mutex_trylock(m), 0);
        check_boost(20);
    }
    clock_used = -1;
    printf("%s\n", name);
}

static void* wake(void* unused) {
    CHECK_EQ(pthread_mutex_lock(mutex), 0);
    atomic_store(&stage, 1);
    CHECK_EQ(pthread_cond_signal(&changed), 0);
    CHECK_EQ(pthread_mutex_unlock(mutex), 0);
    return unused;
}

static void check_after_cond(void) {
    mutex = &mutexes[0];
    atomic_store(&stage, 0);
    CHECK_EQ(pthread_mutex_lock(mutex), 0);
    pthread_t thread = start(wake, NULL);
    while (!atomic_load(&stage)) CHECK_EQ(pthread_cond_wait(&changed, mutex), 0);
    check_boost(10);
    join(thread);
    say("after a wait for a condition variable");
}

static void* hold_and_want(void* unused) {
    CHECK_EQ(pthread_mutex_lock(&links[1]), 0);
    atomic_store(&waiter, gettid());
    CHECK_EQ(pthread_mutex_lock(&links[0]), 0);
    CHECK_EQ(pthread_mutex_unlock(&links[0]), 0);
    CHECK_EQ(pthread_mutex_unlock(&links[1]), 0);
    return unused;
}

static void check_chain(void) {
    CHECK_EQ(pthread_mutex_lock(&links[0]), 0);
    atomic_store(&waiter, 0);
    pthread_t middle = start(hold_and_want, NULL);
    wait_until_asleep(&waiter);
    mutex = &links[1];
    atomic_store(&waiter, 0);
    pthread_t urgent = start(want, (void*)30L);
    wait_until_asleep(&waiter);
    await_priority(gettid(), -31);
    CHECK_EQ(pthread_mutex_unlock(&links[0]), 0);
    join(middle);
    join(urgent);
    say("through a chain");
}

static void* hold_to_the_end(void* unused) {
    CHECK_EQ(pthread_mutex_lock(&links[1]), 0);
    atomic_store(&waiter, gettid());
    while (atomic_load(&stage) != 2) usleep(100);
    CHECK_EQ(pthread_mutex_unlock(&links[1]), 0);
    return unused;
}

static void* want_in_vain(void* unused) {
    struct timespec soon = in_ms(CLOCK_MONOTONIC, 100);
    become_fifo(10);
    atomic_store(&waiter, gettid());
    CHECK_EQ(pthread_mutex_clocklock(&links[1], CLOCK_MONOTONIC, &soon), ETIMEDOUT);
    return unused;
}

// The child goes on holding what its parent's thread held, and inherits as its owner. What another thread of
// the parent holds it will never get; so that thread must not have its priority.
static void live_as_child(pid_t holder) {
    check_boost(10);
    atomic_store(&waiter, 0);
    pthread_t thread = start(want_in_vain, NULL);
    while (atomic_load(&waiter) == 0) usleep(100);
    for (int i = 0; i < 50; ++i, usleep(1000)) CHECK_EQ(priority_of(getppid(), holder), 20);
    join(thread);
    _exit(0);
}

static void check_fork(void) {
    atomic_store(&waiter, 0);
    atomic_store(&stage, 0);
    pthread_t other = start(hold_to_the_end, NULL);
    while (atomic_load(&waiter) == 0) usleep(100);
    pid_t holder = atomic_load(&waiter);
    mutex = &mutexes[3];
    CHECK_EQ(pthread_mutex_lock(mutex), 0);
    pid_t child = fork();
    if (child == 0) live_as_child(holder);
    CHECK_EQ(wait_child(child), 0);
    check_boost(10);
    atomic_store(&stage, 2);
    join(other);
    say("in a fork child");
}

static void check_initialised(int type, const char* name) {
    pthread_mutexattr_t attributes;
    pthread_mutex_t m;
    pthread_mutexattr_init(&attributes);
    CHECK_EQ(pthread_mutexattr_settype(&attributes, type), 0);
    CHECK_EQ(pthread_mutex_init(&m, &attributes), 0);
    check_each_wait(&m, name);
    CHECK_EQ(pthread_mutex_destroy(&m), 0);
}

int main(void) {
    struct sched_param parameters = {.sched_priority = 30};
    is_boosted = getenv("BOOSTED") != NULL;
    if (sched_setscheduler(0, SCHED_FIFO, &parameters) != 0) {
        say("skipped: SCHED_FIFO is not permitted");
        return succeed();
    }
    parameters.sched_priority = 0;
    CHECK_EQ(sched_setscheduler(0, SCHED_OTHER, &parameters), 0);
    check_each_wait(&mutexes[0], "normal");
    check_each_wait(&mutexes[1], "recursive");
    check_each_wait(&mutexes[2], "errorcheck");
    check_each_wait(&mutexes[3], "adaptive");
    check_initialised(PTHREAD_MUTEX_NORMAL, "normal, by pthread_mutex_init");
    check_initialised(PTHREAD_MUTEX_RECURSIVE, "recursive, by pthread_mutex_init");
    mtx_t c11;
    CHECK_EQ(mtx_init(&c11, mtx_timed), thrd_success);
    check_each_wait((pthread_mutex_t*)&c11, "C11");
    check_after_cond();
    check_chain();
    check_fork();
    return succeed();
}
