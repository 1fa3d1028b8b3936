// SPDX-License-Identifier: Apache-2.0
#include "analyze/open_waits.h"

namespace latchkey {

namespace {

constexpr std::uint8_t kStillWaiting = 255;

template <typename Event>
void fill(Event& event, const CurrentWait& wait, std::uint64_t wait_ns, std::uint32_t waiter) {
    event.site = wait.site;
    event.wait_ns = wait_ns;
    event.object = static_cast<std::uint8_t>(wait.object);
    event.result = kStillWaiting;
    event.waiter = waiter;
}

}  // namespace

std::uint64_t open_wait_ns(const World& world, const ThreadCounters& counters) {
    const Process& process = world.processes()[counters.process];
    const CurrentWait& wait = counters.waiting;
    if (wait.object == 0 || wait.since_ns == 0 || counters.thread == kNone) return 0;
    return process.end_ns > wait.since_ns ? process.end_ns - wait.since_ns : 0;
}

void add_open_waits(Analysis& analysis, const CounterBook& book) {
    World& world = analysis.world;
    Folder certain;
    for (const ThreadCounters& counters : book.threads) {
        const std::uint64_t wait_ns = open_wait_ns(world, counters);
        Process& process = world.processes()[counters.process];
        if (wait_ns == 0 || process.exited) continue;
        const CurrentWait& wait = counters.waiting;
        const auto object = static_cast<Object>(wait.object);
        Thread& thread = world.threads()[counters.thread];
        const Moment moment{process.end_ns, &process, &thread, &certain};
        if (object >= Object::mutex && object <= Object::spin) {
            record::lock_wait event;
            fill(event, wait, wait_ns, thread.tid);
            event.lock = wait.address;
            event.owner = wait.owner;
            analysis.locks.on(moment, event);
        } else if (object >= Object::cond && object <= Object::thread) {
            record::signal_wait event;
            fill(event, wait, wait_ns, thread.tid);
            event.address = wait.address;
            event.mutex = wait.mutex;
            analysis.signals.on(moment, event);
        }
    }
}

}  // namespace latchkey
