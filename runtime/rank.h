// SPDX-License-Identifier: Apache-2.0
//
// The order of the runtime's internal locks: sleep list, then process lock, then run queue, overlapping;
// never two of one rank. LATCHKEY_CHECK_RANKS (the test builds) makes a violation end the process, and a
// bucket that is left with broken queues too.
#pragma once

#include <cstdint>

#include "runtime/slot.h"

#ifdef LATCHKEY_CHECK_RANKS
#include <cstdio>
#include <cstdlib>
#endif

namespace latchkey {

enum class Rank : uint32_t {
    kSleepList,  // a bucket of the side table
    kProcess,    // a process's threads and event bits
    kRunQueue,   // effective priorities
};

#ifdef LATCHKEY_CHECK_RANKS
template <class System>
void note_taking(Slot<System>& self, Rank rank) {
    const auto bit = 1u << static_cast<uint32_t>(rank);
    if (self.ranks_held >= bit) {
        std::fprintf(stderr, "latchkey: internal lock of rank %u taken while holding ranks 0x%x\n",
                     static_cast<unsigned>(rank), self.ranks_held);
        std::abort();
    }
    self.ranks_held |= bit;
}
template <class System>
void note_releasing(Slot<System>& self, Rank rank) {
    self.ranks_held &= ~(1u << static_cast<uint32_t>(rank));
}
template <class Bucket>
void check_queues(const Bucket& bucket) {
    if (bucket.is_consistent()) return;
    std::fputs("latchkey: a bucket section left a broken queue\n", stderr);
    std::abort();
}
#else
template <class System>
void note_taking(Slot<System>&, Rank) {}
template <class System>
void note_releasing(Slot<System>&, Rank) {}
template <class Bucket>
void check_queues(const Bucket&) {}
#endif

}  // namespace latchkey
