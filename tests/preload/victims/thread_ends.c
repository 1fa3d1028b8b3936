// SPDX-License-Identifier: Apache-2.0
//
// The ways a thread ends (return, pthread_exit, cancel deferred and asynchronous) and the ways to
// collect it (join, tryjoin, timedjoin, clockjoin), with the values handed over; errors of create.
#include "victim.h"

static _Atomic int go, cleaned;
static _Atomic pid_t waiter;

static void clean(void* by) {
    atomic_fetch_add(&cleaned, (int)(long)by);
}

static void* end_by(void* argument) {
    int how = (int)(long)argument;
    wait_for(&go, 1);
    pthread_cleanup_push(clean, (void*)1L);
    if (how == 1) pthread_exit((void*)101L);
    if (how == 2) {
        atomic_store(&waiter, gettid());
        for (;;) pause();
    }
    if (how == 3) {
        int old;
        CHECK_EQ(pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &old), 0);
        for (;;) atomic_store(&waiter, gettid());
    }
    pthread_cleanup_pop(0);
    return (void*)100L;
}

static void check_joins(void) {
    void* result = NULL;
    struct timespec past = in_ms(CLOCK_REALTIME, -1000);
    struct timespec soon = in_ms(CLOCK_MONOTONIC, 10);
    struct timespec late = in_ms(CLOCK_MONOTONIC, 100000);
    pthread_t thread = start(end_by, (void*)0L);
    CHECK_EQ(pthread_tryjoin_np(thread, &result), EBUSY);
    CHECK_EQ(pthread_timedjoin_np(thread, &result, &past), ETIMEDOUT);
    CHECK_EQ(pthread_clockjoin_np(thread, &result, CLOCK_MONOTONIC, &soon), ETIMEDOUT);
    CHECK_EQ(pthread_join(pthread_self(), NULL), EDEADLK);
    atomic_store(&go, 1);
    CHECK_EQ(pthread_clockjoin_np(thread, &result, CLOCK_MONOTONIC, &late), 0);
    CHECK_EQ((long)result, 100);
    thread = start(end_by, (void*)1L);
    while (pthread_tryjoin_np(thread, &result) == EBUSY) sched_yield();
    CHECK_EQ((long)result, 101);
    thread = start(end_by, (void*)0L);
    late = in_ms(CLOCK_REALTIME, 100000);
    CHECK_EQ(pthread_timedjoin_np(thread, &result, &late), 0);
    CHECK_EQ((long)result, 100);
    CHECK_EQ(pthread_detach(thread = start(end_by, (void*)0L)), 0);
    say("joins");
}

static void check_cancel(long how, const char* what) {
    atomic_store(&waiter, 0);
    atomic_store(&cleaned, 0);
    pthread_t thread = start(end_by, (void*)how);
    while (atomic_load(&waiter) == 0) sched_yield();
    CHECK_EQ(pthread_cancel(thread), 0);
    CHECK(join(thread) == PTHREAD_CANCELED);
    CHECK_EQ(cleaned, 1);
    say(what);
}

static void check_create_errors(void) {
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    CHECK_EQ(pthread_attr_setstacksize(&attributes, (size_t)1 << 46), 0);
    int result = pthread_create(&thread, &attributes, end_by, NULL);
    CHECK(result == EAGAIN || result == ENOMEM || result == EINVAL);
    pthread_attr_destroy(&attributes);
    say("create without memory fails");
}

int main(void) {
    check_joins();
    check_cancel(2, "cancelled in pause");
    check_cancel(3, "cancelled asynchronously");
    check_create_errors();
    return succeed();
}
