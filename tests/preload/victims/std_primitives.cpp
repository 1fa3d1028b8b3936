// SPDX-License-Identifier: Apache-2.0
//
// The standard C++ primitives over the pthread ones: timed and shared mutexes, condition variables of
// both kinds, jthread, stop tokens, semaphores, latches, atomic waits, call_once, futures.
#include <atomic>
#include <barrier>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <latch>
#include <mutex>
#include <semaphore>
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

template <typename Routine>
void in_threads(int count, Routine routine) {
    std::vector<std::jthread> threads;
    for (int i = 0; i < count; ++i) threads.emplace_back(routine);
}

template <typename Mutex>
void check_timed() {
    Mutex mutex;
    std::lock_guard held(mutex);
    std::jthread([&] {
        CHECK(!mutex.try_lock());
        CHECK(!mutex.try_lock_for(2ms));
        CHECK(!mutex.try_lock_until(std::chrono::steady_clock::now() + 2ms));
        CHECK(!mutex.try_lock_until(std::chrono::system_clock::now() + 2ms));
    }).join();
}

void check_shared() {
    std::shared_mutex mutex;
    std::shared_timed_mutex timed;
    long count = 0;
    in_threads(4, [&] {
        for (int i = 0; i < 2000; ++i) {
            std::unique_lock lock(mutex);
            ++count;
        }
        for (int i = 0; i < 2000; ++i) std::shared_lock lock(mutex);
    });
    CHECK(count == 8000);
    std::shared_lock reader(timed);
    std::jthread([&] {
        CHECK(timed.try_lock_shared_for(2ms));
        CHECK(!timed.try_lock_for(2ms));
        CHECK(!timed.try_lock_until(std::chrono::system_clock::now() + 2ms));
        timed.unlock_shared();
    }).join();
}

template <typename Condition>
void check_condition() {
    std::mutex mutex;
    Condition changed;
    int turn = 0;
    auto play = [&](int mine) {
        for (int i = 0; i < 500; ++i) {
            std::unique_lock lock(mutex);
            changed.wait(lock, [&] { return turn % 2 == mine; });
            ++turn;
            changed.notify_one();
        }
    };
    std::jthread other([&] { play(1); });
    play(0);
    other.join();
    CHECK(turn == 1000);
    std::unique_lock lock(mutex);
    CHECK(changed.wait_for(lock, 2ms) == std::cv_status::timeout);
    CHECK(changed.wait_until(lock, std::chrono::system_clock::now() + 2ms) == std::cv_status::timeout);
    CHECK(!changed.wait_for(lock, 2ms, [] { return false; }));
    CHECK(!mutex.try_lock());
}

void check_stop_token() {
    std::mutex mutex;
    std::condition_variable_any changed;
    std::atomic<bool> stopped = false;
    {
        std::jthread thread([&](std::stop_token token) {
            std::unique_lock lock(mutex);
            CHECK(!changed.wait(lock, token, [] { return false; }));
            stopped = true;
        });
    }
    CHECK(stopped);
}

void check_waiting_objects() {
    std::atomic<int> word = 0;
    std::counting_semaphore<10> semaphore(0);
    std::latch latch(4);
    std::barrier barrier(4);
    std::jthread waiter([&] {
        word.wait(0);
        CHECK(word == 1);
        semaphore.acquire();
    });
    in_threads(4, [&] {
        latch.arrive_and_wait();
        for (int i = 0; i < 100; ++i) barrier.arrive_and_wait();
    });
    word = 1;
    word.notify_all();
    CHECK(!std::counting_semaphore<1>(0).try_acquire_for(2ms));
    semaphore.release();
}

void check_once_and_futures() {
    std::once_flag once;
    int calls = 0;
    in_threads(8, [&] {
        std::call_once(once, [&] { ++calls; });
        CHECK(calls == 1);
    });
    std::once_flag retried;
    int tries = 0;
    for (int i = 0; i < 3; ++i) {
        try {
            std::call_once(retried, [&] {
                if (++tries < 3) throw tries;
            });
        } catch (int failed) {
            CHECK(failed == tries);
        }
    }
    CHECK(tries == 3);
    auto future = std::async(std::launch::async, [] { return 7; });
    CHECK(future.get() == 7);
    std::promise<int> promise;
    auto promised = promise.get_future();
    CHECK(promised.wait_for(2ms) == std::future_status::timeout);
    std::jthread keeper([&] { promise.set_value(8); });
    CHECK(promised.get() == 8);
}

}  // namespace

int main() {
    check_timed<std::timed_mutex>();
    check_timed<std::recursive_timed_mutex>();
    say("timed mutexes");
    check_shared();
    say("shared mutexes");
    check_condition<std::condition_variable>();
    check_condition<std::condition_variable_any>();
    check_stop_token();
    say("condition variables");
    check_waiting_objects();
    say("atomic wait, semaphore, latch, barrier");
    check_once_and_futures();
    say("call_once, futures");
    say("EXIT-SUCCESS");
}
