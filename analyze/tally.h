// SPDX-License-Identifier: Apache-2.0
//
// Sums per key with a bound on the number of keys: when the table is full, what is new is added to a
// coarser key (`key.folded()`), so totals stay exact and only the detail is lost.
#pragma once

#include <algorithm>
#include <cstdint>

#include "analyze/flat_map.h"

namespace latchkey {

inline constexpr std::uint32_t kNone = UINT32_MAX;       // no thread, no record
inline constexpr std::uint32_t kOther = UINT32_MAX - 1;  // folded into "all others"
inline constexpr std::uint64_t kOtherSite = UINT64_MAX;

struct Tally {
    std::uint64_t count = 0;
    std::uint64_t ns = 0;
    std::uint64_t max_ns = 0;

    void add(std::uint64_t duration_ns) {
        ++count;
        ns += duration_ns;
        max_ns = std::max(max_ns, duration_ns);
    }
    void merge(const Tally& other) {
        count += other.count;
        ns += other.ns;
        max_ns = std::max(max_ns, other.max_ns);
    }
};

template <typename Key, typename Value>
class BoundedTable {
  public:
    explicit BoundedTable(std::size_t limit) : limit_(limit) {}

    Value& at(const Key& key) {
        if (map_.size() < limit_) return map_[key];
        if (Value* found = map_.find(key)) return *found;
        ++folded_;
        return map_[key.folded()];
    }
    template <typename Use>
    void for_each(Use&& use) const {
        map_.for_each(use);
    }
    /// How many additions went to a coarser key.
    std::uint64_t folded() const { return folded_; }

  private:
    FlatMap<Key, Value> map_;
    std::size_t limit_;
    std::uint64_t folded_ = 0;
};

/// Key of what happened at a place: who (`thread`), where (`site`, `stack`), to which record.
struct PlaceKey {
    std::uint64_t site = 0;
    std::uint32_t record = 0;
    std::uint32_t thread = kNone;
    std::uint32_t stack = 0;
    std::uint32_t side = 0;
    bool operator==(const PlaceKey&) const = default;
    PlaceKey folded() const { return {kOtherSite, record, kOther, 0, side}; }
};

inline std::uint64_t hash_of(const PlaceKey& key) {
    const std::uint64_t who = mix(key.record, std::uint64_t{key.thread} << 32 | key.stack);
    return mix(key.site + key.side, who);
}

/// Key of one thread making another wait.
struct PairKey {
    std::uint32_t record = 0;
    std::uint32_t waiter = kNone;
    std::uint32_t provider = kNone;  // holder or waker
    bool operator==(const PairKey&) const = default;
    PairKey folded() const { return {record, kOther, kOther}; }
};

inline std::uint64_t hash_of(const PairKey& key) {
    return mix(key.record, std::uint64_t{key.waiter} << 32 | key.provider);
}

}  // namespace latchkey
