// SPDX-License-Identifier: Apache-2.0
//
// Queues of waiters, found by the address of the object they wait on: an object without waiters costs nothing
// here. The table is the runtime's sleep list; its buckets are locked one at a time, never two.
//
// Invariants
//   INV-TABLE-1  queues, `object`, `since`, `urgency`, `waits_for` and the links of a queued node change
//                only under the lock of the bucket of its object.
//   INV-TABLE-2  a node in a queue of object O means that a thread is inside a call on O: O's memory is
//                alive. So O may be touched by whoever holds the bucket and sees the node, even after O was
//                released.
//   INV-TABLE-3  no system call but the bucket's own futex is made under a bucket's lock; wake-ups follow
//                it.
#pragma once

#include <atomic>
#include <cstdint>

#include "runtime/handoff.h"
#include "runtime/rank.h"
#include "runtime/slot.h"

namespace latchkey {

// Three-state futex lock (free, held, held and waited for; Drepper, "Futexes are tricky", mutex2).
template <class System>
class InternalLock {
  public:
    void lock() {
        uint32_t state = 0;
        if (word_.compare_exchange_strong(state, 1, std::memory_order_acquire)) return;
        for (uint32_t spins = 0; spins < kSpins; spins++) {
            System::relax();
            state = 0;
            if (word_.compare_exchange_strong(state, 1, std::memory_order_acquire)) return;
        }
        while (word_.exchange(2, std::memory_order_acquire) != 0) System::park(word_, 2, nullptr);
    }
    void unlock() {
        if (word_.exchange(0, std::memory_order_release) == 2) System::unpark(word_);
    }
    bool is_free() const { return word_.load(std::memory_order_relaxed) == 0; }
    void reset() { word_.store(0, std::memory_order_relaxed); }

  private:
    static constexpr uint32_t kSpins = 100;
    typename System::template Atomic<uint32_t> word_{0};
};

template <class System>
class SideTable {
  public:
    using NodeOf = Node<System>;
    static constexpr uint32_t kBuckets = System::kBuckets;

    class alignas(64) Bucket {
      public:
        // The first of those that wait on `object`, or null.
        NodeOf* head(const void* object) const {
            NodeOf* const* link = find(object);
            return link != nullptr ? *link : nullptr;
        }

        // Enters a node whose since, urgency and waits_for are set. by_urgency: before less urgent ones,
        // except those that began to wait before `overtakable_since`; else last. Returns how many stand
        // before it.
        uint32_t push(const void* object, NodeOf& node, bool by_urgency, Stamp now, Stamp overtaking) {
            node.object.store(reinterpret_cast<uintptr_t>(object), std::memory_order_relaxed);
            NodeOf* head = this->head(object);
            if (head == nullptr) {
                make_queue(node);
                return 0;
            }
            const uint32_t length = head->length++;
            NodeOf* after = head->prev;  // the node behind which it goes; null: it becomes the head
            uint32_t passed = 0;
            while (by_urgency && after != nullptr && after->urgency < node.urgency &&
                   !is_older(now, after->since, overtaking)) {
                after = after == head ? nullptr : after->prev;
                passed++;
            }
            insert(head, after, node);
            return length - passed;
        }

        // Enters again a node that was first and has been woken for nothing: before all others, by_urgency
        // except more urgent ones, unless it began to wait before `overtaking`.
        void push_front(const void* object, NodeOf& node, bool by_urgency, Stamp now, Stamp overtaking) {
            node.object.store(reinterpret_cast<uintptr_t>(object), std::memory_order_relaxed);
            NodeOf* head = this->head(object);
            if (head == nullptr) return make_queue(node);
            NodeOf* after = nullptr;
            if (by_urgency && !is_older(now, node.since, overtaking))
                for (NodeOf* next = head; next->urgency > node.urgency && after != head->prev;
                     next = next->next)
                    after = next;
            head->length++;
            insert(head, after, node);
        }

        // Takes a node out of its queue. Its `object` stays: the thread clears it when its call ends.
        void remove(NodeOf& node) {
            const auto* object = reinterpret_cast<const void*>(node.object.load(std::memory_order_relaxed));
            NodeOf** link = find(object);
            if (link == nullptr) return;  // in a fork child whose signal handler interrupted this very wait
            NodeOf* head = *link;
            if (head->next == head) {
                *link = head->next_queue;
                return;
            }
            node.prev->next = node.next;
            node.next->prev = node.prev;
            if (head == &node) {
                node.next->length = node.length;
                node.next->next_queue = node.next_queue;
                *link = node.next;
            }
            (*link)->length--;
        }

        // Takes out the whole queue of `object`; returns its head, the rest by `next` until null.
        NodeOf* detach(const void* object) {
            NodeOf** link = find(object);
            if (link == nullptr) return nullptr;
            NodeOf* head = *link;
            *link = head->next_queue;
            head->prev->next = nullptr;
            return head;
        }

        // INV-TABLE-1 as far as links and lengths show it.
        bool is_consistent() const {
            for (const NodeOf* head = queues_; head != nullptr; head = head->next_queue) {
                uint32_t count = 0;
                const NodeOf* node = head;
                do {
                    if (node->next->prev != node || ++count > head->length) return false;
                    node = node->next;
                } while (node != head);
                if (count != head->length) return false;
            }
            return true;
        }

        // The head of a queue of this bucket, or null; the others by next_queue.
        NodeOf* first_queue() const { return queues_; }

        InternalLock<System> lock;

        // In a fork child. Writes only where something is: the pages stay shared with the parent.
        void reset() {
            if (!lock.is_free()) lock.reset();
            if (queues_ != nullptr) queues_ = nullptr;
        }

      private:
        NodeOf** find(const void* object) {
            const auto key = reinterpret_cast<uintptr_t>(object);
            for (NodeOf** link = &queues_; *link != nullptr; link = &(*link)->next_queue)
                if ((*link)->object.load(std::memory_order_relaxed) == key) return link;
            return nullptr;
        }
        NodeOf* const* find(const void* object) const { return const_cast<Bucket*>(this)->find(object); }

        void make_queue(NodeOf& node) {
            node.next = &node;
            node.prev = &node;
            node.length = 1;
            node.next_queue = queues_;
            queues_ = &node;
        }

        // Behind `after`; before the head if null.
        void insert(NodeOf* head, NodeOf* after, NodeOf& node) {
            NodeOf* left = after != nullptr ? after : head->prev;
            node.prev = left;
            node.next = left->next;
            left->next->prev = &node;
            left->next = &node;
            if (after != nullptr) return;
            NodeOf** link = find(reinterpret_cast<const void*>(head->object.load(std::memory_order_relaxed)));
            node.length = head->length;
            node.next_queue = head->next_queue;
            *link = &node;
        }

        NodeOf* queues_ = nullptr;
    };

    Bucket& bucket_of(const void* object) {
        const uint64_t key = static_cast<uint64_t>(reinterpret_cast<uintptr_t>(object)) >> 3;
        return buckets_[(key * 0x9e3779b97f4a7c15ull >> 40) % kBuckets];
    }
    Bucket& bucket(uint32_t i) { return buckets_[i]; }

    // In a fork child: nobody waits.
    void reset_in_child() {
        for (Bucket& bucket : buckets_) bucket.reset();
    }

  private:
    Bucket buckets_[kBuckets];
};

// Done when a bucket section ends in which a signal handler left wake-ups to be made: lock_family.h.
template <class System>
void pay_owed_wakes(Slot<System>& self);

// A bucket section. Not to be entered while self.buckets_held is not 0 (a signal handler interrupted one).
template <class System>
class BucketGuard {
  public:
    using Bucket = typename SideTable<System>::Bucket;

    BucketGuard(Slot<System>& self, const void* object)
        : self_(self), bucket_(System::table().bucket_of(object)) {
        self.buckets_held++;
        std::atomic_signal_fence(std::memory_order_seq_cst);
        note_taking(self, Rank::kSleepList);
        bucket_.lock.lock();
    }
    ~BucketGuard() {
        check_queues(bucket_);
        bucket_.lock.unlock();
        note_releasing(self_, Rank::kSleepList);
        std::atomic_signal_fence(std::memory_order_seq_cst);
        if (--self_.buckets_held == 0 && self_.owes_wakes) [[unlikely]]
            pay_owed_wakes(self_);
    }
    BucketGuard(const BucketGuard&) = delete;
    BucketGuard& operator=(const BucketGuard&) = delete;

    Bucket* operator->() const { return &bucket_; }

  private:
    Slot<System>& self_;
    Bucket& bucket_;
};

}  // namespace latchkey
