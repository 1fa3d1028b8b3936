// SPDX-License-Identifier: Apache-2.0
//
// The options of options.def as the preload library reads them: once, in its constructor, then immutable.
#pragma once

#include <cstdint>

#include "runtime/handoff.h"

namespace latchkey {

enum class Level : uint8_t { kCounters, kContended, kFull };

// Whose locks the program runs on. The values are those of the trace and of the counters file.
enum class Runtime : uint8_t { kOff = 0, kOwn = 1, kKernelPi = 2 };

struct Config {
    bool is_passive;  // observe nothing: setuid, or not one of --only
    Level level;
    uint64_t min_wait_ns;
    uint64_t min_io_ns;
    bool takes_waiter_stacks;
    bool takes_holder_stacks;
    uint32_t stack_depth;  // frames
    Runtime runtime;
    Handoff handoff;
    const char* directory;   // null: counters in anonymous memory
    const char* events_lib;  // null: no events
    char exe[256];           // path of the executable
};

extern Config config;

// Reads the environment. A value that cannot be understood is said once and its default holds: a database is
// not kept from starting by our options (the launcher refuses them earlier). environment: of the constructor;
// libc has not set its own `environ` yet when ours runs first.
void read_config(char** environment);

}  // namespace latchkey
