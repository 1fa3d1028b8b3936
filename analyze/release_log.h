// SPDX-License-Identifier: Apache-2.0
//
// The recent contended releases of all locks: a ring in which each lock's releases are linked in both
// directions. The blame of a wait walks the releases that fell into it; memory is fixed.
#pragma once

#include <cstdint>
#include <vector>

#include "analyze/tally.h"

namespace latchkey {

struct Release {
    std::uint64_t release_ns = 0;
    std::uint64_t hold_ns = 0;  // 0: not known
    std::uint64_t acquire_site = 0;
    std::uint64_t release_site = 0;
    std::uint32_t thread = kNone;
    std::uint32_t stack = 0;
    bool shared = false;  // a reader's
};

class ReleaseLog {
  public:
    using Ticket = std::uint64_t;  // 0: none
    static constexpr Ticket kCapacity = 1u << 15;

    ReleaseLog() : entries_(kCapacity) {}

    /// Appends a release to the lock whose latest ticket is `last`, which is updated.
    void append(Ticket& last, const Release& release) {
        const Ticket ticket = ++latest_;
        entries_[ticket % kCapacity] = {release, alive(last) ? last : 0, 0};
        if (alive(last)) entries_[last % kCapacity].next = ticket;
        last = ticket;
    }
    /// The release, or null if it is no longer kept.
    const Release* find(Ticket ticket) const {
        return alive(ticket) ? &entries_[ticket % kCapacity].release : nullptr;
    }
    Ticket before(Ticket ticket) const { return alive(ticket) ? entries_[ticket % kCapacity].previous : 0; }
    Ticket after(Ticket ticket) const { return alive(ticket) ? entries_[ticket % kCapacity].next : 0; }

  private:
    struct Entry {
        Release release;
        Ticket previous = 0, next = 0;
    };

    bool alive(Ticket ticket) const { return ticket != 0 && ticket + kCapacity > latest_; }

    std::vector<Entry> entries_;
    Ticket latest_ = 0;
};

}  // namespace latchkey
