// SPDX-License-Identifier: Apache-2.0
//
// How a waiter got through: what the lock family reports of a wait that has ended. The numbers are the values
// of the `passage` fields of events.
#pragma once

#include <cstdint>

namespace latchkey {

enum class Way : uint8_t {
    kUnknown = 0,         // the wait was glibc's
    kSpun = 1,            // found it free (condvar: was signalled) while spinning, never slept
    kWoken = 2,           // was woken and competed for it
    kHanded = 3,          // became the owner while it slept
    kRequeuedWoken = 4,   // condvar: moved to the mutex's queue, then as kWoken
    kRequeuedHanded = 5,  // condvar: moved to the mutex's queue, then as kHanded
};

struct Passage {
    uint32_t queue = 0;  // waiters ahead of it when it queued
    Way way = Way::kUnknown;
};

}  // namespace latchkey
