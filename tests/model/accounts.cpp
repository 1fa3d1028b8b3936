// SPDX-License-Identifier: Apache-2.0
#include "tests/model/accounts.h"

namespace latchkey::model {

bool Accounts::may_take(const SignalRecord& signal, const WaitRecord& wait) const {
    return wait.outcome == Outcome::kReturned && wait.begin < signal.end && wait.end > signal.begin;
}

// A cancelled or failed wait that had a signal passes it on, to all: then a wait may end without one of its
// own.
bool Accounts::is_excused(const WaitRecord& wait) const {
    for (const WaitRecord& other : waits)
        if ((other.outcome == Outcome::kCancelled || other.outcome == Outcome::kFailed) &&
            wait.begin < other.end && wait.end > other.begin)
            return true;
    return false;
}

// Augmenting paths: finds a partner on the other side for `from`, moving others' if need be.
bool Accounts::match(uint32_t from, bool from_signals, std::vector<int>& partner,
                     std::vector<bool>& seen) const {
    for (uint32_t to = 0; to < partner.size(); to++) {
        const SignalRecord& signal = signals[from_signals ? from : to];
        const WaitRecord& wait = waits[from_signals ? to : from];
        if (seen[to] || signal.is_broadcast || !may_take(signal, wait)) continue;
        seen[to] = true;
        if (partner[to] >= 0 && !match(static_cast<uint32_t>(partner[to]), from_signals, partner, seen))
            continue;
        partner[to] = static_cast<int>(from);
        return true;
    }
    return false;
}

const char* Accounts::audit() const {
    std::vector<int> signal_of(signals.size(), -1);
    for (uint32_t i = 0; i < waits.size(); i++) {
        if (waits[i].outcome != Outcome::kReturned || is_excused(waits[i])) continue;
        bool has_broadcast = false;
        for (const SignalRecord& signal : signals)
            has_broadcast |= signal.is_broadcast && may_take(signal, waits[i]);
        std::vector<bool> seen(signals.size());
        if (!has_broadcast && !match(i, false, signal_of, seen)) return "a wait returned without a signal";
    }
    std::vector<int> wait_of(waits.size(), -1);
    for (uint32_t i = 0; i < signals.size(); i++) {
        bool is_awaited = false;
        for (const WaitRecord& wait : waits)
            is_awaited |= wait.outcome == Outcome::kWaiting && wait.blocked < signals[i].begin;
        if (!is_awaited) continue;
        if (signals[i].is_broadcast) return "a broadcast left a waiter asleep";
        std::vector<bool> seen(waits.size());
        if (!match(i, true, wait_of, seen))
            return "a signal was lost, or taken by a wait that began after it";
    }
    return nullptr;
}

}  // namespace latchkey::model
