// SPDX-License-Identifier: Apache-2.0
//
// Errors, timeouts and preference kinds of rwlocks: a non-recursive writer-preferring lock keeps readers
// out while a writer waits, the others do not.
#include "victim.h"

static pthread_rwlock_t rwlock;
static _Atomic pid_t writer;

static void init_kind(int kind) {
    pthread_rwlockattr_t attributes;
    pthread_rwlockattr_init(&attributes);
    CHECK_EQ(pthread_rwlockattr_setkind_np(&attributes, kind), 0);
    CHECK_EQ(pthread_rwlock_init(&rwlock, &attributes), 0);
}

static void* write_once(void* unused) {
    atomic_store(&writer, gettid());
    CHECK_EQ(pthread_rwlock_wrlock(&rwlock), 0);
    CHECK_EQ(pthread_rwlock_unlock(&rwlock), 0);
    return unused;
}

static void show_preference(int kind, const char* name) {
    struct timespec past = in_ms(CLOCK_REALTIME, -1000);
    init_kind(kind);
    atomic_store(&writer, 0);
    CHECK_EQ(pthread_rwlock_rdlock(&rwlock), 0);
    pthread_t thread = start(write_once, NULL);
    wait_until_asleep(&writer);
    int tried = pthread_rwlock_tryrdlock(&rwlock);
    printf("%s: reader beside a waiting writer: %s\n", name, strerror(tried));
    if (tried == 0)
        CHECK_EQ(pthread_rwlock_unlock(&rwlock), 0);
    else
        CHECK_EQ(pthread_rwlock_timedrdlock(&rwlock, &past), ETIMEDOUT);
    CHECK_EQ(pthread_rwlock_unlock(&rwlock), 0);
    join(thread);
    CHECK_EQ(pthread_rwlock_destroy(&rwlock), 0);
}

static void* try_from_outside(void* unused) {
    struct timespec past = in_ms(CLOCK_REALTIME, -1000);
    struct timespec soon = in_ms(CLOCK_MONOTONIC, 20);
    struct timespec bad = {.tv_sec = past.tv_sec + 100, .tv_nsec = 1000000000};
    CHECK_EQ(pthread_rwlock_tryrdlock(&rwlock), EBUSY);
    CHECK_EQ(pthread_rwlock_trywrlock(&rwlock), EBUSY);
    CHECK_EQ(pthread_rwlock_timedrdlock(&rwlock, &past), ETIMEDOUT);
    CHECK_EQ(pthread_rwlock_timedwrlock(&rwlock, &past), ETIMEDOUT);
    CHECK_EQ(pthread_rwlock_timedrdlock(&rwlock, &bad), EINVAL);
    CHECK_EQ(pthread_rwlock_timedwrlock(&rwlock, &bad), EINVAL);
    CHECK_EQ(pthread_rwlock_clockrdlock(&rwlock, CLOCK_MONOTONIC, &soon), ETIMEDOUT);
    CHECK_EQ(pthread_rwlock_clockwrlock(&rwlock, CLOCK_MONOTONIC, &soon), ETIMEDOUT);
    CHECK_EQ(pthread_rwlock_clockrdlock(&rwlock, 4711, &soon), EINVAL);
    CHECK_EQ(pthread_rwlock_clockwrlock(&rwlock, 4711, &soon), EINVAL);
    return unused;
}

int main(void) {
    init_kind(PTHREAD_RWLOCK_DEFAULT_NP);
    CHECK_EQ(pthread_rwlock_wrlock(&rwlock), 0);
    CHECK_EQ(pthread_rwlock_wrlock(&rwlock), EDEADLK);
    CHECK_EQ(pthread_rwlock_rdlock(&rwlock), EDEADLK);
    join(start(try_from_outside, NULL));
    CHECK_EQ(pthread_rwlock_unlock(&rwlock), 0);
    CHECK_EQ(pthread_rwlock_destroy(&rwlock), 0);
    say("EDEADLK, EBUSY, ETIMEDOUT, EINVAL");
    show_preference(PTHREAD_RWLOCK_PREFER_READER_NP, "prefer reader");
    show_preference(PTHREAD_RWLOCK_PREFER_WRITER_NP, "prefer writer");
    show_preference(PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP, "prefer writer, non-recursive");
    return succeed();
}
