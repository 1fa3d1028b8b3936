// SPDX-License-Identifier: Apache-2.0
//
// Who may pass whom at a rwlock: a reader that reads again while a writer waits (the default kind must let
// it), readers that queue behind a writer, upgrades, timed calls, static initialisers, a read lock released
// by another thread, and memory that goes away right after the last unlock.
#include "victim.h"
#include <sys/mman.h>

enum { kReaders = 40, kRounds = 1000 };
static pthread_rwlock_t by_default = PTHREAD_RWLOCK_INITIALIZER;
static pthread_rwlock_t writers_first = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;
static _Atomic pid_t sleepers[kReaders], writer;
static _Atomic int written, inside, leave;
static pthread_barrier_t barrier;

static void* write_once(void* rwlock) {
    atomic_store(&writer, gettid());
    CHECK_EQ(pthread_rwlock_wrlock(rwlock), 0);
    CHECK_EQ(atomic_load(&inside), 0);
    atomic_store(&written, 1);
    CHECK_EQ(pthread_rwlock_unlock(rwlock), 0);
    return NULL;
}

static pthread_t start_writer(pthread_rwlock_t* rwlock) {
    atomic_store(&writer, 0);
    atomic_store(&written, 0);
    pthread_t thread = start(write_once, rwlock);
    wait_until_asleep(&writer);
    return thread;
}

static void check_recursive_reader(void) {
    struct timespec late = in_ms(CLOCK_REALTIME, 100000);
    CHECK_EQ(pthread_rwlock_rdlock(&by_default), 0);
    pthread_t thread = start_writer(&by_default);
    CHECK_EQ(pthread_rwlock_rdlock(&by_default), 0);
    CHECK_EQ(pthread_rwlock_tryrdlock(&by_default), 0);
    CHECK_EQ(pthread_rwlock_timedrdlock(&by_default, &late), 0);
    CHECK(!atomic_load(&written));
    for (int i = 0; i < 4; ++i) CHECK_EQ(pthread_rwlock_unlock(&by_default), 0);
    join(thread);
    say("default kind: a reader reads again while a writer waits");
}

static void* read_behind_writer(void* argument) {
    atomic_store(&sleepers[(long)argument], gettid());
    CHECK_EQ(pthread_rwlock_rdlock(&writers_first), 0);
    CHECK(atomic_load(&written));
    atomic_fetch_add(&inside, 1);
    wait_for(&leave, 1);
    atomic_fetch_sub(&inside, 1);
    CHECK_EQ(pthread_rwlock_unlock(&writers_first), 0);
    return NULL;
}

// Forty readers come while a writer waits: none passes it, and afterwards they hold the lock together.
static void check_writer_first(void) {
    pthread_t readers[kReaders];
    struct timespec past = in_ms(CLOCK_REALTIME, -1);
    struct timespec soon = in_ms(CLOCK_MONOTONIC, 5);
    CHECK_EQ(pthread_rwlock_rdlock(&writers_first), 0);
    pthread_t thread = start_writer(&writers_first);
    for (long i = 0; i < kReaders; ++i) readers[i] = start(read_behind_writer, (void*)i);
    for (int i = 0; i < kReaders; ++i) wait_until_asleep(&sleepers[i]);
    CHECK_EQ(pthread_rwlock_tryrdlock(&writers_first), EBUSY);
    CHECK_EQ(pthread_rwlock_timedrdlock(&writers_first, &past), ETIMEDOUT);
    CHECK_EQ(pthread_rwlock_clockrdlock(&writers_first, CLOCK_MONOTONIC, &soon), ETIMEDOUT);
    CHECK(!atomic_load(&written));
    CHECK_EQ(pthread_rwlock_unlock(&writers_first), 0);
    join(thread);
    wait_for(&inside, kReaders);
    CHECK_EQ(pthread_rwlock_trywrlock(&writers_first), EBUSY);
    atomic_store(&leave, 1);
    for (int i = 0; i < kReaders; ++i) join(readers[i]);
    say("writers first: readers stay behind, then 40 at once");
}

// A writer that gives up leaves the readers it kept out free to go on.
static void* give_up_writing(void* unused) {
    struct timespec soon = in_ms(CLOCK_REALTIME, 30);
    atomic_store(&writer, gettid());
    CHECK_EQ(pthread_rwlock_timedwrlock(&writers_first, &soon), ETIMEDOUT);
    return unused;
}

static void* read_once(void* unused) {
    atomic_store(&sleepers[0], gettid());
    CHECK_EQ(pthread_rwlock_rdlock(&writers_first), 0);
    CHECK_EQ(pthread_rwlock_unlock(&writers_first), 0);
    return unused;
}

static void check_writer_gives_up(void) {
    CHECK_EQ(pthread_rwlock_rdlock(&writers_first), 0);
    pthread_t thread = start(give_up_writing, NULL);
    pthread_t reader = start(read_once, NULL);
    join(thread);
    join(reader);
    CHECK_EQ(pthread_rwlock_tryrdlock(&writers_first), 0);
    CHECK_EQ(pthread_rwlock_unlock(&writers_first), 0);
    CHECK_EQ(pthread_rwlock_unlock(&writers_first), 0);
    CHECK_EQ(pthread_rwlock_trywrlock(&writers_first), 0);
    CHECK_EQ(pthread_rwlock_unlock(&writers_first), 0);
    say("a writer gives up: the readers behind it go on");
}

static void check_upgrade(pthread_rwlock_t* rwlock, const char* name) {
    struct timespec soon = in_ms(CLOCK_REALTIME, 5);
    CHECK_EQ(pthread_rwlock_rdlock(rwlock), 0);
    CHECK_EQ(pthread_rwlock_trywrlock(rwlock), EBUSY);
    CHECK_EQ(pthread_rwlock_timedwrlock(rwlock, &soon), ETIMEDOUT);
    CHECK_EQ(pthread_rwlock_unlock(rwlock), 0);
    CHECK_EQ(pthread_rwlock_wrlock(rwlock), 0);
    CHECK_EQ(pthread_rwlock_trywrlock(rwlock), EBUSY);
    CHECK_EQ(pthread_rwlock_tryrdlock(rwlock), EBUSY);
    CHECK_EQ(pthread_rwlock_timedwrlock(rwlock, &soon), EDEADLK);
    CHECK_EQ(pthread_rwlock_timedrdlock(rwlock, &soon), EDEADLK);
    CHECK_EQ(pthread_rwlock_unlock(rwlock), 0);
    printf("%s: no upgrade, EDEADLK of a writer\n", name);
}

static void* unlock(void* rwlock) {
    CHECK_EQ(pthread_rwlock_unlock(rwlock), 0);
    return NULL;
}

static void check_foreign_read_unlock(void) {
    CHECK_EQ(pthread_rwlock_rdlock(&by_default), 0);
    pthread_t thread = start_writer(&by_default);
    join(start(unlock, &by_default));
    join(thread);
    CHECK_EQ(pthread_rwlock_trywrlock(&by_default), 0);
    CHECK_EQ(pthread_rwlock_unlock(&by_default), 0);
    say("a read lock released by another thread");
}

struct object {
    pthread_rwlock_t rwlock;
    int references;
};
static struct object* volatile current;

static void drop(void) {
    struct object* object = current;
    CHECK_EQ(pthread_rwlock_wrlock(&object->rwlock), 0);
    int left = --object->references;
    CHECK_EQ(pthread_rwlock_unlock(&object->rwlock), 0);
    if (left != 0) return;
    CHECK_EQ(pthread_rwlock_destroy(&object->rwlock), 0);
    CHECK_EQ(munmap(object, 4096), 0);
}

static void* drop_each(void* unused) {
    for (int i = 0; i < kRounds; ++i) {
        pthread_barrier_wait(&barrier);
        drop();
        pthread_barrier_wait(&barrier);
    }
    return unused;
}

static void check_unmapped(void) {
    pthread_t thread = start(drop_each, NULL);
    for (int i = 0; i < kRounds; ++i) {
        current = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (i % 2) CHECK_EQ(pthread_rwlock_init(&current->rwlock, NULL), 0);
        current->references = 2;
        pthread_barrier_wait(&barrier);
        drop();
        pthread_barrier_wait(&barrier);
    }
    join(thread);
    say("unmapped after the last unlock");
}

int main(void) {
    CHECK_EQ(pthread_barrier_init(&barrier, NULL, 2), 0);
    check_recursive_reader();
    check_writer_first();
    check_writer_gives_up();
    check_upgrade(&by_default, "default");
    check_upgrade(&writers_first, "writers first");
    check_foreign_read_unlock();
    check_unmapped();
    return succeed();
}
