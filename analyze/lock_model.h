// SPDX-License-Identifier: Apache-2.0
//
// Everything with an owner: mutexes, read-write locks, spin locks. Who waited, for how long, because of
// whom; who held it, for how long.
//
// BLAME. A wait is an interval in which somebody else had the lock. It is divided among the holders by
// the contended releases that fell into it: each part belongs to the hold that ended with that release,
// readers that overlap share theirs equally. Time in which nobody is known to hold the lock belongs to
// the hold before it (hand-over is part of what a hold costs), before the first release to the owner that
// the waiter itself saw; if it saw none, to nobody. So always, exactly:
//
//     INV-BLAME   waited == charged + unowned + open      (open: waits that had not ended)
//
// Waits are settled some thousand waits late, because a holder reports its release after the release,
// often after the waiter has reported the end of its wait.
#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include "analyze/histogram.h"
#include "analyze/lock_table.h"
#include "analyze/release_log.h"
#include "analyze/tally.h"
#include "analyze/world.h"

namespace latchkey {

enum class LockSide : std::uint32_t { waiter, holder, release };

class LockModel {
  public:
    static constexpr std::size_t kMaxPlaces = 1u << 18;
    static constexpr std::size_t kMaxPairs = 1u << 17;
    static constexpr std::size_t kMaxHeld = 64;

    explicit LockModel(World& world) : world_(world), places_(kMaxPlaces), pairs_(kMaxPairs) {}

    void on(const Moment& moment, const record::lock_acquired& event);
    void on(const Moment& moment, const record::lock_released& event);
    void on(const Moment& moment, const record::lock_wait& event);
    void on(const Moment& moment, const record::lock_contended_release& event);
    void on(const Moment& moment, const record::lock_created& event);
    void on(const Moment& moment, const record::lock_destroyed& event);
    /// A condvar wait that ended in the queue of its mutex: how it got the mutex.
    void on(const Moment& moment, const record::signal_wait& event);
    /// A recorded I/O call while a lock was held. Returns the index of the stats charged.
    std::uint32_t io_under(const Moment& moment, std::uint64_t address, std::uint64_t acquire_site,
                           std::uint64_t duration_ns);
    /// Settles what is left; call once, after the last event.
    void finish();

    /// Records of places and pairs are indices of this.
    const std::deque<LockStats>& stats() const { return table_.stats(); }
    const BoundedTable<PlaceKey, Tally>& places() const { return places_; }
    const BoundedTable<PairKey, Tally>& pairs() const { return pairs_; }
    HistogramPool& pool() { return pool_; }

    struct Totals {
        std::uint64_t waited_ns = 0, charged_ns = 0, unowned_ns = 0, open_ns = 0;  // INV-BLAME
        std::uint64_t orphan_releases = 0;   // of locks whose acquisition was not seen
        std::uint64_t uncertain_holds = 0;   // dropped: events were lost meanwhile
        std::uint64_t impossible_waits = 0;  // longer than the clock has run
        std::uint64_t forgotten_holds = 0;   // a thread held more than kMaxHeld
    };
    const Totals& totals() const { return totals_; }
    std::uint64_t folded_locks() const { return table_.folded(); }

  private:
    struct Wait {
        std::uint64_t end_ns = 0, wait_ns = 0, owner_site = 0;
        const LockStats* stats = nullptr;
        std::uint32_t waiter = kNone, owner = kNone;
        bool open = false;
        ReleaseLog::Ticket anchor = 0;  // the lock's latest release when the wait was reported
    };
    struct Share {
        std::uint64_t site = 0;
        std::uint32_t thread = kNone;
        const Release* release = nullptr;  // null: only the owner the waiter saw
    };

    void push_held(const Moment& moment, std::uint64_t address, LockStats& stats);
    bool pop_held(const Moment& moment, std::uint64_t address, std::uint64_t release_ns,
                  std::uint64_t known_hold_ns);
    void end_hold(const Moment& moment, const Held& held, std::uint64_t release_ns,
                  std::uint64_t known_hold_ns);
    void add_hold(LockStats& stats, std::uint64_t hold_ns);
    void settle(const Wait& wait);
    void find_releases(const Wait& wait, std::uint64_t begin);
    std::uint64_t share_hold(const Wait& wait, std::size_t release, std::uint64_t begin);
    void charge(const Wait& wait, const Share& share, std::uint64_t ns);

    World& world_;
    LockTable table_;
    BoundedTable<PlaceKey, Tally> places_;
    BoundedTable<PairKey, Tally> pairs_;
    HistogramPool pool_;
    ReleaseLog releases_;
    std::deque<Wait> waits_;
    std::vector<const Release*> within_;  // of the wait being settled
    Totals totals_;
};

}  // namespace latchkey
