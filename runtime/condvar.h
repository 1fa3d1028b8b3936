// SPDX-License-Identifier: Apache-2.0
//
// A condition variable laid over a private pthread_cond_t. A signal moves a waiter to the queue of its mutex
// instead of waking it ("requeue", "wait morphing"), so that nobody wakes up only to wait again.
//
// Invariants
//   INV-COND-1  waiters_ counts the nodes in the queue; it grows before the waiter gives its mutex back, so
//               a signaller that holds the mutex, or has held it since, sees it. Waiters are taken in order
//               of urgency and arrival; a signal is given to one waiter and never taken from it by a later
//               one.
//   INV-COND-2  a node out of the queue whose state is kMoving has its signal: time-outs and cancellation
//               no longer apply to the wait, its thread waits for the final state.
//   INV-COND-3  the condvar is not touched by a waiter that has left the queue, nor by a signaller that has
//               released the bucket: it may be destroyed and unmapped as soon as all waiters were
//               signalled.
#pragma once

#include <cerrno>
#include <cstdint>

#include "runtime/mutex.h"
#include "runtime/wait_node.h"

namespace latchkey {

// The mutex of a wait: ours, or one that is glibc's.
template <class System>
struct MutexOfWait {
    void* mutex;
    int (*unlock)(void* mutex);  // 0 or an error number: then nothing was given back
    int (*lock)(void* mutex);    // 0 or an error number that the wait returns (EOWNERDEAD)
    // Ours, unlock cannot fail and frees it: waiters are moved to it. Null: they are woken and call lock.
    Mutex<System>* movable_to;
};

template <class System>
class Condvar {
  public:
    template <class T>
    using Atomic = typename System::template Atomic<T>;
    using SlotOf = Slot<System>;
    using NodeOf = Node<System>;
    using Deadline = typename System::Deadline;

    // Gives the mutex back, waits for a signal or until deadline (null: for ever), takes the mutex again. 0,
    // ETIMEDOUT, or what unlock or lock returned. A cancellation point: a cancelled thread owns the mutex
    // again when the program's handlers run. May return 0 without a signal. No bucket may be locked.
    int wait(SlotOf& self, const MutexOfWait<System>& mutex, const Deadline* deadline, Passage& passage) {
        System::test_cancel();
        Wait wait{this, &self, &mutex, &passage, NodeLease<System>(self)};
        if (!wait.node) [[unlikely]]
            return wait_by_polling(mutex, deadline);
        enqueue(self, *wait.node, mutex, passage);
        if (const int error = mutex.unlock(mutex.mutex); error != 0) {
            if (!withdraw(self, *wait.node)) pass_on(wait);
            return error;
        }
        const bool is_only = passage.queue == 0;
        if (is_only && spin(self, *wait.node)) passage.way = Way::kSpun;
        const bool is_late = !sleep(wait, deadline) && withdraw(self, *wait.node);
        const int result = take_mutex(wait);
        if (result != 0) return result;
        return is_late ? ETIMEDOUT : 0;
    }

    // Lets one waiter go on. Any thread, with or without the mutex. Not a cancellation point.
    void signal(SlotOf& self) {
        if (waiters_.load(std::memory_order_acquire) == 0) return;
        signal_at(self, this);
    }

    // Lets all go on: they are moved to the mutex, where each is woken by the one before it.
    // Returns how many were moved.
    uint32_t broadcast(SlotOf& self) {
        if (waiters_.load(std::memory_order_acquire) == 0) return 0;
        if (self.buckets_held != 0) [[unlikely]] {
            self.owes_wakes = true;
            return 0;
        }
        return broadcast_at(self, this);
    }

    bool has_waiters() const { return waiters_.load(std::memory_order_acquire) != 0; }

    // In a fork child: the threads that waited are gone.
    void forget_waiters() { waiters_.store(0, std::memory_order_relaxed); }

    // The signal for whoever waits on the condvar at `condvar`, if anybody does; the memory may be anything
    // else by now.
    static void signal_at(SlotOf& self, void* condvar) {
        if (self.buckets_held != 0) [[unlikely]] {
            self.owes_wakes = true;
            return;
        }
        NodeOf* node;
        {
            const BucketGuard<System> bucket(self, condvar);
            node = bucket->head(condvar);
            if (node == nullptr || node->waits_for != WaitsFor::kCondvar) return;
            bucket->remove(*node);
            static_cast<Condvar*>(condvar)->waiters_.fetch_sub(1, std::memory_order_relaxed);
            node->next = nullptr;
            node->change_state(kMoving);
        }
        release(self, node);
    }

    static uint32_t broadcast_at(SlotOf& self, void* condvar) {
        NodeOf* nodes;
        uint32_t count;
        {
            const BucketGuard<System> bucket(self, condvar);
            nodes = bucket->head(condvar);
            if (nodes == nullptr || nodes->waits_for != WaitsFor::kCondvar) return 0;
            count = nodes->length;
            bucket->detach(condvar);
            // Before the states change: in a fork child a node that is still kQueued names a condvar whose
            // count is wrong, any other node one that need not be looked at.
            static_cast<Condvar*>(condvar)->waiters_.fetch_sub(count, std::memory_order_relaxed);
            for (NodeOf* node = nodes; node != nullptr; node = node->next) node->change_state(kMoving);
        }
        release(self, nodes);
        return count;
    }

  private:
    struct Wait {
        Condvar* condvar;
        SlotOf* self;
        const MutexOfWait<System>* mutex;
        Passage* passage;
        NodeLease<System> node;
    };

    static constexpr uint32_t kTurnsPerLook = 16;
    static constexpr uint32_t kSkips =
        31;  // waits of a thread that do not spin after one that spun for nothing

    void enqueue(SlotOf& self, NodeOf& node, const MutexOfWait<System>& mutex, Passage& passage) {
        const BucketGuard<System> bucket(self, this);
        node.waits_for = WaitsFor::kCondvar;
        node.mutex = mutex.movable_to;
        node.state.store(kQueued, std::memory_order_relaxed);
        passage.queue = bucket->push(this, node, true, node.since, System::tuning().overtaking);
        waiters_.fetch_add(1, std::memory_order_seq_cst);
    }

    // A condvar's only waiter spins. True: signalled meanwhile. The condvar may be gone by now.
    static bool spin(SlotOf& self, const NodeOf& node) {
        Spinning<System> spinning(self);
        while (spinning.goes_on())
            if (!is_waiting(node.state.load(std::memory_order_acquire))) return true;
        return false;
    }

    // False: the deadline passed.
    static bool sleep(Wait& wait, const Deadline* deadline) {
        while (is_waiting(wait.node->state.load(std::memory_order_acquire))) {
            if ((wait.node->state.load(std::memory_order_acquire) & kNodeState) != kQueued)
                return sleep_on(*wait.self, *wait.node, static_cast<const Deadline*>(nullptr));
            uint32_t state = kQueued;
            if (!wait.node->state.compare_exchange_strong(state, kQueued | kAsleep,
                                                          std::memory_order_acq_rel) &&
                state != (kQueued | kAsleep))
                continue;
            wait.self->is_parked.store(1, std::memory_order_relaxed);
            const bool is_in_time =
                System::park_cancellable(wait.node->state, kQueued | kAsleep, deadline, &on_cancel, &wait);
            wait.self->is_parked.store(0, std::memory_order_relaxed);
            if (!is_in_time) return false;
        }
        return true;
    }

    // The thread is cancelled inside sleep(): before any handler of the program runs.
    static void on_cancel(void* argument) {
        Wait& wait = *static_cast<Wait*>(argument);
        wait.self->is_parked.store(0, std::memory_order_relaxed);
        const bool had_signal = !wait.condvar->withdraw(*wait.self, *wait.node);
        take_mutex(wait);
        wait.node.give_back();
        if (had_signal) broadcast_at(*wait.self, wait.condvar);  // as in pass_on
    }

    // The wait has failed, but a signal was given to it. Its mutex is not ours: the node is not moved.
    // It is passed on to all: one waiter alone could be one that began to wait after the signal, and is more
    // urgent than those that waited before and go on sleeping (glibc bug 25847).
    static void pass_on(Wait& wait) {
        sleep_on(*wait.self, *wait.node, static_cast<const Deadline*>(nullptr));
        broadcast_at(*wait.self, wait.condvar);
    }

    // True: was still waiting and is out of the queue. False: has been signalled.
    bool withdraw(SlotOf& self, NodeOf& node) {
        const BucketGuard<System> bucket(self, this);
        if ((node.state.load(std::memory_order_acquire) & kNodeState) != kQueued) return false;
        bucket->remove(node);
        // Before the count: at 0 the condvar may be destroyed, and in a fork child a node that is still
        // kQueued leads there. (Forked in between, the child has a count too high: a signal then looks for a
        // waiter in vain.)
        node.state.store(kSignalled, std::memory_order_relaxed);
        waiters_.fetch_sub(1, std::memory_order_relaxed);
        return true;
    }

    // Out of the condvar's queue, one way or the other: waits for the final state and takes the mutex. 0 or
    // what lock returned.
    static int take_mutex(Wait& wait) {
        NodeOf& node = *wait.node;
        sleep_on(*wait.self, node, static_cast<const Deadline*>(nullptr));
        const MutexOfWait<System>& mutex = *wait.mutex;
        switch (node.state.load(std::memory_order_acquire) & kNodeState) {
            case kGranted:
                wait.passage->way = Way::kRequeuedHanded;
                break;
            case kWoken:
                mutex.movable_to->lock_woken(*wait.self, node, *wait.passage);
                break;
            default:
                if (wait.passage->way == Way::kUnknown) wait.passage->way = Way::kWoken;
                wait.node.give_back();
                return mutex.lock(mutex.mutex);
        }
        return 0;
    }

    // Nodes in state kMoving, linked by next. Each group of the same mutex is moved to it; those that do not
    // sleep, or whose mutex is not ours, go on at once.
    static void release(SlotOf& self, NodeOf* nodes) {
        while (nodes != nullptr) {
            auto* mutex = static_cast<Mutex<System>*>(nodes->mutex);
            NodeOf* moved = nullptr;
            NodeOf** end = &moved;
            while (nodes != nullptr && nodes->mutex == mutex) {
                NodeOf* node = nodes;
                nodes = node->next;
                if (mutex != nullptr && (node->state.load(std::memory_order_relaxed) & kAsleep) != 0) {
                    *end = node;
                    end = &node->next;
                    *end = nullptr;
                } else if (node->finish(kSignalled)) {
                    System::unpark(node->state);
                }
            }
            if (moved != nullptr) mutex->enqueue_moved(self, moved);
        }
    }

    // Without a node: a signal handler has interrupted the runtime. Returns without a signal.
    static int wait_by_polling(const MutexOfWait<System>& mutex, const Deadline* deadline) {
        if (const int error = mutex.unlock(mutex.mutex); error != 0) return error;
        System::yield();
        const int result = mutex.lock(mutex.mutex);
        return result != 0 ? result : deadline != nullptr && System::is_past(*deadline) ? ETIMEDOUT : 0;
    }

    // The fields of pthread_cond_t that are used; its flags, at offset 36, stay as glibc's init wrote them.
    Atomic<uint32_t> waiters_{0};
    uint32_t unused_[8] = {};
    uint32_t glibc_flags_ = 0;
    uint32_t unused2_[2] = {};
};

}  // namespace latchkey
