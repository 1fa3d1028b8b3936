// SPDX-License-Identifier: Apache-2.0
//
// Condvars on every kind of mutex: each call with a mutex that is not held, a recursive one held twice
// (which a wait gives up only once), robust, process-shared and inheriting ones; with an argument, a
// process-shared condvar on a private mutex.
#include "victim.h"

static pthread_mutex_t mutex;
static pthread_cond_t changed;
static int turn;
static _Atomic pid_t waiter;

static void init_mutex(int type, int robust, int shared, int protocol) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    CHECK_EQ(pthread_mutexattr_settype(&attributes, type), 0);
    CHECK_EQ(pthread_mutexattr_setrobust(&attributes, robust), 0);
    CHECK_EQ(pthread_mutexattr_setpshared(&attributes, shared), 0);
    CHECK_EQ(pthread_mutexattr_setprotocol(&attributes, protocol), 0);
    CHECK_EQ(pthread_mutex_init(&mutex, &attributes), 0);
}

static void init_cond(int shared) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    CHECK_EQ(pthread_condattr_setpshared(&attributes, shared), 0);
    CHECK_EQ(pthread_cond_init(&changed, &attributes), 0);
}

static void destroy_both(void) {
    CHECK_EQ(pthread_cond_destroy(&changed), 0);
    CHECK_EQ(pthread_mutex_destroy(&mutex), 0);
}

static void check_not_held(int type, const char* name) {
    struct timespec late = in_ms(CLOCK_REALTIME, 100000);
    init_mutex(type, PTHREAD_MUTEX_STALLED, PTHREAD_PROCESS_PRIVATE, PTHREAD_PRIO_NONE);
    init_cond(PTHREAD_PROCESS_PRIVATE);
    CHECK_EQ(pthread_cond_wait(&changed, &mutex), EPERM);
    CHECK_EQ(pthread_cond_timedwait(&changed, &mutex, &late), EPERM);
    CHECK_EQ(pthread_cond_clockwait(&changed, &mutex, CLOCK_REALTIME, &late), EPERM);
    CHECK_EQ(pthread_cond_signal(&changed), 0);
    CHECK_EQ(pthread_cond_broadcast(&changed), 0);
    CHECK_EQ(pthread_mutex_trylock(&mutex), 0);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    destroy_both();
    printf("%s not held: EPERM\n", name);
}

static void* wait_twice_held(void* unused) {
    struct timespec past = in_ms(CLOCK_REALTIME, -1);
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    CHECK_EQ(pthread_cond_timedwait(&changed, &mutex, &past), ETIMEDOUT);
    atomic_store(&waiter, gettid());
    while (turn == 0) CHECK_EQ(pthread_cond_wait(&changed, &mutex), 0);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    CHECK_EQ(pthread_mutex_unlock(&mutex), EPERM);
    return unused;
}

// The waiter still holds the mutex once, so nobody else gets it; a signal without the mutex wakes it.
static void check_held_twice(void) {
    init_mutex(PTHREAD_MUTEX_RECURSIVE, PTHREAD_MUTEX_STALLED, PTHREAD_PROCESS_PRIVATE, PTHREAD_PRIO_NONE);
    init_cond(PTHREAD_PROCESS_PRIVATE);
    pthread_t thread = start(wait_twice_held, NULL);
    wait_until_asleep(&waiter);
    CHECK_EQ(pthread_mutex_trylock(&mutex), EBUSY);
    *(volatile int*)&turn = 1;
    CHECK_EQ(pthread_cond_signal(&changed), 0);
    join(thread);
    CHECK_EQ(pthread_mutex_trylock(&mutex), 0);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    destroy_both();
    say("recursive mutex held twice: still held during the wait");
}

static void* play(void* argument) {
    int mine = (int)(long)argument;
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    for (int i = 0; i < 300; ++i) {
        while (turn % 3 != mine) CHECK_EQ(pthread_cond_wait(&changed, &mutex), 0);
        ++turn;
        CHECK_EQ(pthread_cond_broadcast(&changed), 0);
    }
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    return NULL;
}

static void* find_held(void* unused) {
    CHECK_EQ(pthread_mutex_trylock(&mutex), EBUSY);
    return unused;
}

static void check_turns(const char* name, int cond_shared) {
    pthread_t threads[3];
    struct timespec soon = in_ms(CLOCK_REALTIME, 5);
    turn = 0;
    init_cond(cond_shared);
    for (long i = 0; i < 3; ++i) threads[i] = start(play, (void*)i);
    for (int i = 0; i < 3; ++i) join(threads[i]);
    CHECK_EQ(turn, 900);
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    CHECK_EQ(pthread_cond_timedwait(&changed, &mutex, &soon), ETIMEDOUT);
    join(start(find_held, NULL));
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    destroy_both();
    say(name);
}

static void* wait_for_heir(void* unused) {
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    atomic_store(&waiter, gettid());
    int result = 0;
    while (turn == 0) result = pthread_cond_wait(&changed, &mutex);
    CHECK_EQ(result, EOWNERDEAD);
    CHECK_EQ(pthread_mutex_consistent(&mutex), 0);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    return unused;
}

static void* signal_and_die(void* unused) {
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    turn = 1;
    CHECK_EQ(pthread_cond_signal(&changed), 0);
    return unused;
}

static void check_dead_owner(void) {
    turn = 0;
    atomic_store(&waiter, 0);
    init_mutex(PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST, PTHREAD_PROCESS_PRIVATE, PTHREAD_PRIO_NONE);
    init_cond(PTHREAD_PROCESS_PRIVATE);
    pthread_t thread = start(wait_for_heir, NULL);
    wait_until_asleep(&waiter);
    join(start(signal_and_die, NULL));
    join(thread);
    destroy_both();
    say("robust, the signaller died holding it: the wait returns EOWNERDEAD");
}

static void init_of(int type, int shared, int protocol) {
    init_mutex(type, PTHREAD_MUTEX_STALLED, shared, protocol);
}

static void check_shared_cond(void) {
    init_of(PTHREAD_MUTEX_NORMAL, PTHREAD_PROCESS_PRIVATE, PTHREAD_PRIO_NONE);
    check_turns("private mutex, process-shared condvar", PTHREAD_PROCESS_SHARED);
}

int main(int count, char** arguments) {
    (void)arguments;
    if (count == 2) {
        check_shared_cond();
        return succeed();
    }
    check_not_held(PTHREAD_MUTEX_ERRORCHECK, "errorcheck");
    check_not_held(PTHREAD_MUTEX_RECURSIVE, "recursive");
    check_held_twice();
    init_of(PTHREAD_MUTEX_ERRORCHECK, PTHREAD_PROCESS_PRIVATE, PTHREAD_PRIO_NONE);
    check_turns("errorcheck", PTHREAD_PROCESS_PRIVATE);
    init_of(PTHREAD_MUTEX_ADAPTIVE_NP, PTHREAD_PROCESS_PRIVATE, PTHREAD_PRIO_NONE);
    check_turns("adaptive", PTHREAD_PROCESS_PRIVATE);
    init_mutex(PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST, PTHREAD_PROCESS_PRIVATE, PTHREAD_PRIO_NONE);
    check_turns("robust", PTHREAD_PROCESS_PRIVATE);
    init_of(PTHREAD_MUTEX_NORMAL, PTHREAD_PROCESS_SHARED, PTHREAD_PRIO_NONE);
    check_turns("process-shared mutex, private condvar", PTHREAD_PROCESS_PRIVATE);
    init_of(PTHREAD_MUTEX_RECURSIVE, PTHREAD_PROCESS_PRIVATE, PTHREAD_PRIO_INHERIT);
    check_turns("priority inheritance", PTHREAD_PROCESS_PRIVATE);
    init_mutex(PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST, PTHREAD_PROCESS_SHARED, PTHREAD_PRIO_INHERIT);
    check_turns("robust, shared and inheriting, shared condvar", PTHREAD_PROCESS_SHARED);
    check_dead_owner();
    return succeed();
}
