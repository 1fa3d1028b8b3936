// SPDX-License-Identifier: Apache-2.0
//
// A bounded, lock-free map from an object's address to one 64-bit value: which call site initialised a lock,
// or that a stack was seen before. Forgetting is allowed, waiting is not: a full neighbourhood refuses the
// entry and the caller counts that. Pure.
//
// Invariant INV-MAP-1: an entry's key is written by CAS from 0 or kErased; value is stored after it. A reader
// that comes between sees value 0, "not known".
#pragma once

#include <atomic>
#include <cstdint>

namespace latchkey {

template <uint32_t kEntries>
class AddressMap {
    static_assert((kEntries & (kEntries - 1)) == 0, "a power of two");

  public:
    static constexpr uint32_t kNone = kEntries;

    // Stores value under key (neither 0 nor 1). Returns the entry's index, or kNone if there was no room.
    uint32_t put(uint64_t key, uint64_t value) {
        uint32_t free_entry = kNone;
        for (uint32_t probe = 0; probe < kProbes; probe++) {
            const uint32_t i = (hash(key) + probe) & (kEntries - 1);
            const uint64_t found = entries_[i].key.load(std::memory_order_relaxed);
            if (found == key) {
                entries_[i].value.store(value, std::memory_order_relaxed);
                return i;
            }
            if (free_entry == kNone && found <= kErased) free_entry = i;
            if (found == 0) break;
        }
        if (free_entry == kNone) return kNone;
        uint64_t expected = entries_[free_entry].key.load(std::memory_order_relaxed);
        if (expected > kErased ||
            !entries_[free_entry].key.compare_exchange_strong(expected, key, std::memory_order_relaxed))
            return kNone;
        entries_[free_entry].value.store(value, std::memory_order_relaxed);
        is_used_.store(true, std::memory_order_relaxed);
        return free_entry;
    }

    // The value, or 0. `entry`, if given, receives the index or kNone.
    uint64_t get(uint64_t key, uint32_t* entry = nullptr) const {
        for (uint32_t probe = 0; probe < kProbes; probe++) {
            const uint32_t i = (hash(key) + probe) & (kEntries - 1);
            const uint64_t found = entries_[i].key.load(std::memory_order_relaxed);
            if (found == key) {
                if (entry != nullptr) *entry = i;
                return entries_[i].value.load(std::memory_order_relaxed);
            }
            if (found == 0) break;
        }
        if (entry != nullptr) *entry = kNone;
        return 0;
    }

    void erase(uint64_t key) {
        uint32_t entry;
        get(key, &entry);
        if (entry == kNone) return;
        entries_[entry].value.store(0, std::memory_order_relaxed);
        entries_[entry].key.store(kErased, std::memory_order_relaxed);
    }

    void clear() {
        if (!is_used_.exchange(false, std::memory_order_relaxed)) return;
        for (Entry& entry : entries_) {
            if (entry.key.load(std::memory_order_relaxed) == 0) continue;
            entry.value.store(0, std::memory_order_relaxed);
            entry.key.store(0, std::memory_order_relaxed);
        }
    }

  private:
    static constexpr uint32_t kProbes = 16;
    static constexpr uint64_t kErased = 1;

    struct Entry {
        std::atomic<uint64_t> key;
        std::atomic<uint64_t> value;
    };

    static uint32_t hash(uint64_t key) { return static_cast<uint32_t>(key * 0x9e3779b97f4a7c15ull >> 36); }

    std::atomic<bool> is_used_;  // spares the clearing of an untouched map
    Entry entries_[kEntries];
};

}  // namespace latchkey
