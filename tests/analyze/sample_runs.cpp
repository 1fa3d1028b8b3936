// SPDX-License-Identifier: Apache-2.0
//
// sample_runs DIRECTORY: writes small run directories, each with one thing to see in result.db. What the
// analyser makes of them is compared with tests/analyze/expected.
#include <algorithm>
#include <cstdio>
#include <fstream>

#include "analyze/calls.h"
#include "analyze/choices.h"
#include "tests/analyze/feed.h"
#include "tests/analyze/run_writer.h"
#include "tests/analyze/trace_writer.h"

namespace {

using namespace latchkey;
namespace fs = std::filesystem;
using testing::acquired;
using testing::contended_release;
using testing::CountersWriter;
using testing::released;
using testing::TraceWriter;
using testing::waited;

constexpr std::uint64_t kBase = 0x400000, kData = 0x600000, kHeap = 0x7f0000001000;
constexpr std::uint64_t kMs = 1'000'000, kStart = 10'000'000'000;

std::uint16_t call(std::string_view name) {
    const auto found =
        std::find_if(kCalls.begin(), kCalls.end(), [&](const Call& c) { return c.name == name; });
    return static_cast<std::uint16_t>(found - kCalls.begin());
}

record::process_started process(std::uint32_t pid, std::uint32_t ppid, std::uint64_t start_ns,
                                std::uint8_t level, const char* title) {
    record::process_started event;
    event.pid = pid;
    event.ppid = ppid;
    event.start_ns = start_ns;
    event.realtime_ns = 1'700'000'000'000'000'000;
    event.level = level;
    event.exe = "/opt/program";
    event.cmdline = title;
    return event;
}

record::module_loaded module() {
    record::module_loaded event;
    event.base = event.begin = kBase;
    event.end = kData + 0x1000;
    event.path = "/opt/program";
    return event;
}

record::thread_started thread(std::uint32_t tid, std::uint32_t creator, const char* name) {
    record::thread_started event;
    event.tid = tid;
    event.creator = creator;
    event.start_routine = tid == creator ? 0 : kBase + 0x800;
    event.name = name;
    return event;
}

/// A trace whose process 100 has two workers and a flusher, with the head that every recording has.
class Program {
  public:
    /// runtime 0: as a version that did not know the option wrote it.
    Program(const fs::path& run, const char* level_name, std::uint8_t level, std::uint8_t runtime = 0,
            std::uint8_t handoff = 0)
        : trace_(run / "trace" / "ust" / "pid" / "program-100", 2, 100) {
        testing::write_run_json(run, level_name, runtime == 0 ? "" : std::string(choice("runtime", runtime)));
        record::process_started started = process(100, 1, kStart, level, "program --fast");
        started.runtime = runtime;
        started.handoff = handoff;
        at(0, 100, started);
        at(0, 100, module());
        at(0, 100, thread(100, 0, "program"));
        at(1, 101, thread(101, 100, "worker1"));
        at(1, 102, thread(102, 100, "worker2"));
        at(1, 103, thread(103, 100, "flusher"));
        stack(1, {kBase + 0x110, kBase + 0x210, kBase + 0x310});
        stack(2, {kBase + 0x120, kBase + 0x220});
    }

    /// An event so many milliseconds after the start.
    template <typename Record>
    void at(std::uint64_t ms, std::int32_t tid, const Record& event) {
        trace_.emit(static_cast<std::size_t>(tid) % 2, ns(ms), 100, tid, event);
    }
    static std::uint64_t ns(std::uint64_t ms) { return kStart + ms * kMs; }
    TraceWriter& trace() { return trace_; }

  private:
    void stack(std::uint32_t id, const std::vector<std::uint64_t>& frames) {
        record::stack event;
        event.id = id;
        event.frames = testing::sequence_of(frames);
        at(2, 100, event);
    }
    TraceWriter trace_;
};

/// Level contended: a convoy on a global, an I/O under it, a lock known by its init site, a priority.
void contended(const fs::path& run) {
    Program program(run, "contended", 1);
    record::file_opened file;
    file.file = 1;
    file.path = "/data/000007.log";
    program.at(3, 103, file);
    record::io io;
    io.duration_ns = 20 * kMs;
    io.site = kBase + 0x130;
    io.file = 1;
    io.result = 0;
    io.call = call("fdatasync");
    const std::vector<std::uint64_t> held{kData + 0x40}, held_sites{kBase + 0x140};
    io.held = testing::sequence_of(held);
    io.held_sites = testing::sequence_of(held_sites);
    program.at(40, 103, io);
    record::lock_contended_release release =
        contended_release(kData + 0x40, Program::ns(41), 30 * kMs, kBase + 0x140);
    release.stack = 2;
    program.at(42, 103, release);
    record::lock_wait wait = waited(kData + 0x40, 25 * kMs, 103, kBase + 0x140);
    wait.site = kBase + 0x110;
    wait.stack = 1;
    program.at(42, 101, wait);
    program.at(50, 101, contended_release(kData + 0x40, Program::ns(49), 7 * kMs, kBase + 0x110));
    wait.wait_ns = 30 * kMs;
    program.at(51, 102, wait);
    wait = waited(kHeap, 2 * kMs, 0, 0);
    wait.init_site = kBase + 0x150;
    wait.kind = 3 | 16;
    program.at(60, 102, wait);
    record::priority_set priority;
    priority.call = call("setpriority");
    priority.value = 10;
    priority.site = kBase + 0x160;
    program.at(70, 103, priority);
    record::process_exited exited;
    exited.cpu_ns = 5 * kMs;
    program.at(100, 100, exited);
}

/// Level full: holds, recursion, a failed trylock, a lost interval, an orphan.
void full(const fs::path& run) {
    Program program(run, "full", 2);
    program.at(10, 101, acquired(kData + 0x40, kBase + 0x110));
    program.at(12, 101, acquired(kData + 0x40, kBase + 0x112));
    program.at(14, 101, released(kData + 0x40));
    program.at(20, 101, released(kData + 0x40));
    program.at(21, 102, acquired(kData + 0x40, kBase + 0x120, Object::mutex, 16));
    program.at(22, 102, released(kHeap));
    program.at(23, 102, acquired(kHeap, kBase + 0x120, Object::rwlock_read));
    program.at(25, 102, released(kHeap, Object::rwlock_read));
    program.at(26, 102, acquired(kHeap, kBase + 0x120, Object::rwlock_write));
    program.trace().lose(0, 5);
    program.at(40, 102, released(kHeap, Object::rwlock_write));
}

record::signal_wait signal(Object object, std::uint64_t address, std::uint64_t ms, std::uint32_t waker,
                           std::uint64_t waker_ms) {
    record::signal_wait event;
    event.address = address;
    event.site = kBase + 0x170;
    event.wait_ns = ms * kMs;
    event.object = static_cast<std::uint8_t>(object);
    event.waker = waker;
    event.waker_ns = waker == 0 ? 0 : Program::ns(waker_ms);
    event.waker_site = waker == 0 ? 0 : kBase + 0x180;
    event.stack = 1;
    return event;
}

/// A flusher that waits for work, workers that wait for the flusher, a timer, a join, a process that forks.
void signals(const fs::path& run) {
    Program program(run, "contended", 1);
    for (std::uint64_t ms = 100; ms <= 1000; ms += 100) {
        record::signal_wait idle = signal(Object::cond, kData + 0x80, 90, 101, ms - 1);
        idle.stack = 0;
        program.at(ms, 103, idle);
        program.at(ms + 8, 101, signal(Object::cond, kHeap, 8, 103, ms + 7));
    }
    record::signal_wait timer = signal(Object::cond, kData + 0xc0, 50, 0, 0);
    timer.result = 110;
    timer.stack = 2;
    program.at(1010, 102, timer);
    program.at(1020, 100, signal(Object::thread, 0, 900, 103, 1019));
    TraceWriter child(run / "trace" / "ust" / "pid" / "program-200", 1, 200);
    child.emit(0, Program::ns(1021), 200, 200, process(200, 100, Program::ns(1021), 1, "program: flusher 1"));
    record::wake wake;
    wake.address = kData + 0x100;
    wake.site = kBase + 0x190;
    wake.object = static_cast<std::uint8_t>(Object::semaphore);
    child.emit(0, Program::ns(1040), 200, 200, wake);
    program.at(1041, 101, signal(Object::semaphore, kData + 0x100, 15, 0, 0));
    program.at(1100, 100, record::process_exited{});
}

CountersWriter counters(std::uint64_t pid, std::uint64_t level) {
    CountersWriter writer;
    writer.set("process", 0, "pid", pid);
    writer.set("process", 0, "ppid", 1);
    writer.set("process", 0, "start_ns", kStart);
    writer.set("process", 0, "start_realtime_ns", 1'700'000'000'000'000'000);
    writer.set("process", 0, "level", level);
    writer.set("process", 0, "min_wait_ns", 10'000);
    writer.set("process", 0, "min_io_ns", 100'000);
    writer.set("process", 0, "exe", "/opt/program");
    for (std::uint64_t i = 0; i < 3; ++i) {
        writer.set("thread", i, "state", i != 0);
        writer.set("thread", i, "tid", i == 0 ? 0 : pid + i - 1);
        writer.set("thread", i, "start_ns", i == 0 ? 0 : kStart + i * kMs);
        writer.set("thread", i, "name", i == 2 ? "worker" : "program");
        writer.set("thread", i, "cond_wait_ns", i * 300 * kMs);
        writer.set("thread", i, "calls.pthread_cond_wait", i * 10);
        writer.set("thread", i, "write_ns", 7 * kMs);
        writer.set("thread", i, "calls.pwrite64", 3);
    }
    writer.set("file", 1, "state", 1);
    writer.set("file", 1, "class", 0);
    writer.set("file", 1, "path", "/data/file");
    writer.set("file", 1, "writes", 9);
    return writer;
}

/// Level counters: no trace at all.
void counters_only(const fs::path& run) {
    testing::write_run_json(run, "counters");
    CountersWriter writer = counters(100, 0);
    writer.set("process", 0, "end_ns", kStart + 900 * kMs);
    writer.set("process", 0, "cpu_ns", 50 * kMs);
    writer.write(run / "counters" / "100");
}

record::lock_wait passed(std::uint64_t lock, Passage passage, std::uint32_t queue) {
    record::lock_wait wait = waited(lock, 5 * kMs, 102, kBase + 0x140);
    wait.site = kBase + 0x110;
    wait.passage = static_cast<std::uint8_t>(passage);
    wait.queue = queue;
    return wait;
}

/// Runtime own, handoff fifo: waits that end in each way, on a global and on two locks of one class; a
/// condvar whose waiters are moved to the global's queue; a child that runs on the C library's locks
/// nevertheless.
void own(const fs::path& run) {
    Program program(run, "contended", 1, 1, 2);
    program.at(10, 101, passed(kData + 0x40, Passage::kSpun, 0));
    program.at(20, 101, passed(kData + 0x40, Passage::kWoken, 2));
    program.at(30, 102, passed(kData + 0x40, Passage::kHanded, 6));
    record::lock_wait wait = passed(kData + 0x40, Passage::kUnknown, 3);
    wait.result = 110;
    program.at(40, 102, wait);
    wait = passed(kData + 0x40, Passage::kUnknown, 0);
    wait.passage = 77;  // of a version to come
    program.at(50, 102, wait);
    for (const std::uint64_t lock : {kHeap, kHeap + 0x100}) {
        wait = passed(lock, Passage::kHanded, lock == kHeap ? 9 : 1);
        wait.init_site = kBase + 0x150;
        program.at(60, 101, wait);
    }
    record::signal_wait requeued = signal(Object::cond, kData + 0x80, 8, 103, 69);
    requeued.mutex = kData + 0x40;
    for (const Passage passage : {Passage::kRequeuedWoken, Passage::kRequeuedHanded, Passage::kSpun}) {
        requeued.passage = static_cast<std::uint8_t>(passage);
        program.at(70, 101, requeued);
    }
    program.at(80, 100, record::process_exited{});
    CountersWriter writer = counters(100, 1);
    writer.set("process", 0, "runtime", 1);
    writer.set("process", 0, "handoff", 2);
    writer.write(run / "counters" / "100");
    counters(200, 1).write(run / "counters" / "200");
}

/// Killed: no end, one stream cut in a packet, one that is no stream; the counters tell of an open wait.
void killed(const fs::path& run) {
    {
        Program program(run, "contended", 1);
        for (std::uint64_t ms = 100; ms < 400; ++ms)
            program.at(ms, 101, waited(kData + 0x40, kMs, 102, kBase + 0x140));
    }
    const fs::path folder = run / "trace" / "ust" / "pid" / "program-100";
    fs::resize_file(folder / "events_1", fs::file_size(folder / "events_1") - 6000);
    std::ofstream(folder / "events_2") << std::string(5000, 'x');
    CountersWriter writer = counters(100, 1);
    writer.set("thread", 2, "wait_object", static_cast<std::uint64_t>(Object::mutex));
    writer.set("thread", 2, "wait_address", kData + 0x40);
    writer.set("thread", 2, "wait_since_ns", kStart + 500 * kMs);
    writer.set("thread", 2, "wait_owner", 102);
    writer.write(run / "counters" / "100");
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        std::fprintf(stderr, "usage: sample_runs DIRECTORY\n");
        return 2;
    }
    const fs::path directory = argv[1];
    contended(directory / "contended");
    full(directory / "full");
    signals(directory / "signals");
    counters_only(directory / "counters_only");
    killed(directory / "killed");
    own(directory / "own");
    return 0;
}
