// SPDX-License-Identifier: Apache-2.0
//
// Locks, condvars and I/O before main (constructors), in atexit handlers, destructors, and in the last
// round of thread-specific-data destructors, when most thread-local state is gone.
#include "victim.h"
#include <limits.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
static pthread_key_t key;
static int before_main, rounds;

static void use_everything(void) {
    struct timespec past = in_ms(CLOCK_REALTIME, -1);
    int pipe_ends[2];
    char byte;
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    CHECK_EQ(pthread_cond_timedwait(&never, &mutex, &past), ETIMEDOUT);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    CHECK_EQ(pipe(pipe_ends), 0);
    CHECK_EQ(write(pipe_ends[1], "x", 1), 1);
    CHECK_EQ(read(pipe_ends[0], &byte, 1), 1);
    CHECK_EQ(close(pipe_ends[0]), 0);
    CHECK_EQ(close(pipe_ends[1]), 0);
}

static void* in_thread(void* unused) {
    use_everything();
    return unused;
}

__attribute__((constructor(101))) static void first(void) {
    use_everything();
    ++before_main;
}

__attribute__((constructor)) static void second(void) {
    join(start(in_thread, NULL));
    ++before_main;
}

__attribute__((destructor(101))) static void last(void) {
    use_everything();
    join(start(in_thread, NULL));
    say("destructor");
    succeed();
}

static void at_exit(void) {
    use_everything();
    say("atexit handler");
}

static void destroy_key(void* value) {
    use_everything();
    if (++rounds < PTHREAD_DESTRUCTOR_ITERATIONS) pthread_setspecific(key, value);
}

static void* leave_value(void* unused) {
    CHECK_EQ(pthread_setspecific(key, &key), 0);
    return unused;
}

int main(void) {
    CHECK_EQ(before_main, 2);
    say("constructors");
    CHECK_EQ(atexit(at_exit), 0);
    CHECK_EQ(pthread_key_create(&key, destroy_key), 0);
    join(start(leave_value, NULL));
    CHECK_EQ(rounds, PTHREAD_DESTRUCTOR_ITERATIONS);
    say("TSD destructors");
    return 0;
}
