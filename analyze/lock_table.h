// SPDX-License-Identifier: Apache-2.0
//
// The locks of a run, found by process and address, and what is summed up for each.
//
// An address can be many locks: a different init site, another kind of object or a destroy call in between
// begins a new one. Beyond kMaxLocks, locks share a record per init site. Records stay where they are, so
// pointers to them do.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <vector>

#include "analyze/histogram.h"
#include "analyze/release_log.h"
#include "analyze/world.h"

namespace latchkey {

struct Lock;

/// How waits ended on one of Latchkey's own locks; nothing with the C library's. What came from a condvar is
/// counted with the others, and in `requeued`.
struct Passages {
    std::uint64_t spun = 0, woken = 0, handed = 0;
    std::uint64_t requeued = 0;  // of woken and handed: moved here from a condvar's queue
    std::uint64_t queued = 0;    // waits that queued, and the waiters ahead of them then
    std::uint64_t queue_sum = 0, queue_max = 0;

    /// `passage` as in the event: a value of another version, or of a damaged trace, is not known.
    void add(std::uint8_t passage);
    void add_queue(std::uint32_t ahead);
    void merge(const Passages& other);
};

/// What is known of one lock, or of one side (shared or exclusive) of a read-write lock.
struct LockStats {
    Lock* lock = nullptr;
    std::uint32_t index = 0;  // in LockTable::stats()
    Object object = Object::none;
    std::uint64_t acquired = 0, failed = 0, contended = 0, timeouts = 0, open_waits = 0;
    std::uint64_t holds = 0, hold_ns = 0, hold_max_ns = 0;
    Histogram hold_times;
    std::uint64_t wait_ns = 0, wait_max_ns = 0;
    Histogram waits;
    Passages passages;
    std::uint64_t io_ns = 0, io_calls = 0;
};

struct Lock {
    std::uint64_t address = 0;  // 0: the record of many locks
    std::uint64_t init_site = 0;
    std::uint64_t site = 0;  // the commonest place of use (majority vote)
    std::uint32_t site_votes = 0;
    std::uint32_t process = 0;
    std::array<LockStats*, 2> stats{};  // exclusive, shared; null until used
    ReleaseLog::Ticket first_release = 0, last_release = 0;
    std::uint32_t instances = 1;
    std::uint16_t kind = 0;
    Object object = Object::none;
    bool has_kind = false;
    bool destroyed = false;

    void set_kind(std::uint16_t value) {
        kind = value;
        has_kind = true;
    }

    /// Boyer-Moore majority vote.
    void vote(std::uint64_t place) {
        if (site == place) {
            ++site_votes;
        } else if (site_votes == 0) {
            site = place;
            site_votes = 1;
        } else {
            --site_votes;
        }
    }
};

inline bool is_shared(Object object) {
    return object == Object::rwlock_read;
}

class LockTable {
  public:
    static constexpr std::size_t kMaxLocks = 1u << 16;

    /// The record of the lock that lives at the address now. init_site: 0 if not known.
    Lock& at(const Process& process, std::uint64_t address, Object object, std::uint64_t init_site) {
        Lock* known = find(process, address);
        if (known == nullptr || known->destroyed || known->object != lock_object(object) ||
            (init_site != 0 && init_site != known->init_site)) [[unlikely]]
            return at_slow(process, address, object, init_site);
        return *known;
    }
    /// The lock last seen at the address, or null.
    Lock* find(const Process& process, std::uint64_t address) {
        if (process.index >= by_address_.size()) [[unlikely]]
            return nullptr;
        Lock** known = by_address_[process.index].find(address);
        return known != nullptr ? *known : nullptr;
    }

    LockStats& stats_of(Lock& lock, Object object) {
        LockStats*& stats = lock.stats[is_shared(object)];
        if (stats == nullptr) [[unlikely]]
            stats = &add_stats(lock, object);
        return *stats;
    }

    const std::deque<LockStats>& stats() const { return stats_; }
    /// Uses of locks that found no record of their own.
    std::uint64_t folded() const { return folded_; }

  private:
    using AddressMap = FlatMap<std::uint64_t, Lock*>;

    /// Read and write side are one lock.
    static Object lock_object(Object object) { return is_shared(object) ? Object::rwlock_write : object; }

    Lock& at_slow(const Process& process, std::uint64_t address, Object object, std::uint64_t init_site);
    Lock& create(const Process& process, std::uint64_t address, Object object, std::uint64_t init_site);
    Lock& add(const Process& process, std::uint64_t address, Object object, std::uint64_t init_site);
    LockStats& add_stats(Lock& lock, Object object);

    std::deque<Lock> locks_;
    std::deque<LockStats> stats_;
    std::vector<AddressMap> by_address_;  // per process
    AddressMap by_class_;                 // by process, object and init site
    std::uint64_t folded_ = 0;
};

}  // namespace latchkey
