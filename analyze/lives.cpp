// SPDX-License-Identifier: Apache-2.0
#include "analyze/lives.h"

#include <signal.h>
#include <time.h>

#include <algorithm>
#include <map>

namespace latchkey {

namespace {

using ByPid = std::multimap<std::uint32_t, Process*>;

ByPid by_pid(World& world) {
    ByPid processes;
    for (Process& process : world.processes()) processes.emplace(process.pid, &process);
    return processes;
}

std::uint64_t monotonic_now_ns() {
    timespec now{};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

/// When the pid's next image began: an exec ends an image without a word. 0: there is none.
std::uint64_t next_image_ns(const ByPid& processes, const Process& process) {
    std::uint64_t next = 0;
    const auto [begin, end] = processes.equal_range(process.pid);
    for (auto it = begin; it != end; ++it)
        if (it->second->start_ns > process.start_ns && (next == 0 || it->second->start_ns < next))
            next = it->second->start_ns;
    return next;
}

/// The end of a process that recorded none.
std::uint64_t end_of(const Process& process, const ByPid& processes, const RunInfo& run) {
    const std::uint64_t last = std::max(process.last_ns, process.start_ns);
    if (const std::uint64_t next = next_image_ns(processes, process)) return std::max(last, next);
    if (run.finished && run.started_ns && run.duration_ns && process.start_realtime_ns != 0) {
        const auto run_end = static_cast<std::uint64_t>(*run.started_ns + *run.duration_ns);
        const std::uint64_t begin = process.start_realtime_ns;
        return std::max(last, process.start_ns + (run_end > begin ? run_end - begin : 0));
    }
    const bool still_runs = !run.finished && kill(static_cast<pid_t>(process.pid), 0) == 0;
    return still_runs ? std::max(last, monotonic_now_ns()) : last;
}

}  // namespace

void link_parents(World& world) {
    const ByPid processes = by_pid(world);
    for (Process& process : world.processes()) {
        if (process.parent != kNone) continue;
        const Process* parent = nullptr;
        const auto [begin, end] = processes.equal_range(process.ppid);
        for (auto it = begin; it != end; ++it)
            if (it->second->start_ns <= process.start_ns &&
                (parent == nullptr || it->second->start_ns > parent->start_ns))
                parent = it->second;
        if (parent != nullptr) world.set_parent(process, *parent);
    }
}

void close_lives(World& world, const CounterBook& book, const RunInfo& run) {
    const ByPid processes = by_pid(world);
    for (Process& process : world.processes()) {
        if (process.start_ns == 0) process.start_ns = process.last_ns;
        if (process.end_ns == 0) process.end_ns = end_of(process, processes, run);
    }
    for (const ThreadCounters& counters : book.threads) {
        if (counters.thread == kNone) continue;
        Process& process = world.processes()[counters.process];
        const Thread& thread = world.threads()[counters.thread];
        if (!process.exited)
            process.end_ns =
                std::max({process.end_ns, thread.end_ns, thread.start_ns, counters.waiting.since_ns});
    }
    for (Thread& thread : world.threads()) {
        const Process& process = world.processes()[thread.process];
        if (thread.start_ns == 0) thread.start_ns = process.start_ns;
        if (thread.end_ns == 0) thread.end_ns = process.end_ns;
        thread.end_ns = std::max(thread.end_ns, thread.start_ns);
    }
}

}  // namespace latchkey
