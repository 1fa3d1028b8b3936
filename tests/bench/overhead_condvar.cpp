// SPDX-License-Identifier: Apache-2.0
//
// Condition variables as programs use them: a bounded queue, two threads in turn, one who wakes many. All
// signal with the mutex held.
#include "tests/bench/overhead_measures.h"

#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>
#include <array>
#include <atomic>
#include <cstdio>
#include <thread>
#include <vector>

namespace bench {
namespace {

class Guard {
  public:
    explicit Guard(pthread_mutex_t& mutex) : mutex_(mutex) { pthread_mutex_lock(&mutex_); }
    ~Guard() { pthread_mutex_unlock(&mutex_); }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

  private:
    pthread_mutex_t& mutex_;
};

std::atomic<uint64_t> sink;  // keeps what the work computed

// A ring of 64 items; closed, it takes no more and gives what it has.
class Queue {
  public:
    bool put(uint64_t item) {
        const Guard guard(mutex_);
        while (!closed_ && put_ - taken_ == items_.size()) pthread_cond_wait(&not_full_, &mutex_);
        if (closed_) return false;
        items_[put_++ % items_.size()] = item;
        pthread_cond_signal(&not_empty_);
        return true;
    }

    bool take(uint64_t& item) {
        const Guard guard(mutex_);
        while (!closed_ && put_ == taken_) pthread_cond_wait(&not_empty_, &mutex_);
        if (put_ == taken_) return false;
        item = items_[taken_++ % items_.size()];
        pthread_cond_signal(&not_full_);
        return true;
    }

    // The number of items taken so far.
    uint64_t close() {
        const Guard guard(mutex_);
        closed_ = true;
        pthread_cond_broadcast(&not_empty_);
        pthread_cond_broadcast(&not_full_);
        return taken_;
    }

  private:
    pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t not_empty_ = PTHREAD_COND_INITIALIZER;
    pthread_cond_t not_full_ = PTHREAD_COND_INITIALIZER;
    std::array<uint64_t, 64> items_{};
    uint64_t put_ = 0;
    uint64_t taken_ = 0;
    bool closed_ = false;
};

// Two threads, one turn.
class Table {
  public:
    // Waits for the turn of `player` and passes it on; false when the game is over.
    bool play(int player) {
        const Guard guard(mutex_);
        while (turn_ != player && !over_) pthread_cond_wait(&turn_of_[player], &mutex_);
        if (over_) return false;
        turn_ = 1 - player;
        turns_++;
        pthread_cond_signal(&turn_of_[turn_]);
        return true;
    }

    // The number of turns taken.
    uint64_t end() {
        const Guard guard(mutex_);
        over_ = true;
        for (pthread_cond_t& cond : turn_of_) pthread_cond_broadcast(&cond);
        return turns_;
    }

  private:
    pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t turn_of_[2] = {PTHREAD_COND_INITIALIZER, PTHREAD_COND_INITIALIZER};
    int turn_ = 0;
    uint64_t turns_ = 0;
    bool over_ = false;
};

// Waiters who all wake in each round, and wait again before the next.
class Rounds {
  public:
    explicit Rounds(int waiters) : waiters_(waiters), missing_(waiters) {}

    void wait_until_over() {
        const Guard guard(mutex_);
        uint64_t seen = 0;
        while (!over_) {
            if (--missing_ == 0) pthread_cond_signal(&all_wait_);
            while (round_ == seen) pthread_cond_wait(&next_, &mutex_);
            seen = round_;
        }
    }

    // Returns when all wait.
    void gather() {
        const Guard guard(mutex_);
        gather_locked();
    }

    // Wakes all with the mutex held and returns when all wait again.
    void run_one() {
        const Guard guard(mutex_);
        wake_all_locked();
        gather_locked();
    }

    void end() {
        const Guard guard(mutex_);
        over_ = true;
        wake_all_locked();
    }

  private:
    void wake_all_locked() {
        missing_ = waiters_;
        round_++;
        pthread_cond_broadcast(&next_);
    }
    void gather_locked() {
        while (missing_ != 0) pthread_cond_wait(&all_wait_, &mutex_);
    }

    pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t next_ = PTHREAD_COND_INITIALIZER;
    pthread_cond_t all_wait_ = PTHREAD_COND_INITIALIZER;
    const int waiters_;
    int missing_;  // waiters that do not wait yet
    uint64_t round_ = 0;
    bool over_ = false;
};

// Confines the calling thread, and those that it starts, to the first `cpus` of its cpus; 0: to none.
class Confined {
  public:
    explicit Confined(int cpus) {
        sched_getaffinity(0, sizeof before_, &before_);
        if (cpus == 0) return;
        cpu_set_t some;
        CPU_ZERO(&some);
        for (size_t cpu = 0; CPU_COUNT(&some) < cpus && cpu < CPU_SETSIZE; cpu++)
            if (CPU_ISSET(cpu, &before_)) CPU_SET(cpu, &some);
        sched_setaffinity(0, sizeof some, &some);
    }
    ~Confined() { sched_setaffinity(0, sizeof before_, &before_); }
    Confined(const Confined&) = delete;
    Confined& operator=(const Confined&) = delete;

  private:
    cpu_set_t before_;
};

long context_switches() {
    rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_nvcsw + usage.ru_nivcsw;
}

}  // namespace

// Both sides work about a microsecond per item, outside of the mutex.
void measure_queue(int consumers, int milliseconds) {
    Queue queue;
    std::vector<std::jthread> threads;
    for (int i = 0; i < consumers; i++)
        threads.emplace_back([&queue] {
            uint64_t item;
            while (queue.take(item)) {
                work(item);
                sink.fetch_add(item, std::memory_order_relaxed);
            }
        });
    const int64_t begin = now_ns(CLOCK_MONOTONIC);
    threads.emplace_back([&queue] {
        uint64_t item = 1;
        do work(item);
        while (queue.put(item));
    });
    sleep_ms(milliseconds);
    const uint64_t taken = queue.close();
    std::printf("%.1f\n", static_cast<double>(taken) / seconds_since(begin));
}

void measure_ping_pong(int milliseconds) {
    Table table;
    const int64_t begin = now_ns(CLOCK_MONOTONIC);
    std::vector<std::jthread> threads;
    for (int player : {0, 1})
        threads.emplace_back([&table, player] {
            while (table.play(player)) continue;
        });
    sleep_ms(milliseconds);
    const uint64_t turns = table.end();
    std::printf("%.1f\n", static_cast<double>(turns) / 2 / seconds_since(begin));
}

void measure_broadcast(int waiters, int milliseconds, int cpus) {
    const Confined confined(cpus);
    Rounds rounds(waiters);
    std::vector<std::jthread> threads;
    for (int i = 0; i < waiters; i++) threads.emplace_back([&rounds] { rounds.wait_until_over(); });
    rounds.gather();
    uint64_t count = 0;
    const long switches_before = context_switches();
    const int64_t begin = now_ns(CLOCK_MONOTONIC);
    do {
        rounds.run_one();
        count++;
    } while (now_ns(CLOCK_MONOTONIC) - begin < milliseconds * 1000000LL);
    const double seconds = seconds_since(begin);
    const long switches = context_switches() - switches_before;
    rounds.end();
    std::printf("%.1f %.3f\n", static_cast<double>(count) / seconds,
                static_cast<double>(switches) / static_cast<double>(count));
}

}  // namespace bench
