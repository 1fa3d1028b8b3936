// SPDX-License-Identifier: Apache-2.0
//
// The locks a thread holds, with the call sites that acquired them. Written by its own thread only; other
// threads read entries to learn where an owner had acquired a lock, and leave a note in one ("somebody waits
// since ..."), which the owner reads when it releases. Pure: no clock, no system call.
//
// The lock acquired last has a place of its own, `top`: most locks are acquired and released before any
// other, and a fixed place, written by one store, costs least (a store to an address that must be computed
// from a loaded count delays the next locked instruction by some ns). The others follow, outermost first.
//
// Invariants
//   INV-HELD-1  only the owner changes count, lock, site and acquired_ns.
//   INV-HELD-2  another thread writes waiter_since_ns only, and only from 0; push clears it. A note that
//               arrives while the entry is being used again is lost or falls to the next lock: a report
//               detail, never a safety matter.
//   INV-HELD-3  when more locks are held than there are entries the oldest half is forgotten (and counted),
//               so locks that are released by other threads cannot fill the table for good.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace latchkey {

struct HeldLock {
    std::atomic<uint64_t> lock;  // (o) address; 0: nothing here
    std::atomic<uint64_t> site;  // (o) return address of the acquiring call, kTimed if acquired_ns holds
    std::atomic<uint64_t> acquired_ns;      // (o) monotonic; not written when acquired without waiting
    std::atomic<uint64_t> waiter_since_ns;  // (a) when the first known waiter began to wait; 0: none
};

struct HeldLocks {
    static constexpr uint32_t kCapacity = 32;
    // In `site`: acquired_ns holds. No user address has this bit; so the fast path need not clear
    // acquired_ns.
    static constexpr uint64_t kTimed = 1ull << 63;

    std::atomic<uint32_t> count;  // in entries: all but `top`
    std::atomic<uint32_t> forgotten;
    alignas(16) HeldLock top;  // the innermost; empty when that was released and no other acquired since
    HeldLock entries[kCapacity];

    // Owner only. Acquired without waiting; no clock.
    void push(const void* lock, uint64_t site) {
        if (!has_place()) [[unlikely]]
            make_room();
        place(lock, site);
    }

    // The same in two steps: where has_place() holds, place() is one store and no call.
    bool has_place() const {
        return (top.lock.load(std::memory_order_relaxed) |
                top.waiter_since_ns.load(std::memory_order_relaxed)) == 0;
    }
    void place(const void* lock, uint64_t site) { store_pair(top, reinterpret_cast<uint64_t>(lock), site); }

    // Owner only. Acquired after a wait that ended at acquired_ns.
    void push_timed(const void* lock, uint64_t site, uint64_t acquired_ns) {
        push(lock, site | kTimed);
        top.acquired_ns.store(acquired_ns, std::memory_order_relaxed);
    }

    // Owner only: is `lock` the one acquired last, and in its place?
    bool is_top(const void* lock) const {
        return top.lock.load(std::memory_order_relaxed) == reinterpret_cast<uint64_t>(lock);
    }

    // Owner only; is_top must hold.
    void pop() { top.lock.store(0, std::memory_order_relaxed); }

    // Owner only.
    uint32_t size() const {
        return count.load(std::memory_order_relaxed) + (top.lock.load(std::memory_order_relaxed) != 0);
    }
    bool is_empty() const { return size() == 0; }

    // Owner only: the i-th lock, innermost first; i < size().
    const HeldLock& at(uint32_t i) const {
        if (top.lock.load(std::memory_order_relaxed) != 0) {
            if (i == 0) return top;
            i--;
        }
        return entries[count.load(std::memory_order_relaxed) - 1 - i];
    }

    // What an entry said when it was removed.
    struct Removed {
        bool found;
        uint64_t site;
        uint64_t acquired_ns;  // 0: not known
        uint64_t waiter_since_ns;
    };

    // Owner only: removes the innermost entry of `lock`, wherever it stands.
    Removed remove(const void* lock) {
        if (is_top(lock)) {
            const Removed removed = read(top);
            pop();
            return removed;
        }
        const uint32_t n = count.load(std::memory_order_relaxed);
        for (uint32_t i = n; i-- > 0;) {
            if (entries[i].lock.load(std::memory_order_relaxed) != reinterpret_cast<uint64_t>(lock)) continue;
            const Removed removed = read(entries[i]);
            close_gap(i, n);
            return removed;
        }
        return {false, 0, 0, 0};
    }

    // Any thread: where the owner acquired `lock` (0: not found, or released meanwhile); leaves the note
    // `waiter_since_ns`.
    uint64_t announce_waiter(const void* lock, uint64_t waiter_since_ns) {
        if (const uint64_t site = announce_in(top, lock, waiter_since_ns); site != 0) return site;
        uint32_t n = count.load(std::memory_order_relaxed);
        if (n > kCapacity) n = kCapacity;
        for (uint32_t i = n; i-- > 0;)
            if (const uint64_t site = announce_in(entries[i], lock, waiter_since_ns); site != 0) return site;
        return 0;
    }

    // Owner only: how many entries were forgotten since the last call.
    uint32_t take_forgotten() {
        const uint32_t n = forgotten.load(std::memory_order_relaxed);
        if (n != 0) forgotten.store(0, std::memory_order_relaxed);
        return n;
    }

  private:
#if defined(__x86_64__)
    typedef uint64_t Pair __attribute__((vector_size(16), may_alias));
    static_assert(offsetof(HeldLock, site) == 8);
#endif

    // Both words by one store, where the machine has one of 16 bytes; each half is written as a whole.
    static void store_pair(HeldLock& entry, uint64_t lock, uint64_t site) {
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
        *reinterpret_cast<volatile Pair*>(&entry) = Pair{lock, site};
#else
        entry.site.store(site, std::memory_order_relaxed);
        entry.lock.store(lock, std::memory_order_relaxed);
#endif
    }

    // The site of an entry, 0 if it is not that of `lock`. Read as it was stored, so that another lock's site
    // is not taken for it while `top` is used again; elsewhere it may be.
    static uint64_t site_of(const HeldLock& entry, const void* lock) {
#if defined(__x86_64__) && !defined(__SANITIZE_THREAD__)
        const Pair pair = *reinterpret_cast<const volatile Pair*>(&entry);
        return pair[0] == reinterpret_cast<uint64_t>(lock) ? pair[1] & ~kTimed : 0;
#else
        if (entry.lock.load(std::memory_order_relaxed) != reinterpret_cast<uint64_t>(lock)) return 0;
        return entry.site.load(std::memory_order_relaxed) & ~kTimed;
#endif
    }

    static Removed read(const HeldLock& entry) {
        const uint64_t site = entry.site.load(std::memory_order_relaxed);
        const bool is_timed = (site & kTimed) != 0;
        return {true, site & ~kTimed, is_timed ? entry.acquired_ns.load(std::memory_order_relaxed) : 0,
                entry.waiter_since_ns.load(std::memory_order_relaxed)};
    }

    static uint64_t announce_in(HeldLock& entry, const void* lock, uint64_t waiter_since_ns) {
        if (entry.lock.load(std::memory_order_relaxed) != reinterpret_cast<uint64_t>(lock)) return 0;
        uint64_t none = 0;
        entry.waiter_since_ns.compare_exchange_strong(none, waiter_since_ns, std::memory_order_relaxed);
        return site_of(entry, lock);
    }

    // Moves the innermost lock, if there is one, to the entries; drops an old note.
    [[gnu::noinline]] void make_room() {
        if (top.lock.load(std::memory_order_relaxed) != 0) {
            uint32_t n = count.load(std::memory_order_relaxed);
            if (n == kCapacity) n = forget_oldest();
            copy(entries[n], top);
            count.store(n + 1, std::memory_order_relaxed);
        }
        top.waiter_since_ns.store(0, std::memory_order_relaxed);
    }

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
