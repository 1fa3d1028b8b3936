// SPDX-License-Identifier: Apache-2.0
//
// How urgent a thread is: one number over all scheduling classes, larger is more urgent. Pure.
//
//   SCHED_DEADLINE 300   SCHED_FIFO, SCHED_RR 100 + priority   SCHED_OTHER, SCHED_BATCH 20 - nice (1..40)
//   SCHED_IDLE 0
#pragma once

#include <cstdint>

namespace latchkey {

// policy, rt_priority: as sched_getscheduler and sched_getparam give them; nice: -20..19.
constexpr uint32_t urgency_of(int policy, int rt_priority, int nice) {
    constexpr int kFifo = 1, kRoundRobin = 2, kIdle = 5, kDeadline = 6;
    constexpr int kResetOnFork = 0x40000000;
    switch (policy & ~kResetOnFork) {
        case kDeadline:
            return 300;
        case kFifo:
        case kRoundRobin:
            return static_cast<uint32_t>(100 + rt_priority);
        case kIdle:
            return 0;
        default:
            return static_cast<uint32_t>(20 - nice);
    }
}

}  // namespace latchkey
