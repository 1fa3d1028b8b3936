// SPDX-License-Identifier: Apache-2.0
//
// An open-addressing hash table for small plain keys and values: no allocation per entry, no erasing.
// The analyser looks up a lock for every acquisition, so this is where its time goes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace latchkey {

/// Mixes two words into a hash whose low bits are good enough for a power-of-two table.
inline std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
    __extension__ using Wide = unsigned __int128;
    const Wide product = static_cast<Wide>(a ^ 0x9e3779b97f4a7c15u) * (b ^ 0xe7037ed1a0b428dbu);
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

inline std::uint64_t hash_of(std::uint64_t key) {
    const std::uint64_t product = key * 0x9e3779b97f4a7c15u;
    return product ^ (product >> 32);
}

/// Key: ==, and hash_of(key) found by argument-dependent lookup. References die at the next insertion.
template <typename Key, typename Value>
class FlatMap {
  public:
    std::size_t size() const { return size_; }

    Value* find(const Key& key) {
        if (slots_.empty()) return nullptr;
        Slot& slot = slots_[locate(key)];
        return slot.used ? &slot.value : nullptr;
    }

    Value& operator[](const Key& key) {
        if (2 * (size_ + 1) > slots_.size()) grow();
        Slot& slot = slots_[locate(key)];
        if (!slot.used) {
            slot.used = true;
            slot.key = key;
            slot.value = Value{};
            ++size_;
        }
        return slot.value;
    }

    template <typename Use>
    void for_each(Use&& use) const {
        for (const Slot& slot : slots_)
            if (slot.used) use(slot.key, slot.value);
    }

  private:
    struct Slot {
        Key key{};
        Value value{};
        bool used = false;
    };

    std::size_t locate(const Key& key) const {
        const std::size_t mask = slots_.size() - 1;
        std::size_t i = hash_of(key) & mask;
        while (slots_[i].used && !(slots_[i].key == key)) i = (i + 1) & mask;
        return i;
    }

    void grow() {
        std::vector<Slot> old =
            std::exchange(slots_, std::vector<Slot>(slots_.empty() ? 16 : slots_.size() * 2));
        for (Slot& slot : old)
            if (slot.used) slots_[locate(slot.key)] = std::move(slot);
    }

    std::vector<Slot> slots_;
    std::size_t size_ = 0;
};

}  // namespace latchkey
