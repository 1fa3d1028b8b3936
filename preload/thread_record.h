// SPDX-License-Identifier: Apache-2.0
//
// The records of the counters file: one for the process, one a file, one a thread. They live in a shared
// mapping of RUN/counters/PID, so they survive kill -9 and other processes read them while we run; the file
// describes itself (counters_schema.cpp), so fields may move between versions.
//
// Guards: (o) written by the record's own thread, (a) atomic, (c) constant after the record was claimed.
#pragma once

#include <atomic>
#include <cstdint>

#include "preload/real.h"
#include "runtime/held_locks.h"

namespace latchkey {

enum Counter : uint32_t {
#define COUNTER(name, unit, help) k_##name,
#include "runtime/counters.def"
#undef COUNTER
    kCounterCount
};

enum Object : uint32_t {
#define OBJECT(name, value) kObject_##name = value,
#include "preload/events.def"
#undef OBJECT
    kObject_io = 100  // wait_object only: inside an I/O call
};

struct ProcessRecord {
    uint32_t pid;                // (c)
    uint32_t ppid;               // (c)
    uint64_t start_ns;           // (c) monotonic
    uint64_t start_realtime_ns;  // (c)
    uint64_t end_ns;             // 0: no orderly end yet
    uint64_t cpu_ns;             // at the end
    uint64_t min_wait_ns;        // (c)
    uint64_t min_io_ns;          // (c)
    std::atomic<uint64_t> threads_started;
    std::atomic<uint64_t> threads_unobserved;  // no record was free for them
    std::atomic<uint64_t> files_overflow;      // descriptors counted in file record 0
    std::atomic<uint64_t> locks_full;          // init sites not remembered
    std::atomic<uint64_t> stacks_full;         // stacks not recorded
    std::atomic<uint64_t> bypass_io_uring;     // io_uring system calls made through syscall()
    uint32_t level;                            // (c)
    uint32_t held_entry_bytes;                 // (c) sizeof(HeldLock)
    uint32_t runtime;                          // (c) Runtime
    uint32_t handoff;                          // (c) Handoff
    char exe[256];                             // (c)
    char title[128];                           // latest process title seen
    char version[32];                          // (c)
};

struct FileRecord {
    std::atomic<uint32_t> state;  // 0: unused
    uint32_t file_class;          // FileClass
    std::atomic<uint64_t> reads, read_bytes, read_ns;
    std::atomic<uint64_t> writes, write_bytes, write_ns;
    std::atomic<uint64_t> syncs, sync_ns;
    std::atomic<uint64_t> others, other_ns;
    std::atomic<uint64_t> max_ns;
    std::atomic<uint64_t> under_lock_calls, under_lock_ns;
    char path[160];
};

enum StackReadiness : uint32_t {
    kStackUntouched,  // libunwind has no data for this thread yet: no stacks
    kStackReady,
    kStackTooSmall,  // the thread's stack leaves no room for a walk
};

enum ThreadState : uint32_t { kThreadUnused, kThreadAlive, kThreadExited };

struct alignas(64) ThreadRecord {
    std::atomic<uint32_t> state;  // (a) ThreadState
    std::atomic<uint32_t> tid;    // (a)
    uint32_t creator;             // (c)
    uint32_t stack_readiness;     // (o) StackReadiness
    uint64_t start_ns;            // (c)
    uint64_t end_ns;              // (o)
    uint64_t cpu_ns;              // (o) at its end
    uint64_t start_routine;       // (c)
    uint64_t create_site;         // (c)
    char name[16];                // (o), or whoever names it
    // What it waits for at this moment. wait_since_ns is stored last and cleared first.
    std::atomic<uint32_t> wait_object;  // (o) Object; 0: not waiting
    std::atomic<uint32_t> wait_owner;
    std::atomic<uint64_t> wait_address;
    std::atomic<uint64_t> wait_since_ns;
    std::atomic<uint64_t> wait_site;
    std::atomic<uint64_t> wait_mutex;
    uint64_t start_argument;            // (c) private: the program's argument of start_routine
    uint32_t wake_entry;                // (o) private: WakeTable entry of the current wait
    uint32_t create_stack;              // (c) private
    std::atomic<uint32_t> is_emitting;  // (o) private: inside EMIT
    uint64_t counters[kCounterCount];   // (o)
    uint64_t calls[kCallCount];         // (o)
    HeldLocks held;                     // (o), see there
};

}  // namespace latchkey
