// SPDX-License-Identifier: Apache-2.0
//
// The accounts of a condvar: which waits and which signals there were, and whether each wait that returned
// can have had a signal of its own and no signal was lost. What is allowed is decided from the order of
// beginnings and ends alone (POSIX; glibc bug 25847: a signal must not go to a wait that began after it while
// one that began before goes on sleeping).
#pragma once

#include <cstdint>
#include <vector>

namespace latchkey::model {

enum class Outcome : uint8_t { kWaiting, kReturned, kTimedOut, kCancelled, kFailed };

struct WaitRecord {
    uint64_t begin;            // when the call began
    uint64_t blocked = ~0ull;  // when it was blocked for certain: another thread has had its mutex since
    uint64_t end = ~0ull;
    Outcome outcome = Outcome::kWaiting;
};

struct SignalRecord {
    uint64_t begin;
    uint64_t end = ~0ull;
    bool is_broadcast;
};

struct Accounts {
    std::vector<WaitRecord> waits;
    std::vector<SignalRecord> signals;
    uint64_t clock = 0;

    // Null, or what is wrong. Waits that are kWaiting sleep for ever.
    const char* audit() const;

  private:
    bool may_take(const SignalRecord& signal, const WaitRecord& wait) const;
    bool match(uint32_t from, bool from_signals, std::vector<int>& partner, std::vector<bool>& seen) const;
    bool is_excused(const WaitRecord& wait) const;
};

}  // namespace latchkey::model
