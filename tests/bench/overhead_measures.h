// SPDX-License-Identifier: Apache-2.0
//
// The measurements of overhead_pairs: one function each. Each prints one line of numbers. A thread count or
// a length that is not positive is the caller's error. One at a time; they start and join their threads.
#pragma once

#include <time.h>
#include <cstdint>

namespace bench {

inline int64_t now_ns(clockid_t clock) {
    timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

inline double seconds_since(int64_t begin_ns) {
    return static_cast<double>(now_ns(CLOCK_MONOTONIC) - begin_ns) * 1e-9;
}

inline void sleep_ms(int milliseconds) {
    const timespec time{milliseconds / 1000, milliseconds % 1000 * 1000000L};
    nanosleep(&time, nullptr);
}

// About a microsecond of work that the compiler cannot remove: 4 cycles a step, one after the other.
inline void work(uint64_t& state) {
    for (int i = 0; i < 1000; i++) state = state * 6364136223846793005u + 1442695040888963407u;
}

// overhead_mutex.cpp
void measure_pairs(int windows, int pairs);               // ns per pair
void measure_contention(int threads, int milliseconds);   // acquisitions per second, longest wait in ms
void measure_tight_loops(int threads, int milliseconds);  // acquisitions per second

// overhead_condvar.cpp
void measure_queue(int consumers, int milliseconds);  // items per second
void measure_ping_pong(int milliseconds);             // round trips per second
// `cpus` > 0 confines the threads to as many: rounds per second, context switches per round.
void measure_broadcast(int waiters, int milliseconds, int cpus);

// overhead_memory.cpp
void hold_crowd(int threads, int mutexes);  // prints the process id, returns at the next line of stdin

}  // namespace bench
