// SPDX-License-Identifier: Apache-2.0
//
// Who gets a lock when it is released: the policies, and the numbers that they are made of. Pure.
//
// Measured on 2 cpus with 32 threads (ratios to glibc's throughput, and the longest wait):
//   fifo    0.3, 1 ms       every release hands over: one wake-up per acquisition
//   barge   1.4, 8 to 60 ms whoever comes first
//   aged    1.4, 3 ms       as barge, but a waiter older than `age` is handed the lock
// What makes barge and aged fast is that at most three threads are active at a lock: the holder, one spinner,
// and one waiter that was woken and has not arrived ("restricted concurrency": Dice, Malthusian Locks,
// EuroSys 2017).
#pragma once

#include "runtime/stamp.h"

namespace latchkey {

enum class Handoff : uint8_t {
    kAged,   // whoever comes first, but the head waiter when it is more urgent than the releaser or too old
    kBarge,  // whoever comes first
    kFifo,   // the head waiter, in order of arrival
    kPrio,   // the head waiter, in order of urgency, then of arrival
};

struct Tuning {
    Handoff handoff = Handoff::kAged;
    Stamp age =
        stamps_of_ns(3'000'000);  // aged: the head waiter is handed the lock when it has waited so long
    // aged: and at least this per waiter: each hand-over costs some 6 us of lock time, here never above 15 %.
    Stamp age_per_waiter = stamps_of_ns(40'000);
    Stamp in_flight = stamps_of_ns(150'000);  // a woken waiter that has not arrived by then is waited for
    // A woken waiter that took so long to arrive was kept from a cpu although others stayed behind for it.
    // For some time after that the mutex is crowded: nobody stays behind, and another waiter is woken when
    // one does not come.
    Stamp late = stamps_of_ns(250'000);
    Stamp crowded = stamps_of_ns(20'000'000);
    // A waiter that was handed the mutex and took so long has found the cpus taken by other work. While
    // crowded by that, waiters are handed the mutex later: a lock with few active threads gets few of the
    // cpus' slices.
    Stamp late_heir = stamps_of_ns(1'000'000);
    Stamp loaded_factor = 4;
    Stamp lock_spin = stamps_of_ns(4'000);   // how long one waiter spins for a lock
    Stamp wait_spin = stamps_of_ns(25'000);  // and one for a signal: above the cost of waking another cpu
    Stamp overtaking =
        stamps_of_ns(30'000'000);  // a waiter older than this is overtaken no more by urgent ones
    bool can_spin = true;          // more than one cpu
};

// Does a release under this policy always choose the next holder?
constexpr bool always_hands_over(Handoff handoff) {
    return handoff == Handoff::kFifo || handoff == Handoff::kPrio;
}

// aged: how long the first of `waiters` waits before it is handed the lock. is_loaded: see Tuning::late_heir.
constexpr Stamp patience(const Tuning& tuning, uint32_t waiters, bool is_loaded) {
    const Stamp scaled = tuning.age_per_waiter * waiters;
    const Stamp alone = scaled > tuning.age ? scaled : tuning.age;
    return is_loaded ? alone * tuning.loaded_factor : alone;
}

// Is a waiter handed the lock? head_since: when it began to wait. waiters: how many there are, itself
// included.
constexpr bool hands_over(const Tuning& tuning, Stamp now, Stamp head_since, uint32_t head_urgency,
                          uint32_t own_urgency, uint32_t waiters, bool is_loaded = false) {
    if (always_hands_over(tuning.handoff)) return true;
    if (tuning.handoff == Handoff::kBarge) return false;
    return head_urgency > own_urgency || is_older(now, head_since, patience(tuning, waiters, is_loaded));
}

}  // namespace latchkey
