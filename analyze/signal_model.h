// SPDX-License-Identifier: Apache-2.0
//
// Waits without an owner: for a condition variable, semaphore, futex word, barrier or thread. Nobody
// holds what is waited for; somebody will signal. Who waited, who woke, how long from the wake to the
// return. Whether a wait was idleness or somebody's request is decided afterwards (signal_class.h).
//
// Processes that fork from one image share addresses, and often memory: an address is one signal for all
// of them. A waker in another process cannot tell the waiter who it is. Such a wait (no waker in the event)
// is matched with the last wake on the same address in the same family of forked processes before the return;
// the decision is put off a little because a wake is often reported after its effect.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <vector>

#include "analyze/histogram.h"
#include "analyze/tally.h"
#include "analyze/world.h"

namespace latchkey {

struct Signal {
    std::uint64_t address = 0, init_site = 0;
    std::uint64_t site = 0;  // the commonest waiting place (majority vote)
    std::uint32_t site_votes = 0;
    std::uint32_t process = 0;
    std::uint32_t instances = 1;
    Object object = Object::none;
    bool one_process = true;  // false: processes of one family wait or wake here
    std::uint64_t waits = 0, timeouts = 0, open_waits = 0, wakes = 0;
    std::uint64_t wait_ns = 0, wait_max_ns = 0, wakeup_ns = 0;
    std::uint64_t spun = 0, requeued = 0;  // waits that ended spinning, or in the queue of the mutex
    Histogram times;
};

enum class SignalSide : std::uint32_t { waiter, waker };

/// Waits of one thread on one signal that another ended (or nobody: provider kNone).
struct SignalPair {
    Tally waits;
    std::uint64_t timeouts = 0;
};

class SignalModel {
  public:
    static constexpr std::size_t kMaxSignals = 1u << 15;
    static constexpr std::size_t kMaxPlaces = 1u << 17;
    static constexpr std::size_t kMaxPairs = 1u << 17;

    SignalModel(World& world, HistogramPool& pool)
        : world_(world), pool_(pool), places_(kMaxPlaces), pairs_(kMaxPairs) {}

    void on(const Moment& moment, const record::signal_wait& event);
    void on(const Moment& moment, const record::wake& event);
    /// Settles what is left; call once, after the last event.
    void finish();

    const std::deque<Signal>& signals() const { return signals_; }
    const BoundedTable<PlaceKey, Tally>& places() const { return places_; }
    const BoundedTable<PairKey, SignalPair>& pairs() const { return pairs_; }
    std::uint64_t folded_signals() const { return folded_; }
    std::uint64_t impossible_waits() const { return impossible_; }

  private:
    struct Wake {
        std::uint64_t ts = 0, site = 0;
        std::uint32_t thread = kNone, stack = 0;
    };
    struct Wakes {
        std::array<Wake, 8> last{};
        std::uint32_t next = 0;
    };
    struct Wait {
        std::uint64_t end_ns = 0, wait_ns = 0, family_address = 0;
        std::uint32_t signal = 0, waiter = kNone;
    };

    std::uint32_t signal_at(Process& process, std::uint64_t address, Object object, std::uint64_t init_site);
    void settle_until(std::uint64_t ts);
    void settle(const Wait& wait);
    void woken(std::uint32_t signal, std::uint32_t waiter, const Wake& wake, std::uint64_t wait_ns,
               std::uint64_t end_ns);

    World& world_;
    HistogramPool& pool_;
    std::deque<Signal> signals_;
    FlatMap<std::uint64_t, std::uint32_t> by_address_;  // mixed with family and object
    FlatMap<std::uint64_t, std::uint32_t> by_class_;
    FlatMap<std::uint64_t, Wakes> wakes_;  // by family and address
    BoundedTable<PlaceKey, Tally> places_;
    BoundedTable<PairKey, SignalPair> pairs_;
    std::deque<Wait> waits_;  // without a waker yet
    std::uint64_t folded_ = 0, impossible_ = 0;
};

}  // namespace latchkey
