// SPDX-License-Identifier: Apache-2.0
//
// A timer signal every 100 us for each of three threads, wherever they are: waiting by every call there is,
// inside a lock call, or computing. First without, then with SA_RESTART. The handler uses locks, condvars
// and semaphores of its own, which other handlers and a thread without signals fight for as well.
#include "victim.h"
#include <semaphore.h>
#include <signal.h>
#include <sys/syscall.h>

enum { kThreads = 3, kLocks = 16 };
static const long long kPhaseNs = 450000000LL;

// Of the interrupted code. Waiters wait for a partner, so they really sleep.
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static sem_t permits;
static long turn, written[2];
static int round_over, restarts;

// Of the handlers.
static pthread_mutex_t locks[kLocks];
static long sums[kLocks];
static pthread_cond_t handled = PTHREAD_COND_INITIALIZER;
static sem_t posted;
static _Atomic long posts, added;
static _Atomic int stop;
static __thread unsigned random_state;

static unsigned next(void) {
    random_state = random_state * 1664525 + 1013904223;
    return random_state >> 8;
}

static void handle(int signal) {
    int saved = errno;
    (void)signal;
    unsigned which = next() % kLocks;
    CHECK_EQ(pthread_mutex_lock(&locks[which]), 0);
    ++sums[which];
    CHECK_EQ(pthread_mutex_unlock(&locks[which]), 0);
    atomic_fetch_add(&added, 1);
    CHECK_EQ(next() % 2 ? pthread_cond_signal(&handled) : pthread_cond_broadcast(&handled), 0);
    CHECK_EQ(sem_post(&posted), 0);
    atomic_fetch_add(&posts, 1);
    errno = saved;
}

static timer_t start_timer(void) {
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGALRM};
    struct itimerspec every = {.it_interval = {.tv_nsec = 100000}, .it_value = {.tv_nsec = 100000}};
    event._sigev_un._tid = gettid();
    CHECK_EQ(timer_create(CLOCK_MONOTONIC, &event, &timer), 0);
    CHECK_EQ(timer_settime(timer, 0, &every, NULL), 0);
    return timer;
}

static void lock_somehow(pthread_mutex_t* which) {
    int result;
    do {
        struct timespec soon = in_ms(CLOCK_MONOTONIC, 1);
        result =
            next() % 2 ? pthread_mutex_lock(which) : pthread_mutex_clocklock(which, CLOCK_MONOTONIC, &soon);
        CHECK(result == 0 || result == ETIMEDOUT);
    } while (result != 0);
}

// Everybody waits for its turn; the last turn of a round is anybody's whose time is over.
static void take_turn(long mine) {
    lock_somehow(&mutex);
    while (turn % kThreads != mine && !round_over) {
        struct timespec soon = in_ms(CLOCK_REALTIME, 1);
        int result = next() % 2 ? pthread_cond_wait(&changed, &mutex)
                                : pthread_cond_timedwait(&changed, &mutex, &soon);
        CHECK(result == 0 || result == ETIMEDOUT);
    }
    ++turn;
    CHECK_EQ(pthread_cond_broadcast(&changed), 0);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
}

static void read_or_write(void) {
    struct timespec late = in_ms(CLOCK_REALTIME, 100000);
    if (next() % 3 == 0) {
        CHECK_EQ(next() % 2 ? pthread_rwlock_wrlock(&rwlock) : pthread_rwlock_timedwrlock(&rwlock, &late), 0);
        ++written[0];
        sched_yield();
        ++written[1];
    } else {
        CHECK_EQ(next() % 2 ? pthread_rwlock_rdlock(&rwlock) : pthread_rwlock_timedrdlock(&rwlock, &late), 0);
        CHECK_EQ(written[0], written[1]);
    }
    CHECK_EQ(pthread_rwlock_unlock(&rwlock), 0);
}

static void be_guest(void) {
    struct timespec late = in_ms(CLOCK_MONOTONIC, 100000);
    int is_timed = next() % 2;
    while ((is_timed ? sem_clockwait(&permits, CLOCK_MONOTONIC, &late) : sem_wait(&permits)) != 0) {
        CHECK_EQ(errno, EINTR);
        CHECK(is_timed || !restarts);
    }
    sched_yield();
    CHECK_EQ(sem_post(&permits), 0);
}

static void* be_interrupted(void* argument) {
    random_state = (unsigned)(long)argument * 2654435761U + 1;
    timer_t timer = start_timer();
    long long end = now_ns(CLOCK_MONOTONIC) + kPhaseNs;
    while (now_ns(CLOCK_MONOTONIC) < end) {
        take_turn((long)argument);
        read_or_write();
        be_guest();
    }
    CHECK_EQ(timer_delete(timer), 0);
    lock_somehow(&mutex);
    round_over = 1;
    CHECK_EQ(pthread_cond_broadcast(&changed), 0);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    return NULL;
}

// No signals here: waits for what the handlers signal and post.
static void* meet_handlers(void* unused) {
    sigset_t all;
    sigfillset(&all);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &all, NULL), 0);
    for (unsigned i = 0; !atomic_load(&stop); i = (i + 1) % kLocks) {
        struct timespec soon = in_ms(CLOCK_REALTIME, 1);
        CHECK_EQ(pthread_mutex_lock(&locks[i]), 0);
        int result = pthread_cond_timedwait(&handled, &locks[i], &soon);
        CHECK(result == 0 || result == ETIMEDOUT);
        ++sums[i];
        atomic_fetch_add(&added, 1);
        sched_yield();
        CHECK_EQ(pthread_mutex_unlock(&locks[i]), 0);
    }
    return unused;
}

static void storm(int flags) {
    pthread_t threads[kThreads];
    long sum = 0;
    int value = 0;
    struct sigaction action = {.sa_flags = flags};
    action.sa_handler = handle;
    CHECK_EQ(sigaction(SIGALRM, &action, NULL), 0);
    atomic_store(&stop, 0);
    round_over = 0;
    pthread_t meeter = start(meet_handlers, NULL);
    for (long i = 0; i < kThreads; ++i) threads[i] = start(be_interrupted, (void*)i);
    for (int i = 0; i < kThreads; ++i) join(threads[i]);
    atomic_store(&stop, 1);
    join(meeter);
    for (int i = 0; i < kLocks; ++i) sum += sums[i];
    CHECK_EQ(sum, added);
    CHECK_EQ(sem_getvalue(&posted, &value), 0);
    CHECK_EQ(value, posts);
    CHECK(posts > 0 && turn > 0 && written[0] == written[1]);
}

int main(void) {
    for (int i = 0; i < kLocks; ++i) CHECK_EQ(pthread_mutex_init(&locks[i], NULL), 0);
    CHECK_EQ(sem_init(&permits, 0, 1), 0);
    CHECK_EQ(sem_init(&posted, 0, 0), 0);
    storm(0);
    say("without SA_RESTART");
    restarts = 1;
    storm(SA_RESTART);
    say("with SA_RESTART: sem_wait, too, goes on waiting");
    return succeed();
}
