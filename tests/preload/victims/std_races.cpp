// SPDX-License-Identifier: Apache-2.0
//
// Standard C++ synchronisation where it races: stop requests against notifications, notify_all at thread
// exit (which locks and signals in the destructors of thread-local data), call_once from many threads with
// exceptions, a shared_timed_mutex that readers and writers time out of, and atomic waits.
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <shared_mutex>
#include <stop_token>
#include <thread>
#include <vector>

#define CHECK(claim)                                                                   \
    do {                                                                               \
        if (!(claim)) {                                                                \
            std::fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #claim); \
            std::_Exit(99);                                                            \
        }                                                                              \
    } while (0)

using namespace std::chrono_literals;

namespace {

void say(const char* line) {
    std::puts(line);
    std::fflush(stdout);
}

// Each round ends by a stop request, by a token, or by both at once; no waiter stays behind.
void check_stop_races() {
    for (int round = 0; round < 150; ++round) {
        std::mutex mutex;
        std::condition_variable_any changed;
        int tokens = 0;
        std::atomic<int> took = 0, stopped = 0;
        {
            std::vector<std::jthread> waiters;
            for (int i = 0; i < 3; ++i)
                waiters.emplace_back([&](std::stop_token stop) {
                    std::unique_lock lock(mutex);
                    const bool has_token = changed.wait(lock, stop, [&] { return tokens > 0; });
                    CHECK(lock.owns_lock());
                    if (has_token)
                        --tokens, ++took;
                    else
                        ++stopped;
                });
            std::jthread giver([&] {
                for (int i = 0; i < round % 4; ++i) {
                    std::lock_guard lock(mutex);
                    ++tokens;
                    changed.notify_one();
                }
            });
            waiters[static_cast<size_t>(round) % 3].request_stop();
        }
        CHECK(took + stopped == 3 && tokens == round % 4 - took);
    }
    say("stop requests beside notifications");
}

void check_notify_at_exit() {
    for (int round = 0; round < 200; ++round) {
        std::mutex mutex;
        std::condition_variable changed;
        bool is_done = false;
        std::thread thread([&] {
            std::unique_lock lock(mutex);
            is_done = true;
            std::notify_all_at_thread_exit(changed, std::move(lock));
        });
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return is_done; });
        lock.unlock();
        thread.join();
    }
    say("notified at thread exit");
}

// Every eighth thread's call fails until one has succeeded; all others wait for it.
void check_once() {
    for (int round = 0; round < 60; ++round) {
        std::once_flag once;
        int calls = 0;
        std::atomic<int> failed = 0;
        {
            std::vector<std::jthread> threads;
            for (int i = 0; i < 8; ++i)
                threads.emplace_back([&, i] {
                    try {
                        std::call_once(once, [&] {
                            std::this_thread::yield();
                            if (i % 2) throw i;
                            ++calls;
                        });
                        CHECK(calls == 1);
                    } catch (int by) {
                        CHECK(by == i);
                        ++failed;
                    }
                });
        }
        CHECK(calls == 1 && failed <= 4);
    }
    say("call_once with exceptions");
}

void check_shared_timed() {
    std::shared_timed_mutex mutex;
    long halves[2] = {};
    std::atomic<long> writes = 0;
    {
        std::vector<std::jthread> threads;
        for (unsigned i = 0; i < 6; ++i)
            threads.emplace_back([&, i] {
                unsigned random = i * 2654435761U + 1;
                for (int turn = 0; turn < 250; ++turn) {
                    random = random * 1664525 + 1013904223;
                    const auto time = std::chrono::microseconds(random >> 16 & 255);
                    if (i % 3 == 0) {
                        std::unique_lock lock(mutex, time);
                        if (!lock) continue;
                        ++halves[0];
                        std::this_thread::yield();
                        ++halves[1];
                        ++writes;
                    } else if (turn % 2) {
                        std::shared_lock lock(mutex, time);
                        CHECK(!lock || halves[0] == halves[1]);
                    } else {
                        std::shared_lock lock(mutex);
                        CHECK(halves[0] == halves[1]);
                    }
                }
            });
    }
    CHECK(halves[0] == writes && halves[1] == writes);
    say("shared_timed_mutex");
}

void check_atomic_wait() {
    std::atomic<int> turn = 0;
    auto play = [&](int mine) {
        for (int i = mine; i < 2000; i += 2) {
            for (int seen = turn; seen != i; seen = turn) turn.wait(seen);
            ++turn;
            turn.notify_all();
        }
    };
    std::jthread other([&] { play(1); });
    play(0);
    other.join();
    CHECK(turn == 2000);
    say("atomic wait");
}

}  // namespace

int main() {
    check_stop_races();
    check_notify_at_exit();
    check_once();
    check_shared_timed();
    check_atomic_wait();
    say("EXIT-SUCCESS");
}
