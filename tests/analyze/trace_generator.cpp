// SPDX-License-Identifier: Apache-2.0
//
// trace_generator RUN_DIR EVENTS: writes a run directory with a full-level trace of about so many events,
// for the benchmark `analyze`: 16 threads on 2 CPUs that nest 256 mutexes in pairs; one wait in 64
// acquisitions, some condvar waits, I/O under locks and stacks.
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "tests/analyze/run_writer.h"
#include "tests/analyze/trace_writer.h"

namespace {

using namespace latchkey;

constexpr std::int32_t kPid = 4000;
constexpr std::uint32_t kThreads = 16;
constexpr std::uint64_t kLocks = 128;
constexpr std::uint64_t kSitesPerLock = 4;
constexpr std::uint64_t kCode = 0x400000, kHeap = 0x7f0000000000;
constexpr std::uint32_t kStacks = 256;
constexpr std::size_t kPacketBytes = 1 << 20;

class Generator {
  public:
    explicit Generator(const std::filesystem::path& run)
        : trace_(run / "trace" / "ust" / "pid" / "program-4000", 2, kPid, kPacketBytes) {}

    void run(std::uint64_t events) {
        start();
        while (written_ < events) critical_section();
        trace_.finish();
    }

  private:
    template <typename Record>
    void emit(const Record& event) {
        now_ns_ += 20 + next() % 200;
        trace_.emit(thread_ % 2, now_ns_, kPid, kPid + static_cast<std::int32_t>(thread_), event);
        ++written_;
    }

    /// xorshift64
    std::uint64_t next() {
        random_ ^= random_ << 13;
        random_ ^= random_ >> 7;
        random_ ^= random_ << 17;
        return random_;
    }

    std::uint64_t lock() { return kHeap + 64 * (next() % kLocks); }
    std::uint64_t site() { return site_of(next() % kLocks); }
    /// A lock is used in few places, and each place is reached by few ways.
    std::uint64_t site_of(std::uint64_t lock) {
        return kCode + 16 * ((lock >> 6) % (2 * kLocks) * kSitesPerLock + next() % kSitesPerLock);
    }
    static std::uint32_t stack_of(std::uint64_t site) {
        return static_cast<std::uint32_t>(1 + site / 16 % kStacks);
    }

    void start() {
        record::process_started process;
        process.pid = kPid;
        process.start_ns = now_ns_;
        process.level = 2;
        process.exe = "/usr/bin/program";
        emit(process);
        for (thread_ = 0; thread_ < kThreads; ++thread_) {
            record::thread_started thread;
            thread.tid = kPid + thread_;
            thread.name = "worker";
            emit(thread);
        }
        for (std::uint32_t id = 1; id <= kStacks; ++id) {
            std::vector<std::uint64_t> frames(12);
            for (std::uint64_t& frame : frames) frame = site();
            record::stack stack;
            stack.id = id;
            stack.frames = testing::sequence_of(frames);
            thread_ = id % kThreads;
            emit(stack);
        }
    }

    void acquire(std::uint64_t lock) {
        if (next() % 64 != 0) {
            record::lock_acquired event;
            event.lock = lock;
            event.site = site_of(lock);
            event.object = static_cast<std::uint8_t>(Object::mutex);
            return emit(event);
        }
        record::lock_wait event;
        event.lock = lock;
        event.site = site_of(lock);
        event.wait_ns = next() % 100'000;
        event.owner_site = site_of(lock);
        event.owner = kPid + static_cast<std::uint32_t>(next() % kThreads);
        event.stack = stack_of(event.site);
        event.object = static_cast<std::uint8_t>(Object::mutex);
        emit(event);
    }

    void release(std::uint64_t lock) {
        if (next() % 64 != 0) {
            record::lock_released event;
            event.lock = lock;
            event.site = site_of(lock);
            event.object = static_cast<std::uint8_t>(Object::mutex);
            return emit(event);
        }
        record::lock_contended_release event;
        event.lock = lock;
        event.site = site_of(lock);
        event.acquire_site = site_of(lock);
        event.release_ns = now_ns_;
        event.waited_ns = next() % 100'000;
        event.stack = stack_of(event.site);
        event.object = static_cast<std::uint8_t>(Object::mutex);
        emit(event);
    }

    void critical_section() {
        thread_ = static_cast<std::uint32_t>(next() % kThreads);
        const std::uint64_t outer = lock(), inner = outer + 64 * kLocks;
        const bool nests = next() % 4 == 0;
        acquire(outer);
        if (nests) acquire(inner);
        if (next() % 256 == 0) write_under({outer});
        if (nests) release(inner);
        release(outer);
        if (next() % 128 == 0) wait_for_signal();
    }

    void write_under(const std::vector<std::uint64_t>& held) {
        record::io event;
        event.duration_ns = 1000 + next() % 1'000'000;
        event.result = 4096;
        event.site = site();
        event.fd = 5;
        event.call = 80;
        event.held = testing::sequence_of(held);
        emit(event);
    }

    void wait_for_signal() {
        record::signal_wait event;
        event.address = kHeap + (1 << 20) + 64 * (next() % 32);
        event.site = site();
        event.wait_ns = next() % 1'000'000;
        event.waker_ns = now_ns_ - next() % 10'000;
        event.waker_site = site();
        event.waker = kPid + static_cast<std::uint32_t>(next() % kThreads);
        event.object = static_cast<std::uint8_t>(Object::cond);
        emit(event);
    }

    testing::TraceWriter trace_;
    std::uint64_t now_ns_ = 1'000'000'000'000;
    std::uint64_t written_ = 0;
    std::uint64_t random_ = 0x2545f4914f6cdd1d;
    std::uint32_t thread_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fprintf(stderr, "usage: trace_generator RUN_DIR EVENTS\n");
        return 2;
    }
    testing::write_run_json(argv[1], "full");
    Generator(argv[1]).run(std::strtoull(argv[2], nullptr, 10));
    return 0;
}
