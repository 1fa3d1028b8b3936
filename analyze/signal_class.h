// SPDX-License-Identifier: Apache-2.0
//
// Idle is not contention: tells a worker that waits for its queue to fill from a caller that waits for
// somebody's work. No field of an event says it, so the whole life of the waiters does.
#pragma once

#include <cstdint>
#include <string>

#include "analyze/events.h"

namespace latchkey {

enum class WaitClass : std::uint8_t { idle, known, unknown };

/// Depth of a stack whose outer end was not recorded.
inline constexpr int kDeep = 1000;

/// All waits of one role on one signal row, and who ended them.
struct WaitFacts {
    Object object = Object::cond;
    std::uint64_t waits = 0, timeouts = 0;
    std::uint64_t wait_ns = 0;
    std::uint64_t ended_by_others_ns = 0;  // by threads of another role
    std::uint64_t ended_by_peers_ns = 0;   // by threads of the same role
    std::uint64_t life_ns = 0;             // of the threads that waited here, summed
    std::uint64_t network_calls = 0;       // their receive and poll calls: where a server thread idles
    int depth = 0;                         // program frames from the thread's start to the wait; 0: not known
};

struct Verdict {
    WaitClass wait_class = WaitClass::unknown;
    std::string why;  // a short clause for the reader
};

Verdict classify(const WaitFacts& facts);

const char* name_of(WaitClass wait_class);

}  // namespace latchkey
