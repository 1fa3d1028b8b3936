// SPDX-License-Identifier: Apache-2.0
//
// A read-write lock laid over a private pthread_rwlock_t. Its kinds are glibc's: readers are preferred (the
// default, and PTHREAD_RWLOCK_PREFER_WRITER_NP, which glibc treats alike: a thread may read-lock again what
// it has read-locked) or writers are (PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP: a waiting writer holds up
// new readers).
//
// The word: number of readers, and flags. Readers that wait are admitted together; a writer is woken to
// compete, or handed the lock when it is too old or the policy says so. After a writer's release waiting
// readers go first, as in glibc, unless writers are preferred.
//
// Invariants
//   INV-RW-1  kWaiters, kWriterWaits and writers_waiting_ change under the bucket's lock only, with the
//             queue.
//   INV-RW-2  kWaking stands for one writer that was taken out of the queue and has not arrived; it ends
//             with a compare-and-swap of that writer, which takes the lock or sees it held.
//   INV-RW-3  free with kWaiters implies kWaking. A release that leaves the lock free decides under the
//             bucket's lock who is next before it releases.
//   INV-RW-4  after the releasing store the lock is touched only while a node that was not let go yet names
//             it.
#pragma once

#include <cerrno>
#include <cstdint>

#include "runtime/passage.h"
#include "runtime/wait_node.h"

namespace latchkey {

template <class System>
class RwLock {
  public:
    template <class T>
    using Atomic = typename System::template Atomic<T>;
    using SlotOf = Slot<System>;
    using NodeOf = Node<System>;
    using Deadline = typename System::Deadline;

    static constexpr uint32_t kReaders = (1u << 28) - 1;
    static constexpr uint32_t kWriterWaits = 1u << 28;
    static constexpr uint32_t kWaking = 1u << 29;
    static constexpr uint32_t kWriter = 1u << 30;
    static constexpr uint32_t kWaiters = 1u << 31;
    static constexpr uint32_t kHeld = kReaders | kWriter;

    RwLock() = default;
    explicit RwLock(bool prefers_writers) : flags_(prefers_writers ? kPreferWriters : 0) {}

    // ---- 0, EBUSY, EAGAIN (too many readers)

    int try_read() {
        uint32_t word = word_.load(std::memory_order_relaxed);
        do {
            if (!may_read(word)) return EBUSY;
            if ((word & kReaders) == kReaders) return EAGAIN;
        } while (!word_.compare_exchange_weak(word, word + 1, std::memory_order_acquire,
                                              std::memory_order_relaxed));
        return 0;
    }

    int try_write(SlotOf& self) {
        uint32_t word = word_.load(std::memory_order_relaxed);
        do {
            if ((word & kHeld) != 0) return EBUSY;
        } while (!word_.compare_exchange_weak(word, word | kWriter, std::memory_order_acquire,
                                              std::memory_order_relaxed));
        note_writer(self);
        return 0;
    }

    // ---- 0, EDEADLK (the caller is its writer), ETIMEDOUT, EAGAIN. Not cancellation points. No bucket may
    // be locked.

    int read(SlotOf& self, const Deadline* deadline, Passage& passage) {
        if (const int result = try_read(); result != EBUSY) return result;
        return wait(self, WaitsFor::kReading, deadline, passage);
    }

    int write(SlotOf& self, const Deadline* deadline, Passage& passage) {
        if (try_write(self) == 0) return 0;
        return wait(self, WaitsFor::kWriting, deadline, passage);
    }

    // Gives back a read or a write lock, whichever it is held by.
    void unlock(SlotOf& self) {
        uint32_t word = word_.load(std::memory_order_relaxed);
        if ((word & kHeld) == 0) return;
        const uint32_t unit = (word & kWriter) != 0 ? kWriter : 1;
        if (unit == kWriter) writer_tid_.store(0, std::memory_order_relaxed);
        const bool may_enter = self.buckets_held == 0;
        for (;;) {
            const bool decides = ((word - unit) & kHeld) == 0 && (word & (kWaiters | kWaking)) == kWaiters;
            if (decides && may_enter) return unlock_to_next(self, unit);
            // A signal handler that may not enter leaves the lock free with kWaiters, and the wake-up owed.
            if (decides) self.owes_wakes = true;
            if (word_.compare_exchange_weak(word, word - unit, std::memory_order_release,
                                            std::memory_order_relaxed))
                return;
        }
    }

    bool is_writer(const SlotOf& self) const {
        return writer_tid_.load(std::memory_order_relaxed) == self.tid.load(std::memory_order_relaxed);
    }
    uint32_t raw_word() const { return word_.load(std::memory_order_relaxed); }
    uint32_t writer_tid() const { return writer_tid_.load(std::memory_order_relaxed); }

    // Admits whoever is next on the lock at `lock`, if it is free. For wake-ups that are owed.
    static void wake(SlotOf& self, void* lock) {
        Admitted admitted;
        {
            const Guard bucket(self, lock);
            NodeOf* head = bucket->head(lock);
            if (head == nullptr ||
                (head->waits_for != WaitsFor::kReading && head->waits_for != WaitsFor::kWriting))
                return;
            admitted = static_cast<RwLock*>(lock)->release_to_next(self, bucket, 0);
        }
        let_go(admitted);
    }

    // In a fork child: the threads that waited are gone.
    void forget_waiters() {
        word_.fetch_and(kHeld, std::memory_order_relaxed);
        writers_waiting_ = 0;
    }

  private:
    using Guard = BucketGuard<System>;

    static constexpr uint32_t kPreferWriters = 2;  // PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP

    static const Tuning& tuning() { return System::tuning(); }
    uintptr_t address() const { return reinterpret_cast<uintptr_t>(this); }
    bool prefers_writers() const { return flags_ == kPreferWriters; }

    // A writer that was woken is still one that waits: it holds up new readers until it has arrived.
    bool may_read(uint32_t word) const {
        return (word & kWriter) == 0 && ((word & (kWriterWaits | kWaking)) == 0 || !prefers_writers());
    }

    void note_writer(const SlotOf& self) {
        writer_tid_.store(self.tid.load(std::memory_order_relaxed), std::memory_order_relaxed);
    }

    int wait(SlotOf& self, WaitsFor what, const Deadline* deadline, Passage& passage) {
        if (is_writer(self)) return EDEADLK;
        NodeLease<System> node(self);
        if (!node) [[unlikely]]
            return lock_by_polling(self, what, deadline);
        node->waits_for = what;
        uint32_t mine = 0;
        for (bool is_new = true;; is_new = false) {
            const int result = enqueue(self, *node, mine, is_new, passage);
            if (result != EBUSY) return result;
            if (!sleep_on(self, *node, deadline)) {
                if (withdraw(self, *node)) return ETIMEDOUT;
                sleep_on(self, *node, static_cast<const Deadline*>(nullptr));
            }
            if ((node->state.load(std::memory_order_acquire) & kNodeState) == kGranted) {
                if (what == WaitsFor::kWriting) note_writer(self);
                passage.way = Way::kHanded;
                return 0;
            }
            passage.way = Way::kWoken;
            mine = kWaking;
        }
    }

    // Nodes that were taken out as kMoving, linked by next, and the state that they are to get.
    struct Admitted {
        NodeOf* nodes = nullptr;
        uint32_t state = kGranted;
    };

    // Takes the lock (0) or queues (EBUSY).
    int enqueue(SlotOf& self, NodeOf& node, uint32_t mine, bool is_new, Passage& passage) {
        Admitted admitted;
        {
            const Guard bucket(self, this);
            const bool writes = node.waits_for == WaitsFor::kWriting;
            node.state.store(kQueued, std::memory_order_relaxed);
            node.object.store(address(), std::memory_order_relaxed);
            uint32_t word = word_.load(std::memory_order_relaxed);
            bool is_free;
            uint32_t next;
            do {
                is_free = writes ? (word & kHeld) == 0 : may_read(word);
                if (is_free && !writes && (word & kReaders) == kReaders) return EAGAIN;
                const uint32_t taken = writes ? word | kWriter : word + 1;
                next = (is_free ? taken : word | kWaiters | (writes ? kWriterWaits : 0)) & ~mine;
            } while (!word_.compare_exchange_weak(word, next, std::memory_order_acquire,
                                                  std::memory_order_relaxed));
            if (is_free) {
                if (writes) note_writer(self);
                return 0;
            }
            if (writes) writers_waiting_++;
            if (is_new) {
                passage.queue = bucket->push(this, node, tuning().handoff != Handoff::kFifo, System::now(),
                                             tuning().overtaking);
            } else {
                bucket->push_front(this, node, tuning().handoff != Handoff::kFifo, System::now(),
                                   tuning().overtaking);
                // While it was on its way another writer had the lock, and readers queued.
                admitted = admit_readers(bucket);
            }
        }
        let_go(admitted);
        return EBUSY;
    }

    // The deadline has passed. True: left the queue.
    bool withdraw(SlotOf& self, NodeOf& node) {
        Admitted admitted;
        {
            const Guard bucket(self, this);
            if ((node.state.load(std::memory_order_relaxed) & kNodeState) != kQueued) return false;
            take_out(bucket, node);
            node.state.store(kIdle, std::memory_order_relaxed);
            if (node.waits_for == WaitsFor::kWriting) admitted = admit_readers(bucket);
        }
        let_go(admitted);
        return true;
    }

    // A writer has given up, or has come too late: the readers that only it held up.
    Admitted admit_readers(const Guard& bucket) {
        const uint32_t count = waiting_readers(bucket);
        uint32_t word = word_.load(std::memory_order_relaxed);
        do {
            if (count == 0 || !may_read(word)) return {};
        } while (!word_.compare_exchange_weak(word, word + count, std::memory_order_acq_rel,
                                              std::memory_order_relaxed));
        return {take_readers(bucket), kGranted};
    }

    uint32_t waiting_readers(const Guard& bucket) const {
        const NodeOf* head = bucket->head(this);
        return head != nullptr ? head->length - writers_waiting_ : 0;
    }

    // Removes a node from the queue; the flags follow.
    void take_out(const Guard& bucket, NodeOf& node) {
        bucket->remove(node);
        if (node.waits_for == WaitsFor::kWriting) writers_waiting_--;
        uint32_t gone = 0;
        if (bucket->head(this) == nullptr) gone |= kWaiters;
        if (writers_waiting_ == 0) gone |= kWriterWaits;
        if (gone != 0) word_.fetch_and(~gone, std::memory_order_relaxed);
    }

    NodeOf* take_readers(const Guard& bucket) {
        NodeOf* readers = nullptr;
        NodeOf* node = bucket->head(this);
        for (uint32_t left = node->length; left != 0; left--) {
            NodeOf* next = node->next;
            if (node->waits_for == WaitsFor::kReading) {
                take_out(bucket, *node);
                node->change_state(kMoving);
                node->next = readers;
                readers = node;
            }
            node = next;
        }
        return readers;
    }

    static NodeOf* first_writer(const Guard& bucket, const void* lock) {
        NodeOf* node = bucket->head(lock);
        while (node->waits_for != WaitsFor::kWriting) node = node->next;
        return node;
    }

    void unlock_to_next(SlotOf& self, uint32_t unit) {
        Admitted admitted;
        {
            const Guard bucket(self, this);
            admitted = release_to_next(self, bucket, unit);
        }
        let_go(admitted);
    }

    // Gives back `unit` (0: nothing) and, if that leaves the lock free and nobody is on the way, admits
    // whoever is next. The last access to the lock comes before any node is let go.
    Admitted release_to_next(SlotOf& self, const Guard& bucket, uint32_t unit) {
        const NodeOf* head = bucket->head(this);
        const uint32_t readers = waiting_readers(bucket);
        const bool readers_first = prefers_writers() ? writers_waiting_ == 0 : readers != 0;
        NodeOf* writer = head == nullptr || readers_first ? nullptr : first_writer(bucket, this);
        const bool is_handed =
            writer != nullptr && hands_over(tuning(), System::now(), writer->since, writer->urgency,
                                            self.urgency.load(std::memory_order_relaxed), head->length);
        uint32_t word = word_.load(std::memory_order_relaxed);
        for (;;) {
            uint32_t next = word - unit;
            // No head: a fork child's memory of waiters.
            if (head == nullptr) next &= ~(kWaiters | kWriterWaits);
            const bool decides = head != nullptr && (next & (kHeld | kWaking)) == 0;
            if (decides) next += readers_first ? readers : is_handed ? kWriter : kWaking;
            if (!word_.compare_exchange_weak(word, next, std::memory_order_acq_rel,
                                             std::memory_order_relaxed))
                continue;
            if (!decides) return {};
            if (readers_first) return {take_readers(bucket), kGranted};
            take_out(bucket, *writer);
            writer->change_state(kMoving);
            writer->next = nullptr;
            return {writer, is_handed ? kGranted : kWoken};
        }
    }

    static void let_go(const Admitted& admitted) {
        for (NodeOf* node = admitted.nodes; node != nullptr;) {
            NodeOf* next = node->next;
            if (node->finish(admitted.state)) System::unpark(node->state);
            node = next;
        }
    }

    // Without a node: a signal handler has interrupted the runtime. Tries again and again.
    int lock_by_polling(SlotOf& self, WaitsFor what, const Deadline* deadline) {
        for (;;) {
            const int result = what == WaitsFor::kReading ? try_read() : try_write(self);
            if (result != EBUSY) return result;
            if (deadline != nullptr && System::is_past(*deadline)) return ETIMEDOUT;
            System::yield();
        }
    }

    Atomic<uint32_t> word_{0};
    uint32_t taken_over_ = 0;       // the caller's: see preload/family.cpp
    uint32_t writers_waiting_ = 0;  // under the bucket's lock
    uint32_t unused_[3] = {};
    Atomic<uint32_t> writer_tid_{0};  // where glibc has it too
    uint32_t glibc_shared_ = 0;
    uint32_t unused2_[4] = {};
    uint32_t flags_ = 0;  // the kind
    uint32_t unused3_ = 0;
};

}  // namespace latchkey
