// SPDX-License-Identifier: Apache-2.0
//
// From wrappers to the tracer. Nothing here waits: an event that finds no room is lost and counted by LTTng.
#pragma once

#include <atomic>

#include "preload/events.h"
#include "preload/interpose.h"

namespace latchkey {

// The events library's table; null while nothing is traced: before main, level counters, in a fork child
// until its buffers are its own, after exit handlers.
extern std::atomic<const events::Table*> event_table;

inline bool is_tracing() {
    return event_table.load(std::memory_order_relaxed) != nullptr;
}
inline bool is_full() {
    return config.level == Level::kFull && is_tracing();
}

// EMIT(record, lock_wait, .lock = ..., .site = ...): must run in an Inside scope.
#define EMIT(record_, name_, ...)                                                      \
    do {                                                                               \
        if (const auto* table = latchkey::event_table.load(std::memory_order_acquire); \
            table != nullptr && !latchkey::self.is_ended) {                            \
            const latchkey::events::name_ event{__VA_ARGS__};                          \
            table->name_(&event);                                                      \
            (record_)->counters[latchkey::k_events]++;                                 \
        }                                                                              \
    } while (0)

// Loads the events library (level contended and full) and emits process_started, the modules and the main
// thread. Called when main is about to run.
void start_tracing();

// The same again in a fork child, after LTTng has given it buffers of its own.
void restart_tracing_in_child();

// Emits the waits that are still open and process_exited; nothing is emitted after it.
void stop_tracing();

}  // namespace latchkey
