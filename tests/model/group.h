// SPDX-License-Identifier: Apache-2.0
//
// The groups of the model: each runs one schedule per seed on objects and threads that the seed decides.
#pragma once

#include <cstdint>

#include "tests/model/system.h"

namespace latchkey::model {

struct Group {
    const char* name;
    const char* about;
    void (*run_schedule)();
};

void run_mutex_schedule();
void run_condvar_schedule();
void run_queue_schedule();
void run_rwlock_schedule();
void run_handoff_schedule();
void run_signal_schedule();
void run_fork_schedule();
void run_slot_schedule();

// Something that the schedules of a group must have met: a group in which one stays 0 tests less than it
// says.
class Met {
  public:
    Met(const char* group, const char* what);
    void operator++(int) { count_++; }
    void operator+=(uint64_t n) { count_ += n; }

    // Prints those of a group; true: none is 0.
    static bool report(const char* group);

  private:
    const char* group_;
    const char* what_;
    uint64_t count_ = 0;
    Met* next_;
    static Met* first_;
};

inline Handoff random_handoff() {
    const Handoff kAll[] = {Handoff::kAged, Handoff::kAged, Handoff::kBarge, Handoff::kFifo, Handoff::kPrio};
    return scheduler.random.one_of(kAll);
}

}  // namespace latchkey::model
