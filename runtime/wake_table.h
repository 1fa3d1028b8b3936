// SPDX-License-Identifier: Apache-2.0
//
// Who waits on a condvar, semaphore or futex word of this process, and who woke it last. Those objects have
// no owner and, often, no init or destroy call; condvars live on stacks. So an entry belongs to an address
// only while somebody waits there; without waiters it is free for the next address. Bounded, lock-free, pure.
//
// Invariants
//   INV-WAKE-1  key = address | waiters << 48; an entry with waiters 0 may be claimed for another address by
//   CAS. INV-WAKE-2  enter and leave are paired by the waiting thread; a thread that is cancelled inside its
//   wait
//               leaves when it exits.
//   INV-WAKE-3  the waker's fields are three relaxed words: two wakers at once may mix them. The reader
//   accepts
//               them only with a time inside its own wait.
#pragma once

#include <atomic>
#include <cstdint>

namespace latchkey {

struct Waker {
    uint64_t when_ns;
    uint64_t site;
    uint32_t tid;
};

class WakeTable {
  public:
    static constexpr uint32_t kEntries = 4096;
    static constexpr uint32_t kProbes = 8;
    static constexpr uint32_t kNone = kEntries;

    // Registers the calling thread as a waiter. Returns the entry, or kNone when the neighbourhood is full:
    // then the waker of this wait stays unknown.
    uint32_t enter(const void* object) {
        if (!is_used_.load(std::memory_order_relaxed)) is_used_.store(true, std::memory_order_relaxed);
        const uint64_t address = reinterpret_cast<uint64_t>(object) & kAddressMask;
        for (uint32_t tries = 0; tries < 4; tries++) {
            uint32_t free_entry = kNone;
            for (uint32_t probe = 0; probe < kProbes; probe++) {
                const uint32_t i = (hash(address) + probe) % kEntries;
                uint64_t key = entries_[i].key.load(std::memory_order_relaxed);
                while ((key & kAddressMask) == address && key >> kWaiterShift < kMaxWaiters)
                    if (entries_[i].key.compare_exchange_weak(key, key + kOneWaiter,
                                                              std::memory_order_acq_rel))
                        return i;
                if (free_entry == kNone && key >> kWaiterShift == 0) free_entry = i;
            }
            if (free_entry == kNone) return kNone;
            uint64_t key = entries_[free_entry].key.load(std::memory_order_relaxed);
            if (key >> kWaiterShift == 0 && entries_[free_entry].key.compare_exchange_strong(
                                                key, address | kOneWaiter, std::memory_order_acq_rel))
                return free_entry;
        }
        return kNone;
    }

    void leave(uint32_t entry) {
        if (entry < kEntries) entries_[entry].key.fetch_sub(kOneWaiter, std::memory_order_acq_rel);
    }

    // Says that `waker` is about to wake waiters of `object`. Returns how many are registered (0: nobody
    // waits).
    uint32_t announce(const void* object, const Waker& waker) {
        Entry* entry = find(object);
        if (entry == nullptr) return 0;
        entry->site.store(waker.site, std::memory_order_relaxed);
        entry->tid.store(waker.tid, std::memory_order_relaxed);
        entry->when_ns.store(waker.when_ns, std::memory_order_release);  // pairs with last_waker
        return static_cast<uint32_t>(entry->key.load(std::memory_order_relaxed) >> kWaiterShift);
    }

    // Does anybody wait on `object`?
    bool has_waiters(const void* object) { return find(object) != nullptr; }

    // The waker announced last for this entry; when_ns 0 if none since `since_ns`.
    Waker last_waker(uint32_t entry, uint64_t since_ns) const {
        if (entry >= kEntries) return {0, 0, 0};
        const uint64_t when = entries_[entry].when_ns.load(std::memory_order_acquire);
        if (when < since_ns) return {0, 0, 0};
        return {when, entries_[entry].site.load(std::memory_order_relaxed),
                entries_[entry].tid.load(std::memory_order_relaxed)};
    }

    // After fork: the waiters were other threads of the parent.
    void clear() {
        if (!is_used_.exchange(false, std::memory_order_relaxed)) return;
        for (Entry& entry : entries_) entry.key.store(0, std::memory_order_relaxed);
    }

  private:
    static constexpr int kWaiterShift = 48;
    static constexpr uint64_t kOneWaiter = 1ull << kWaiterShift;
    static constexpr uint64_t kAddressMask = kOneWaiter - 1;
    static constexpr uint64_t kMaxWaiters = 0xffff;

    struct Entry {
        std::atomic<uint64_t> key;
        std::atomic<uint64_t> when_ns;
        std::atomic<uint64_t> site;
        std::atomic<uint32_t> tid;
    };

    static uint32_t hash(uint64_t address) {
        return static_cast<uint32_t>((address >> 3) * 0x9e3779b97f4a7c15ull >> 40);
    }

    Entry* find(const void* object) {
        const uint64_t address = reinterpret_cast<uint64_t>(object) & kAddressMask;
        for (uint32_t probe = 0; probe < kProbes; probe++) {
            Entry& entry = entries_[(hash(address) + probe) % kEntries];
            const uint64_t key = entry.key.load(std::memory_order_relaxed);
            if ((key & kAddressMask) == address && key >> kWaiterShift != 0) return &entry;
        }
        return nullptr;
    }

    std::atomic<bool> is_used_;  // spares the clearing of an untouched table
    Entry entries_[kEntries];
};

}  // namespace latchkey
