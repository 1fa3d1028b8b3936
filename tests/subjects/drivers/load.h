// SPDX-License-Identifier: Apache-2.0
//
// The load: what one thread does to its Session, and the threads of one process together.
#pragma once

#include <cstdint>

#include "tests/subjects/drivers/harness.h"
#include "tests/subjects/drivers/latencies.h"

namespace latchkey::subjects {

struct Load {
    uint64_t keys;
    unsigned writers;  // in this process
    unsigned readers;
    unsigned processes;
    double seconds;       // how long, when operations is 0
    uint64_t operations;  // per thread; 0: until `seconds` are over
};

struct Outcome {
    Latencies writes;
    Latencies reads;
    double seconds = 0;  // from the first thread's start to the last one's end
};

// Runs process number `process` of the load: starts its threads, lets them work, joins them. Ends the
// program with status 1 when the engine fails.
Outcome run_load(Engine& engine, const Load& load, unsigned process);

}  // namespace latchkey::subjects
