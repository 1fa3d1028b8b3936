// SPDX-License-Identifier: Apache-2.0
//
// The program that the benchmark `overhead` measures: overhead_pairs single|threads. It stays alive and obeys
// lines on stdin, so that a bare and some preloaded processes of it can be measured in turn:
//
//   pairs WINDOWS PAIRS      -> ns per uncontended pthread_mutex_lock + unlock, median over short windows
//   contend THREADS MS       -> acquisitions per second and the longest wait in ms, ~1 us inside, ~1 us
//   outside
//
// `threads` keeps a second, idle thread, as any server has; `single` never creates one, which lets glibc
// use plain stores.
#include <pthread.h>
#include <time.h>
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

namespace {

pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

int64_t now_ns(clockid_t clock) {
    timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

double window_ns_per_pair(int pairs) {
    const int64_t begin = now_ns(CLOCK_THREAD_CPUTIME_ID);
    for (int i = 0; i < pairs; i++) {
        pthread_mutex_lock(&mutex);
        pthread_mutex_unlock(&mutex);
    }
    return static_cast<double>(now_ns(CLOCK_THREAD_CPUTIME_ID) - begin) / pairs;
}

void measure_pairs(int windows, int pairs) {
    std::vector<double> results(static_cast<size_t>(windows));
    window_ns_per_pair(pairs / 4 + 1);
    for (double& result : results) result = window_ns_per_pair(pairs);
    const auto middle = results.begin() + windows / 2;
    std::nth_element(results.begin(), middle, results.end());
    std::printf("%.4f\n", *middle);
}

// About a microsecond of work that the compiler cannot remove.
void work(uint64_t& state) {
    for (int i = 0; i < 400; i++) state = state * 6364136223846793005u + 1442695040888963407u;
}

struct Share {
    uint64_t acquisitions = 0;
    int64_t worst_wait_ns = 0;
};

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

void measure_contention(int threads, int milliseconds) {
    std::vector<Share> shares(static_cast<size_t>(threads));
    std::atomic<bool> stop = false;
    std::vector<std::jthread> running;
    const int64_t begin = now_ns(CLOCK_MONOTONIC);
    for (Share& share : shares)
        running.emplace_back([&share, &stop] { contend(share, stop, reinterpret_cast<uintptr_t>(&share)); });
    const timespec time{milliseconds / 1000, milliseconds % 1000 * 1000000L};
    nanosleep(&time, nullptr);
    stop = true;
    running.clear();
    const double seconds = static_cast<double>(now_ns(CLOCK_MONOTONIC) - begin) * 1e-9;
    Share all;
    for (const Share& share : shares) {
        all.acquisitions += share.acquisitions;
        all.worst_wait_ns = std::max(all.worst_wait_ns, share.worst_wait_ns);
    }
    std::printf("%.1f %.4f\n", static_cast<double>(all.acquisitions) / seconds,
                static_cast<double>(all.worst_wait_ns) * 1e-6);
}

void* stay_idle(void*) {
    const timespec long_time{1000, 0};
    for (;;) nanosleep(&long_time, nullptr);
}

}  // namespace

int main(int count, char** arguments) {
    if (count != 2 ||
        (std::strcmp(arguments[1], "single") != 0 && std::strcmp(arguments[1], "threads") != 0)) {
        std::fputs("usage: overhead_pairs single|threads\n", stderr);
        return 2;
    }
    pthread_t idle;
    if (std::strcmp(arguments[1], "threads") == 0 && pthread_create(&idle, nullptr, stay_idle, nullptr) != 0)
        return 3;
    char line[128];
    while (std::fgets(line, sizeof line, stdin) != nullptr) {
        int a = 0;
        int b = 0;
        if (std::sscanf(line, "pairs %d %d", &a, &b) == 2 && a > 0 && b > 0)
            measure_pairs(a, b);
        else if (std::sscanf(line, "contend %d %d", &a, &b) == 2 && a > 0 && b > 0)
            measure_contention(a, b);
        else
            return 2;
        std::fflush(stdout);
    }
    return 0;
}
