// SPDX-License-Identifier: Apache-2.0
//
// One mutex: alone, with many who work inside and outside of it, and with some who do nothing else.
#include "tests/bench/overhead_measures.h"

#include <pthread.h>
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <thread>
#include <vector>

namespace bench {
namespace {

pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

double window_ns_per_pair(int pairs) {
    const int64_t begin = now_ns(CLOCK_THREAD_CPUTIME_ID);
    for (int i = 0; i < pairs; i++) {
        pthread_mutex_lock(&mutex);
        pthread_mutex_unlock(&mutex);
    }
    return static_cast<double>(now_ns(CLOCK_THREAD_CPUTIME_ID) - begin) / pairs;
}

struct Share {
    uint64_t acquisitions = 0;
    int64_t worst_wait_ns = 0;
};

// A wait that is under way when `stop` is set is waited to its end and counts.
void contend(Share& share, const std::atomic<bool>& stop, uint64_t seed) {
    static uint64_t guarded = 1;
    uint64_t own = seed;
    while (!stop.load(std::memory_order_relaxed)) {
        const int64_t asked = now_ns(CLOCK_MONOTONIC);
        pthread_mutex_lock(&mutex);
        const int64_t waited = now_ns(CLOCK_MONOTONIC) - asked;
        work(guarded);
        pthread_mutex_unlock(&mutex);
        work(own);
        share.acquisitions++;
        share.worst_wait_ns = std::max(share.worst_wait_ns, waited);
    }
    static std::atomic<uint64_t> sink;
    sink += own;
}

void lock_and_unlock(Share& share, const std::atomic<bool>& stop, uint64_t) {
    uint64_t acquisitions = 0;
    while (!stop.load(std::memory_order_relaxed)) {
        pthread_mutex_lock(&mutex);
        pthread_mutex_unlock(&mutex);
        acquisitions++;
    }
    share.acquisitions = acquisitions;
}

struct Total {
    double per_second;
    double worst_wait_ms;
};

Total run_threads(int threads, int milliseconds, void (*body)(Share&, const std::atomic<bool>&, uint64_t)) {
    std::vector<Share> shares(static_cast<size_t>(threads));
    std::atomic<bool> stop = false;
    std::vector<std::jthread> running;
    const int64_t begin = now_ns(CLOCK_MONOTONIC);
    for (Share& share : shares)
        running.emplace_back(
            [&share, &stop, body] { body(share, stop, reinterpret_cast<uintptr_t>(&share)); });
    sleep_ms(milliseconds);
    stop = true;
    running.clear();
    const double seconds = seconds_since(begin);
    Share all;
    for (const Share& share : shares) {
        all.acquisitions += share.acquisitions;
        all.worst_wait_ns = std::max(all.worst_wait_ns, share.worst_wait_ns);
    }
    return {static_cast<double>(all.acquisitions) / seconds, static_cast<double>(all.worst_wait_ns) * 1e-6};
}

}  // namespace

void measure_pairs(int windows, int pairs) {
    std::vector<double> results(static_cast<size_t>(windows));
    window_ns_per_pair(pairs / 4 + 1);
    for (double& result : results) result = window_ns_per_pair(pairs);
    const auto middle = results.begin() + windows / 2;
    std::nth_element(results.begin(), middle, results.end());
    std::printf("%.4f\n", *middle);
}

void measure_contention(int threads, int milliseconds) {
    const Total total = run_threads(threads, milliseconds, contend);
    std::printf("%.1f %.4f\n", total.per_second, total.worst_wait_ms);
}

void measure_tight_loops(int threads, int milliseconds) {
    std::printf("%.1f\n", run_threads(threads, milliseconds, lock_and_unlock).per_second);
}

}  // namespace bench
