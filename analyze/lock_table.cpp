// SPDX-License-Identifier: Apache-2.0
#include "analyze/lock_table.h"

namespace latchkey {

void Passages::add(std::uint8_t passage) {
    switch (static_cast<Passage>(passage)) {
        case Passage::kUnknown:
            break;
        case Passage::kSpun:
            ++spun;
            break;
        case Passage::kRequeuedWoken:
            ++requeued;
            [[fallthrough]];
        case Passage::kWoken:
            ++woken;
            break;
        case Passage::kRequeuedHanded:
            ++requeued;
            [[fallthrough]];
        case Passage::kHanded:
            ++handed;
            break;
    }
}

void Passages::add_queue(std::uint32_t ahead) {
    ++queued;
    queue_sum += ahead;
    queue_max = std::max<std::uint64_t>(queue_max, ahead);
}

void Passages::merge(const Passages& other) {
    spun += other.spun, woken += other.woken, handed += other.handed;
    requeued += other.requeued;
    queued += other.queued, queue_sum += other.queue_sum;
    queue_max = std::max(queue_max, other.queue_max);
}

Lock& LockTable::add(const Process& process, std::uint64_t address, Object object, std::uint64_t init_site) {
    Lock& lock = locks_.emplace_back();
    lock.address = address;
    lock.init_site = init_site;
    lock.process = process.index;
    lock.object = object;
    lock.instances = address != 0;
    return lock;
}

Lock& LockTable::create(const Process& process, std::uint64_t address, Object object,
                        std::uint64_t init_site) {
    if (locks_.size() < kMaxLocks) return add(process, address, object, init_site);
    ++folded_;
    if (by_class_.size() >= kMaxLocks) return locks_.back();
    Lock*& shared =
        by_class_[mix(init_site, std::uint64_t{process.index} << 8 | static_cast<std::uint8_t>(object))];
    if (shared == nullptr) shared = &add(process, 0, object, init_site);
    return *shared;
}

/// at() for a lock that is new, or that may be another one at its address.
Lock& LockTable::at_slow(const Process& process, std::uint64_t address, Object object,
                         std::uint64_t init_site) {
    if (process.index >= by_address_.size()) by_address_.resize(process.index + 1);
    AddressMap& map = by_address_[process.index];
    object = lock_object(object);
    Lock** known = map.find(address);
    if (known != nullptr) {
        Lock& lock = **known;
        const bool is_other = init_site != 0 && lock.init_site != 0 && init_site != lock.init_site;
        const bool is_born_again =
            lock.destroyed && init_site != 0;  // of the same class, if from the same site
        if (lock.object == object && !is_other && (!lock.destroyed || is_born_again)) {
            lock.destroyed = false;
            if (init_site != 0) lock.init_site = init_site;
            return lock;
        }
    }
    Lock& lock = create(process, address, object, init_site);
    if (known == nullptr && map.size() >= 2 * kMaxLocks) return lock;
    (known != nullptr ? *known : map[address]) = &lock;
    if (lock.address != address) ++lock.instances;
    return lock;
}

LockStats& LockTable::add_stats(Lock& lock, Object object) {
    LockStats& stats = stats_.emplace_back();
    stats.index = static_cast<std::uint32_t>(stats_.size() - 1);
    stats.lock = &lock;
    stats.object = object;
    return stats;
}

}  // namespace latchkey
