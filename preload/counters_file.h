// SPDX-License-Identifier: Apache-2.0
//
// RUN/counters/PID: the shared mapping that holds all records of a process. Sparse; space is allocated chunk
// by chunk before it is touched, so that a full disk shows as an error here and never as SIGBUS in the
// program. Without a directory, or when it cannot be written, the same layout lives in anonymous memory.
#pragma once

#include "preload/thread_record.h"

namespace latchkey {

struct CountersFile {
    static constexpr uint32_t kThreads = 16384;
    static constexpr uint32_t kFiles = 512;

    ProcessRecord* process;
    FileRecord* files;      // kFiles; record 0 takes what found no place
    ThreadRecord* threads;  // kThreads; record 0 holds the sums of records used again
};

extern CountersFile counters_file;

// Maps DIRECTORY/counters/PID (null: anonymous memory) at a place that stays the same for the process's life.
// False: no memory; then nothing can be observed. A directory that cannot be written is said once.
// Called by the constructor, and again in a fork child, where it replaces the inherited mapping by an empty
// one of its own at the same address, so that pointers to records stay valid. Async-signal-safe after the
// first call.
bool open_counters_file(const char* directory);

// Makes thread records [0, count) safe to touch. False: the disk is full; the caller uses what it has.
bool reserve_threads(uint32_t count);

// The schema text that readers parse (counters_schema.cpp).
struct Text {
    const char* data;
    uint32_t bytes;
};
Text counters_schema();

// Offsets of the three sections in the file.
struct Sections {
    uint32_t schema, process, files, threads;
    uint64_t total;
};
Sections counters_sections();

}  // namespace latchkey
