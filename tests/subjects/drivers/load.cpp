// SPDX-License-Identifier: Apache-2.0
#include "tests/subjects/drivers/load.h"

#include <pthread.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <list>
#include <string>
#include <thread>
#include <vector>

namespace latchkey::subjects {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kValueBytes = 400;

// xorshift64*: small, fast, the same everywhere.
class Random {
  public:
    explicit Random(uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15u + 1) {}
    uint64_t next() {
        state_ ^= state_ >> 12;
        state_ ^= state_ << 25;
        state_ ^= state_ >> 27;
        return state_ * 0x2545f4914f6cdd1du;
    }

  private:
    uint64_t state_;
};

using Value = std::array<char, kValueBytes>;

// The value follows from the key and the number of the operation.
void fill_value(Value& value, uint64_t key, uint64_t operation) {
    Random bytes(key ^ (operation << 32));
    for (size_t at = 0; at < value.size(); at += sizeof(uint64_t)) {
        const uint64_t word = bytes.next();
        std::memcpy(&value[at], &word, sizeof word);
    }
}

class Worker {
  public:
    Worker(Engine& engine, const Load& load, const std::atomic<bool>& stop)
        : engine_(engine), load_(load), stop_(stop) {}

    // Loops until told to stop or done; `number` counts the threads of this kind over all processes.
    void work(bool writes, unsigned number, unsigned name_index) {
        char name[16];
        std::snprintf(name, sizeof name, "%s%u", writes ? "writer" : "reader", name_index);
        pthread_setname_np(pthread_self(), name);
        try {
            const auto session = engine_.session();
            Random random(number * 2 + (writes ? 1 : 2));
            for (uint64_t i = 0; goes_on(i); ++i) {
                const auto begin = Clock::now();
                writes ? write(*session, random.next(), number, i) : read(*session, random.next());
                const auto duration = Clock::now() - begin;
                latencies_.add(static_cast<uint64_t>(std::chrono::nanoseconds(duration).count()));
            }
        } catch (const std::exception& error) {
            std::fprintf(stderr, "driver: %s failed: %s\n", name, error.what());
            std::_Exit(1);
        }
    }

    const Latencies& latencies() const { return latencies_; }

  private:
    bool goes_on(uint64_t done) const {
        return load_.operations != 0 ? done < load_.operations : !stop_.load(std::memory_order_relaxed);
    }

    void write(Session& session, uint64_t random, unsigned number, uint64_t operation) {
        const uint64_t owners = uint64_t{load_.writers} * load_.processes;
        const uint64_t key = random % (load_.keys / owners) * owners + number;
        fill_value(value_, key, operation);
        session.write(key, {value_.data(), value_.size()});
    }

    void read(Session& session, uint64_t random) { session.read(random % load_.keys); }

    Engine& engine_;
    const Load& load_;
    const std::atomic<bool>& stop_;
    Latencies latencies_;
    Value value_{};
};

}  // namespace

Outcome run_load(Engine& engine, const Load& load, unsigned process) {
    std::atomic<bool> stop{false};
    std::list<Worker> workers;
    std::vector<std::thread> threads;
    const auto begin = Clock::now();
    for (unsigned i = 0; i < load.writers + load.readers; ++i) {
        Worker& worker = workers.emplace_back(engine, load, stop);
        const bool writes = i < load.writers;
        const unsigned index = writes ? i : i - load.writers;
        const unsigned number = process * (writes ? load.writers : load.readers) + index;
        threads.emplace_back([&worker, writes, number, index] { worker.work(writes, number, index); });
    }
    if (load.operations == 0) std::this_thread::sleep_for(std::chrono::duration<double>(load.seconds));
    stop.store(true, std::memory_order_relaxed);
    for (std::thread& thread : threads) thread.join();

    Outcome outcome;
    outcome.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    unsigned i = 0;
    for (const Worker& worker : workers)
        (i++ < load.writers ? outcome.writes : outcome.reads).merge(worker.latencies());
    return outcome;
}

}  // namespace latchkey::subjects
