// SPDX-License-Identifier: Apache-2.0
//
// Thread slots: what the runtime keeps of each thread. A lock word names its owner by slot id, not by kernel
// thread id: the id leads to the slot at once, and it survives fork. Slots are never unmapped and only ever
// hold slots ("type-stable"): whoever wakes or looks at a thread that has just gone touches a slot, never
// freed memory.
//
//   id = generation << 16 | index     28 bits; the generation grows when a slot gets its next thread
//
// Guards: (o) its own thread, (a) atomic, (b) the side table's bucket of the object waited on, (c) constant
// while the slot has its thread.
#pragma once

#include <atomic>
#include <cstdint>

#include "runtime/passage.h"
#include "runtime/stamp.h"

namespace latchkey {

using SlotId = uint32_t;

constexpr uint32_t kIndexBits = 16;
constexpr uint32_t kGenerations = 1u << 12;
constexpr SlotId kIdMask = (kGenerations << kIndexBits) - 1;
constexpr uint32_t kFirstIndex = 3;  // ids 1 and 2 are glibc's own values of a lock word

// States of a node. kQueued to kMoved wait; the others are final: the waiter goes on, the node is its own
// again.
enum NodeState : uint32_t {
    kIdle,
    kQueued,     // in the queue of its object
    kMoving,     // taken out by somebody who will give it a new state at once
    kMoved,      // condvar waiter in its mutex's queue
    kSignalled,  // go and take the mutex
    kWoken,      // compete for the lock; its kWaking bit stands for this thread
    kGranted,    // the lock is yours
    kNodeState = 0xff,
    kAsleep = 0x100,  // flag: must be woken by futex
};

constexpr bool is_waiting(uint32_t state) {
    return (state & kNodeState) >= kQueued && (state & kNodeState) <= kMoved;
}

enum class WaitsFor : uint8_t { kMutex, kCondvar, kReading, kWriting };

template <class System>
struct Slot;

// One wait. Lives in its thread's slot.
template <class System>
struct Node {
    typename System::template Atomic<uint32_t> state;    // (a) the futex word
    typename System::template Atomic<uintptr_t> object;  // (a) what it waits on; 0: nothing. See fork_reset
    void* mutex;         // (c) condvar waiter: the mutex it may be moved to, or null
    Slot<System>* slot;  // (c)
    Stamp since;         // (b) beginning of the wait
    uint32_t urgency;    // (b)
    WaitsFor waits_for;  // (b)
    bool was_requeued;   // (b)
    uint32_t length;     // (b) head of a queue: nodes in it
    Node* next;          // (b) circular: the head's prev is the tail
    Node* prev;          // (b)
    Node* next_queue;    // (b) head of a queue: next queue of the bucket

    // Any waiting state to another one; keeps kAsleep. Only whoever took the node out of its queue may do it.
    void change_state(uint32_t to) {
        uint32_t old = state.load(std::memory_order_relaxed);
        while (!state.compare_exchange_weak(old, to | (old & kAsleep), std::memory_order_acq_rel)) {
        }
    }

    // To a final state. True: its thread sleeps; call System::unpark(state) after all locks are released.
    [[nodiscard]] bool finish(uint32_t to) {
        return (state.exchange(to, std::memory_order_acq_rel) & kAsleep) != 0;
    }
};

enum class SlotLife : uint32_t {
    kFree,
    kAlive,
    kEnding,  // free as soon as the kernel thread is gone: its last destructors may still lock
};

constexpr uint32_t kNodes = 2;  // a thread's wait, and one of a signal handler that interrupted it

template <class System>
struct alignas(64) Slot {
    template <class T>
    using Atomic = typename System::template Atomic<T>;

    Atomic<SlotId> id;            // (a)
    Atomic<uint32_t> life;        // (a) SlotLife
    Atomic<uint32_t> tid;         // (a) kernel thread id; changes in a fork child
    Atomic<uint32_t> urgency;     // (a) larger is more urgent, see urgency.h
    Atomic<uint32_t> is_parked;   // (a) asleep in the runtime, from before the system call to after it
    Atomic<uint32_t> looking;     // (a) threads that read *cpu now
    Atomic<const uint32_t*> cpu;  // (a) where the kernel says on which cpu it is (rseq); null: unknown
    Atomic<uintptr_t> active_on;  // (a) mutex for whose kSpin bit this thread stands; 0: none
    uint32_t nodes_used;          // (o) also by its signal handlers, which leave it as they found it
    uint32_t buckets_held;   // (o) > 0: in a bucket section, where a signal handler must not enter another
    uint32_t ranks_held;     // (o) debug: bit per rank, see rank.h
    uint32_t spins_to_skip;  // (o) see Spinning
    bool owes_wakes;         // (o) a signal handler could not wake; done when the bucket section ends
    Node<System> nodes[kNodes];
};

// The slots of a process. Not copied, not moved.
template <class System>
class SlotTable {
  public:
    using SlotOf = Slot<System>;

    // slots: zeroed memory for `capacity` slots, never given back.
    void set_memory(SlotOf* slots, uint32_t capacity) {
        slots_ = slots;
        capacity_ = capacity < 1u << kIndexBits ? capacity : 1u << kIndexBits;
    }

    // A slot for the calling thread, or null when all are taken. Any thread; no lock may be held.
    SlotOf* claim(uint32_t tid) {
        while (is_claiming_.exchange(true, std::memory_order_acquire)) System::yield();
        SlotOf* slot = find_ended(tid);
        if (slot == nullptr && used_.load(std::memory_order_relaxed) < capacity_) {
            const uint32_t index = used_.load(std::memory_order_relaxed);
            slot = &slots_[index];
            slot->id.store(index, std::memory_order_relaxed);
            used_.store(index + 1, std::memory_order_release);
        } else if (slot != nullptr) {
            slot->id.store((slot->id.load(std::memory_order_relaxed) + (1u << kIndexBits)) & kIdMask,
                           std::memory_order_relaxed);
        }
        if (slot != nullptr) {
            slot->tid.store(tid, std::memory_order_relaxed);
            slot->life.store(static_cast<uint32_t>(SlotLife::kAlive), std::memory_order_release);
            for (Node<System>& node : slot->nodes) node.slot = slot;
        }
        is_claiming_.store(false, std::memory_order_release);
        return slot;
    }

    // The thread is about to end. It may lock and wait until the kernel has ended it.
    static void release(SlotOf& slot) {
        stop_looking(slot);
        slot.life.store(static_cast<uint32_t>(SlotLife::kEnding), std::memory_order_release);
    }

    // The thread of an id, or null if it is gone. The slot may get another thread at any time: its fields may
    // be read as hints only.
    SlotOf* find(SlotId id) const {
        const uint32_t index = id & ((1u << kIndexBits) - 1);
        if (index < kFirstIndex || index >= used_.load(std::memory_order_acquire)) return nullptr;
        return slots_[index].id.load(std::memory_order_relaxed) == id ? &slots_[index] : nullptr;
    }

    uint32_t used() const { return used_.load(std::memory_order_acquire); }
    SlotOf& at(uint32_t index) { return slots_[index]; }

    // In a fork child: all threads but `survivor` (may be null) are gone.
    void reset_in_child(SlotOf* survivor, uint32_t tid) {
        is_claiming_.store(false, std::memory_order_relaxed);
        for (uint32_t i = kFirstIndex; i < used(); i++) {
            SlotOf& slot = slots_[i];
            if (&slot == survivor) {
                slot.tid.store(tid, std::memory_order_relaxed);
                continue;
            }
            slot.cpu.store(nullptr, std::memory_order_relaxed);
            slot.looking.store(0, std::memory_order_relaxed);
            slot.active_on.store(0, std::memory_order_relaxed);
            slot.is_parked.store(0, std::memory_order_relaxed);
            slot.nodes_used = 0;
            slot.buckets_held = 0;
            slot.ranks_held = 0;
            slot.owes_wakes = false;
            for (Node<System>& node : slot.nodes) node.object.store(0, std::memory_order_relaxed);
            if (slot.life.load(std::memory_order_relaxed) == static_cast<uint32_t>(SlotLife::kAlive)) {
                slot.tid.store(0, std::memory_order_relaxed);
                slot.life.store(static_cast<uint32_t>(SlotLife::kEnding), std::memory_order_relaxed);
            }
        }
    }

  private:
    static constexpr uint32_t kMostProbes = 16;

    // No other thread reads *slot.cpu any more when this returns: the memory may go.
    static void stop_looking(SlotOf& slot) {
        slot.cpu.store(nullptr, std::memory_order_seq_cst);  // pairs with the fetch_add in System::may_run
        while (slot.looking.load(std::memory_order_seq_cst) != 0) System::yield();
    }

    // A bounded search, so that creating a thread stays cheap; what it misses it finds the next time.
    // tid: the caller's; another thread that had it is gone.
    SlotOf* find_ended(uint32_t tid) {
        const uint32_t used = used_.load(std::memory_order_relaxed);
        const bool is_full = used >= capacity_;
        for (uint32_t probe = 0; probe < (is_full ? used : kMostProbes) && probe < used; probe++) {
            cursor_ = cursor_ + 1 < used ? cursor_ + 1 : kFirstIndex;
            if (cursor_ >= used) return nullptr;
            SlotOf& slot = slots_[cursor_];
            const auto life = static_cast<SlotLife>(slot.life.load(std::memory_order_acquire));
            // In need, also those that ended without saying so.
            if (life != SlotLife::kEnding && !is_full) continue;
            const uint32_t its_tid = slot.tid.load(std::memory_order_relaxed);
            if (its_tid == tid || System::is_gone(its_tid)) return &slot;
        }
        return nullptr;
    }

    SlotOf* slots_ = nullptr;
    uint32_t capacity_ = 0;
    uint32_t cursor_ = kFirstIndex;  // under is_claiming_
    typename System::template Atomic<uint32_t> used_{kFirstIndex};
    typename System::template Atomic<bool> is_claiming_{false};
};

}  // namespace latchkey
