// SPDX-License-Identifier: Apache-2.0
//
// From wrappers to the tracer. Nothing here waits: an event that finds no room is lost and counted by LTTng.
#pragma once

#include <pthread.h>

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

// One event on its way: gives the table, or null. At exit LTTng's destructors follow soon after event_table
// is cleared, so stop_tracing waits for the emissions that are under way. A full buffer is announced through
// a pipe: a cancellation point, which the program's call is not.
class Emission {
  public:
    explicit Emission(ThreadRecord& record) : record_(record) {
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state_);
        record.is_emitting.store(1,
                                 std::memory_order_seq_cst);  // [E] before the load; stop_tracing in reverse
        if (!self.is_ended) table_ = event_table.load(std::memory_order_seq_cst);
    }
    ~Emission() {
        if (table_ != nullptr) record_.counters[k_events]++;
        record_.is_emitting.store(0, std::memory_order_release);
        pthread_setcancelstate(cancel_state_, &cancel_state_);
    }
    Emission(const Emission&) = delete;
    Emission& operator=(const Emission&) = delete;

    const events::Table* table() const { return table_; }

  private:
    ThreadRecord& record_;
    const events::Table* table_ = nullptr;
    int cancel_state_;
};

// EMIT(record, lock_wait, .lock = ..., .site = ...): record is a pointer to the calling thread's. Must run in
// an Inside scope; one at a time.
#define EMIT(record_, name_, ...)                         \
    do {                                                  \
        const latchkey::Emission emission(*(record_));    \
        if (emission.table() == nullptr) break;           \
        const latchkey::events::name_ event{__VA_ARGS__}; \
        emission.table()->name_(&event);                  \
    } while (0)

// Loads the events library (level contended and full) and emits process_started, the modules and the main
// thread. Called when main is about to run.
void start_tracing();

// The same again in a fork child, after LTTng has given it buffers of its own.
void restart_tracing_in_child();

// Emits the waits that are still open and process_exited; nothing is emitted after it.
void stop_tracing();

}  // namespace latchkey
