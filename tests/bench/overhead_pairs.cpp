// SPDX-License-Identifier: Apache-2.0
//
// The program that the benchmark `overhead` measures: overhead_pairs single|threads|busy. It stays alive and
// obeys lines on stdin, so that a bare and some preloaded processes of it can be measured in turn:
//
//   pairs WINDOWS PAIRS          -> ns per uncontended pthread_mutex_lock + unlock, median over short windows
//   contend THREADS MS           -> acquisitions per second and the longest wait in ms; ~1 us inside, ~1 us
//                                   outside
//   tight THREADS MS             -> acquisitions per second, nothing inside or outside
//   queue CONSUMERS MS           -> items per second through a bounded queue with one producer
//   pingpong MS                  -> round trips per second of two threads that wake each other
//   broadcast WAITERS MS CPUS    -> rounds per second in which all wake and wait again, context switches per
//                                   round; CPUS 0: any
//   crowd THREADS MUTEXES        -> its process id once all threads live and all mutexes have been locked;
//   they
//                                   stay until the next line, whatever it says
//
// `threads` keeps a second, idle thread, as any server has; `single` never creates one, which lets glibc
// use plain stores. `busy` obeys nothing: it uses a cpu until stdin ends.
#include "tests/bench/overhead_measures.h"

#include <pthread.h>
#include <cstdio>
#include <cstring>

namespace {

void* stay_idle(void*) {
    const timespec long_time{1000, 0};
    for (;;) nanosleep(&long_time, nullptr);
}

void* stay_busy(void*) {
    for (volatile uint64_t state = 1;;) {
        uint64_t next = state;
        bench::work(next);
        state = next;
    }
}

bool obey(const char* line) {
    int a = 0;
    int b = 0;
    int c = 0;
    if (std::sscanf(line, "pairs %d %d", &a, &b) == 2 && a > 0 && b > 0)
        bench::measure_pairs(a, b);
    else if (std::sscanf(line, "contend %d %d", &a, &b) == 2 && a > 0 && b > 0)
        bench::measure_contention(a, b);
    else if (std::sscanf(line, "tight %d %d", &a, &b) == 2 && a > 0 && b > 0)
        bench::measure_tight_loops(a, b);
    else if (std::sscanf(line, "queue %d %d", &a, &b) == 2 && a > 0 && b > 0)
        bench::measure_queue(a, b);
    else if (std::sscanf(line, "pingpong %d", &a) == 1 && a > 0)
        bench::measure_ping_pong(a);
    else if (std::sscanf(line, "broadcast %d %d %d", &a, &b, &c) == 3 && a > 0 && b > 0 && c >= 0)
        bench::measure_broadcast(a, b, c);
    else if (std::sscanf(line, "crowd %d %d", &a, &b) == 2 && a > 0 && b > 0)
        bench::hold_crowd(a, b);
    else
        return false;
    return true;
}

}  // namespace

int main(int count, char** arguments) {
    const char* kind = count == 2 ? arguments[1] : "";
    void* (*background)(void*) = nullptr;
    if (std::strcmp(kind, "threads") == 0)
        background = stay_idle;
    else if (std::strcmp(kind, "busy") == 0)
        background = stay_busy;
    else if (std::strcmp(kind, "single") != 0) {
        std::fputs("usage: overhead_pairs single|threads|busy\n", stderr);
        return 2;
    }
    pthread_t thread;
    if (background != nullptr && pthread_create(&thread, nullptr, background, nullptr) != 0) return 3;
    char line[128];
    while (std::fgets(line, sizeof line, stdin) != nullptr) {
        if (!obey(line)) return 2;
        std::fflush(stdout);
    }
    return 0;
}
