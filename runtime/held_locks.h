// SPDX-License-Identifier: Apache-2.0
//
// The locks a thread holds, innermost last, with the call sites that acquired them. Written by its own thread
// only; other threads read entries to learn where an owner had acquired a lock, and leave a note in one
// ("somebody waits since ..."), which the owner reads when it releases. Pure: no clock, no system call.
//
// Invariants
//   INV-HELD-1  only the owner changes count, lock, site and acquired_ns.
//   INV-HELD-2  another thread writes waiter_since_ns only, and only from 0; push clears it. A note that
//   arrives
//               while the entry is being used again is lost or falls to the next lock: a report detail, never
//               a safety matter.
//   INV-HELD-3  when more locks are held than there are entries the oldest half is forgotten (and counted),
//   so
//               locks that are released by other threads cannot fill the table for good.
#pragma once

#include <atomic>
#include <cstdint>

namespace latchkey {

struct HeldLock {
    std::atomic<uint64_t> lock;  // (o) address
    std::atomic<uint64_t> site;  // (o) return address of the acquiring call, kTimed if acquired_ns holds
    std::atomic<uint64_t> acquired_ns;      // (o) monotonic; not written when acquired without waiting
    std::atomic<uint64_t> waiter_since_ns;  // (a) when the first known waiter began to wait; 0: none
};

struct HeldLocks {
    static constexpr uint32_t kCapacity = 32;
    // In `site`: acquired_ns holds. No user address has this bit; so the fast path need not clear
    // acquired_ns.
    static constexpr uint64_t kTimed = 1ull << 63;

    std::atomic<uint32_t> count;
    std::atomic<uint32_t> forgotten;
    HeldLock entries[kCapacity];

    // Owner only. Acquired without waiting: four stores, no clock.
    void push(const void* lock, uint64_t site) {
        uint32_t n = count.load(std::memory_order_relaxed);
        if (n == kCapacity) [[unlikely]]
            n = forget_oldest();
        HeldLock& entry = entries[n];
        entry.waiter_since_ns.store(0, std::memory_order_relaxed);
        entry.site.store(site, std::memory_order_relaxed);
        entry.lock.store(reinterpret_cast<uint64_t>(lock), std::memory_order_relaxed);
        count.store(n + 1, std::memory_order_relaxed);
    }

    // Owner only. Acquired after a wait that ended at acquired_ns.
    void push_timed(const void* lock, uint64_t site, uint64_t acquired_ns) {
        push(lock, site | kTimed);
        entries[count.load(std::memory_order_relaxed) - 1].acquired_ns.store(acquired_ns,
                                                                             std::memory_order_relaxed);
    }

    // Owner only: is `lock` the one acquired last?
    bool is_top(const void* lock) const {
        const uint32_t n = count.load(std::memory_order_relaxed);
        return n != 0 &&
               entries[n - 1].lock.load(std::memory_order_relaxed) == reinterpret_cast<uint64_t>(lock);
    }

    // Owner only; is_top must hold.
    void pop() { count.store(count.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed); }

    // What an entry said when it was removed.
    struct Removed {
        bool found;
        uint64_t site;
        uint64_t acquired_ns;  // 0: not known
        uint64_t waiter_since_ns;
    };

    // Owner only: removes the innermost entry of `lock`, wherever it stands.
    Removed remove(const void* lock) {
        const uint32_t n = count.load(std::memory_order_relaxed);
        for (uint32_t i = n; i-- > 0;) {
            HeldLock& entry = entries[i];
            if (entry.lock.load(std::memory_order_relaxed) != reinterpret_cast<uint64_t>(lock)) continue;
            const uint64_t site = entry.site.load(std::memory_order_relaxed);
            const bool is_timed = (site & kTimed) != 0;
            const Removed removed{true, site & ~kTimed,
                                  is_timed ? entry.acquired_ns.load(std::memory_order_relaxed) : 0,
                                  entry.waiter_since_ns.load(std::memory_order_relaxed)};
            close_gap(i, n);
            return removed;
        }
        return {false, 0, 0, 0};
    }

    // Any thread: where the owner acquired `lock` (0: not found); leaves the note `waiter_since_ns`.
    uint64_t announce_waiter(const void* lock, uint64_t waiter_since_ns) {
        uint32_t n = count.load(std::memory_order_relaxed);
        if (n > kCapacity) n = kCapacity;
        for (uint32_t i = n; i-- > 0;) {
            HeldLock& entry = entries[i];
            if (entry.lock.load(std::memory_order_relaxed) != reinterpret_cast<uint64_t>(lock)) continue;
            uint64_t none = 0;
            entry.waiter_since_ns.compare_exchange_strong(none, waiter_since_ns, std::memory_order_relaxed);
            return entry.site.load(std::memory_order_relaxed) & ~kTimed;
        }
        return 0;
    }

    // Owner only: how many entries were forgotten since the last call.
    uint32_t take_forgotten() {
        const uint32_t n = forgotten.load(std::memory_order_relaxed);
        if (n != 0) forgotten.store(0, std::memory_order_relaxed);
        return n;
    }

  private:
    void close_gap(uint32_t i, uint32_t n) {
        for (; i + 1 < n; i++) copy(entries[i], entries[i + 1]);
        count.store(n - 1, std::memory_order_relaxed);
    }

    uint32_t forget_oldest() {
        constexpr uint32_t kHalf = kCapacity / 2;
        for (uint32_t i = 0; i < kHalf; i++) copy(entries[i], entries[i + kHalf]);
        forgotten.store(forgotten.load(std::memory_order_relaxed) + kHalf, std::memory_order_relaxed);
        return kHalf;
    }

    static void copy(HeldLock& to, const HeldLock& from) {
        to.lock.store(from.lock.load(std::memory_order_relaxed), std::memory_order_relaxed);
        to.site.store(from.site.load(std::memory_order_relaxed), std::memory_order_relaxed);
        to.acquired_ns.store(from.acquired_ns.load(std::memory_order_relaxed), std::memory_order_relaxed);
        to.waiter_since_ns.store(from.waiter_since_ns.load(std::memory_order_relaxed),
                                 std::memory_order_relaxed);
    }
};

}  // namespace latchkey
