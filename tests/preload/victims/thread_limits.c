// SPDX-License-Identifier: Apache-2.0
//
// Little room: threads with the smallest stack that lock, wait and do I/O, and a thread cancelled under a
// low RLIMIT_AS.
#include "victim.h"
#include <limits.h>
#include <sys/resource.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int ready;

static void* use_little_stack(void* unused) {
    char byte;
    int pipe_ends[2];
    CHECK_EQ(pipe(pipe_ends), 0);
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    while (!ready) CHECK_EQ(pthread_cond_wait(&changed, &mutex), 0);
    CHECK_EQ(write(pipe_ends[1], "x", 1), 1);
    CHECK_EQ(read(pipe_ends[0], &byte, 1), 1);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    close(pipe_ends[0]);
    close(pipe_ends[1]);
    return unused;
}

static void check_small_stacks(void) {
    pthread_t threads[20];
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    CHECK_EQ(pthread_attr_setstacksize(&attributes, PTHREAD_STACK_MIN), 0);
    for (int i = 0; i < 20; ++i)
        CHECK_EQ(pthread_create(&threads[i], &attributes, use_little_stack, NULL), 0);
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    ready = 1;
    CHECK_EQ(pthread_cond_broadcast(&changed), 0);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    for (int i = 0; i < 20; ++i) join(threads[i]);
    say("20 threads with PTHREAD_STACK_MIN");
}

static void* wait_forever(void* unused) {
    for (;;) pause();
    return unused;
}

// Leaves 16 MiB more address space than is in use: enough for the thread that is there already and for
// whatever cancellation loads.
static void check_low_memory(void) {
    long pages = 0;
    FILE* statm = fopen("/proc/self/statm", "r");
    pthread_t thread = start(wait_forever, NULL);
    CHECK_EQ(fscanf(statm, "%ld", &pages), 1);
    fclose(statm);
    struct rlimit limit = {.rlim_cur = (rlim_t)pages * 4096 + (16 << 20), .rlim_max = RLIM_INFINITY};
    CHECK_EQ(setrlimit(RLIMIT_AS, &limit), 0);
    CHECK_EQ(pthread_cancel(thread), 0);
    CHECK(join(thread) == PTHREAD_CANCELED);
    say("cancelled under a low RLIMIT_AS");
}

int main(void) {
    check_small_stacks();
    check_low_memory();
    return succeed();
}
