// SPDX-License-Identifier: Apache-2.0
//
// Forty threads read-hold one rwlock at once, each three deep; writers stay out; then writers and
// readers mix under the rule of the lock.
#include "victim.h"

enum { kReaders = 40 };
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static _Atomic int holding, leave;
static long guarded[2];

static void* read_hold(void* unused) {
    for (int i = 0; i < 3; ++i) CHECK_EQ(pthread_rwlock_rdlock(&rwlock), 0);
    atomic_fetch_add(&holding, 1);
    wait_for(&leave, 1);
    for (int i = 0; i < 3; ++i) CHECK_EQ(pthread_rwlock_unlock(&rwlock), 0);
    return unused;
}

static void* read_some(void* unused) {
    for (int i = 0; i < 2000; ++i) {
        CHECK_EQ(pthread_rwlock_rdlock(&rwlock), 0);
        CHECK_EQ(guarded[0], guarded[1]);
        CHECK_EQ(pthread_rwlock_unlock(&rwlock), 0);
    }
    return unused;
}

static void* write_some(void* unused) {
    for (int i = 0; i < 2000; ++i) {
        CHECK_EQ(pthread_rwlock_wrlock(&rwlock), 0);
        ++guarded[0];
        ++guarded[1];
        CHECK_EQ(pthread_rwlock_unlock(&rwlock), 0);
    }
    return unused;
}

int main(void) {
    pthread_t threads[kReaders];
    for (int i = 0; i < kReaders; ++i) threads[i] = start(read_hold, NULL);
    wait_for(&holding, kReaders);
    CHECK_EQ(pthread_rwlock_trywrlock(&rwlock), EBUSY);
    CHECK_EQ(pthread_rwlock_tryrdlock(&rwlock), 0);
    CHECK_EQ(pthread_rwlock_unlock(&rwlock), 0);
    atomic_store(&leave, 1);
    for (int i = 0; i < kReaders; ++i) join(threads[i]);
    CHECK_EQ(pthread_rwlock_trywrlock(&rwlock), 0);
    CHECK_EQ(pthread_rwlock_unlock(&rwlock), 0);
    say("40 readers at once");
    for (int i = 0; i < 8; ++i) threads[i] = start(i < 2 ? write_some : read_some, NULL);
    for (int i = 0; i < 8; ++i) join(threads[i]);
    CHECK_EQ(guarded[0], 4000);
    say("readers and writers mixed");
    return succeed();
}
