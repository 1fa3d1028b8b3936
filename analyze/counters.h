// SPDX-License-Identifier: Apache-2.0
//
// The counters of a run, joined with the processes and threads of its trace. After join_counters() the
// World knows everyone, whether they left events, counters or both; lives.h tells how long they lived.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "analyze/io_model.h"
#include "analyze/reader.h"
#include "analyze/world.h"

namespace latchkey {

struct Counter {
    std::string name, unit;
};

/// What a thread was waiting for when its counters were last written.
struct CurrentWait {
    std::uint32_t object = 0;  // an OBJECT, or 100 + group of symbols.def; 0: nothing
    std::uint32_t owner = 0;
    std::uint64_t address = 0, since_ns = 0, site = 0, mutex = 0;
};

struct ThreadCounters {
    std::uint32_t process = 0;
    std::uint32_t thread = kNone;       // kNone: the sum of threads whose records were used again
    std::vector<std::uint64_t> values;  // in the order of CounterBook::names
    CurrentWait waiting;
};

/// The exact per-file sums of all processes, by file class of FileNames.
struct FileCounters {
    std::string kind;
    std::uint64_t reads = 0, read_bytes = 0, read_ns = 0, writes = 0, write_bytes = 0, write_ns = 0,
                  syncs = 0, sync_ns = 0, others = 0, other_ns = 0, max_ns = 0, under_lock_calls = 0,
                  under_lock_ns = 0;
};

struct CounterBook {
    std::vector<Counter> names;
    std::vector<ThreadCounters> threads;
    std::map<std::uint32_t, FileCounters> files;
    std::vector<Unreadable> unreadable;
    std::uint64_t processes = 0, processes_without_trace = 0;
    std::uint64_t threads_unobserved = 0, files_overflow = 0, locks_full = 0, stacks_full = 0,
                  bypass_io_uring = 0;
    std::uint64_t min_wait_ns = 0, min_io_ns = 0;
    bool has_thresholds = false;

    /// A thread's value by counter name; 0 if there is no such counter.
    std::uint64_t value(const ThreadCounters& thread, const std::string& name) const;

  private:
    friend class CounterReader;
    std::map<std::string, std::size_t> index_;
};

/// Reads every counters file of the run and completes the world with what they know.
CounterBook join_counters(const std::filesystem::path& directory, World& world, FileNames& files);

}  // namespace latchkey
