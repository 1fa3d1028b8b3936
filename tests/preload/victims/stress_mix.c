// SPDX-License-Identifier: Apache-2.0
//
// Eight threads use every kind of lock at random for a time (milliseconds in argument 1) with an invariant
// over each: sums stay, readers see whole writes, no more guests than permits, no item lost or doubled.
#include "victim.h"
#include <semaphore.h>

enum { kThreads = 8, kAccounts = 16, kPermits = 3, kQueue = 4 };

static struct {
    pthread_mutex_t mutex;
    long money;
} accounts[kAccounts];
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_spinlock_t spin;
static long halves[2], spins, spun;
static sem_t permits;
static _Atomic int guests;
static _Atomic long produced, consumed;
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int items;
} queue = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
static long long deadline;

static unsigned next(unsigned* random) {
    *random = *random * 1664525 + 1013904223;
    return *random >> 8;
}

// Locks by one of the calls; waits as long as it takes, in steps when the call is a timed one.
static void lock(pthread_mutex_t* mutex, unsigned how) {
    int result;
    do {
        struct timespec soon = in_ms(how % 3 == 1 ? CLOCK_REALTIME : CLOCK_MONOTONIC, how % 4);
        switch (how % 3) {
            case 0:
                result = pthread_mutex_lock(mutex);
                break;
            case 1:
                result = pthread_mutex_timedlock(mutex, &soon);
                break;
            default:
                result = pthread_mutex_clocklock(mutex, CLOCK_MONOTONIC, &soon);
        }
        CHECK(result == 0 || (how % 3 != 0 && result == ETIMEDOUT));
    } while (result != 0);
}

static void transfer(unsigned* random) {
    unsigned a = next(random) % kAccounts;
    unsigned b = next(random) % kAccounts;
    if (a == b) return;
    unsigned first = a < b ? a : b;
    unsigned second = a < b ? b : a;
    lock(&accounts[first].mutex, next(random));
    lock(&accounts[second].mutex, next(random));
    accounts[a].money -= 5;
    accounts[b].money += 5;
    CHECK_EQ(pthread_mutex_unlock(&accounts[first].mutex), 0);
    CHECK_EQ(pthread_mutex_unlock(&accounts[second].mutex), 0);
}

static void read_or_write(unsigned* random) {
    if (next(random) % 4 == 0) {
        CHECK_EQ(pthread_rwlock_wrlock(&rwlock), 0);
        ++halves[0];
        if (next(random) % 16 == 0) sched_yield();
        ++halves[1];
    } else {
        CHECK_EQ(pthread_rwlock_rdlock(&rwlock), 0);
        CHECK_EQ(halves[0], halves[1]);
    }
    CHECK_EQ(pthread_rwlock_unlock(&rwlock), 0);
}

static void be_guest(unsigned* random) {
    struct timespec soon = in_ms(CLOCK_REALTIME, 1);
    if (next(random) % 2 == 0) {
        if (sem_timedwait(&permits, &soon) != 0) {
            CHECK_EQ(errno, ETIMEDOUT);
            return;
        }
    } else {
        CHECK_EQ(sem_wait(&permits), 0);
    }
    CHECK(atomic_fetch_add(&guests, 1) < kPermits);
    if (next(random) % 8 == 0) sched_yield();
    atomic_fetch_sub(&guests, 1);
    CHECK_EQ(sem_post(&permits), 0);
}

static void produce_or_consume(unsigned* random) {
    int is_producer = next(random) % 2;
    lock(&queue.mutex, next(random));
    while (is_producer ? queue.items == kQueue : queue.items == 0) {
        struct timespec soon = in_ms(CLOCK_REALTIME, 1);
        int result = pthread_cond_timedwait(&queue.changed, &queue.mutex, &soon);
        CHECK(result == 0 || result == ETIMEDOUT);
        if (result == ETIMEDOUT) {
            CHECK_EQ(pthread_mutex_unlock(&queue.mutex), 0);
            return;
        }
    }
    queue.items += is_producer ? 1 : -1;
    atomic_fetch_add(is_producer ? &produced : &consumed, 1);
    CHECK_EQ(next(random) % 2 ? pthread_cond_signal(&queue.changed) : pthread_cond_broadcast(&queue.changed),
             0);
    CHECK_EQ(pthread_mutex_unlock(&queue.mutex), 0);
}

static void spin_once(void) {
    CHECK_EQ(pthread_spin_lock(&spin), 0);
    CHECK_EQ(spins, spun);
    ++spins;
    ++spun;
    CHECK_EQ(pthread_spin_unlock(&spin), 0);
}

static void* work(void* argument) {
    unsigned random = (unsigned)(long)argument * 2654435761U;
    while (now_ns(CLOCK_MONOTONIC) < deadline) {
        switch (next(&random) % 5) {
            case 0:
                transfer(&random);
                break;
            case 1:
                read_or_write(&random);
                break;
            case 2:
                be_guest(&random);
                break;
            case 3:
                produce_or_consume(&random);
                break;
            default:
                spin_once();
        }
    }
    return NULL;
}

int main(int count, char** arguments) {
    pthread_t threads[kThreads];
    static const int kinds[] = {PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_ERRORCHECK,
                                PTHREAD_MUTEX_ADAPTIVE_NP};
    long sum = 0;
    CHECK_EQ(count, 2);
    for (int i = 0; i < kAccounts; ++i) {
        pthread_mutexattr_t attributes;
        pthread_mutexattr_init(&attributes);
        CHECK_EQ(pthread_mutexattr_settype(&attributes, kinds[i % 4]), 0);
        if (i % 5 == 0) CHECK_EQ(pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST), 0);
        if (i % 7 == 0) CHECK_EQ(pthread_mutexattr_setprotocol(&attributes, PTHREAD_PRIO_INHERIT), 0);
        CHECK_EQ(pthread_mutex_init(&accounts[i].mutex, &attributes), 0);
    }
    CHECK_EQ(pthread_spin_init(&spin, PTHREAD_PROCESS_PRIVATE), 0);
    CHECK_EQ(sem_init(&permits, 0, kPermits), 0);
    deadline = now_ns(CLOCK_MONOTONIC) + atol(arguments[1]) * 1000000LL;
    for (long i = 0; i < kThreads; ++i) threads[i] = start(work, (void*)(i + 1));
    for (int i = 0; i < kThreads; ++i) join(threads[i]);
    for (int i = 0; i < kAccounts; ++i) sum += accounts[i].money;
    CHECK_EQ(sum, 0);
    CHECK_EQ(produced - consumed, queue.items);
    CHECK_EQ(guests, 0);
    CHECK(produced > 0 && spins > 0 && halves[0] > 0);
    return succeed();
}
