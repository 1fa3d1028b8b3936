// SPDX-License-Identifier: Apache-2.0
//
// What every victim shares. A victim is a tiny program that knows nothing of Latchkey: it makes the C
// library do one thing whose outcome POSIX or glibc fixes, checks that outcome, prints lines that are the
// same in every run, and ends with EXIT-SUCCESS. run_case.py runs it bare and preloaded and compares.
//
// A victim never sleeps to order two threads: it waits for a fact (a flag, or wait_until_asleep).
#pragma once

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHECK(claim)                                                                                \
    do {                                                                                            \
        if (!(claim)) {                                                                             \
            fprintf(stderr, "%s:%d: not true: %s (errno %d)\n", __FILE__, __LINE__, #claim, errno); \
            _exit(99);                                                                              \
        }                                                                                           \
    } while (0)

// Compares as long and prints both: for results and error numbers.
#define CHECK_EQ(got, want)                                                                        \
    do {                                                                                           \
        long got_ = (long)(got);                                                                   \
        long want_ = (long)(want);                                                                 \
        if (got_ != want_) {                                                                       \
            fprintf(stderr, "%s:%d: %s is %ld, not %ld\n", __FILE__, __LINE__, #got, got_, want_); \
            _exit(99);                                                                             \
        }                                                                                          \
    } while (0)

// One line of the expected output.
static inline void say(const char* line) {
    puts(line);
    fflush(stdout);
}

static inline int succeed(void) {
    say("EXIT-SUCCESS");
    return 0;
}

static inline long long now_ns(clockid_t clock) {
    struct timespec now;
    CHECK_EQ(clock_gettime(clock, &now), 0);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

// The moment `ms` milliseconds from now (may be negative) on `clock`.
static inline struct timespec in_ms(clockid_t clock, long ms) {
    long long at = now_ns(clock) + ms * 1000000LL;
    struct timespec moment = {.tv_sec = (time_t)(at / 1000000000LL), .tv_nsec = (long)(at % 1000000000LL)};
    return moment;
}

static inline char thread_state(pid_t tid) {
    char path[64];
    char line[512];
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", (int)tid);
    FILE* file = fopen(path, "r");
    if (file == NULL) return 'X';
    size_t length = fread(line, 1, sizeof line - 1, file);
    fclose(file);
    line[length] = '\0';
    const char* end_of_name = strrchr(line, ')');
    return end_of_name != NULL && end_of_name[1] == ' ' ? end_of_name[2] : 'X';
}

// Returns when thread `*tid` (0: not started yet) of this process sleeps in the kernel; it must be about
// to block for good, so that the sleep seen is the one meant. Ten looks in a row are asked for because
// a thread may also sleep for a moment on its way there.
static inline void wait_until_asleep(_Atomic pid_t* tid) {
    for (int seen = 0; seen < 10;) {
        pid_t id = atomic_load(tid);
        seen = id != 0 && thread_state(id) == 'S' ? seen + 1 : 0;
        usleep(200);
    }
}

static inline void wait_for(_Atomic int* value, int wanted) {
    while (atomic_load(value) < wanted) usleep(100);
}

static inline pthread_t start(void* (*routine)(void*), void* argument) {
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, routine, argument), 0);
    return thread;
}

static inline void* join(pthread_t thread) {
    void* result = NULL;
    CHECK_EQ(pthread_join(thread, &result), 0);
    return result;
}

// Waits for a child and returns its exit status, or minus the signal that ended it.
static inline int wait_child(pid_t child) {
    int status = 0;
    CHECK(child > 0);
    CHECK_EQ(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}
