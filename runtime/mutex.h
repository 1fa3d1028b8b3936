// SPDX-License-Identifier: Apache-2.0
//
// A mutex of one word, laid over a pthread_mutex_t of a private, non-robust, non-inheriting kind. Taking a
// free one and giving back one that nobody waits for are one compare-and-swap each. Waiters queue in the side
// table.
//
// At most three threads are active at a mutex: owner, spinner, woken one. All others sleep.
//
// Invariants
//   INV-MUTEX-1  kWaiters changes under the bucket's lock only, together with the queue.
//   INV-MUTEX-2  kSpin stands for exactly one thread; kWaking for one, or for several while the mutex is
//                crowded (Tuning::late). It ends with a compare-and-swap of such a thread which either
//                takes the mutex or, seeing it held, clears the flag.
//   INV-MUTEX-3  free with kWaiters implies kSpin or kWaking, or a thread between its releasing store and
//                wake(). So an unlock that sees kSpin or kWaking in the word that it replaces need wake
//                nobody.
//   INV-MUTEX-4  after its releasing store an unlock touches the mutex only under the bucket's lock and
//                while a waiter of it is queued (INV-TABLE-2): it may be destroyed and unmapped right
//                after.
//
// Memory order: taking is acquire, releasing is release. A waiter sets kWaiters by a read-modify-write of the
// word, so the owner's compare-and-swap fails or comes before: no fence is needed between flag and word.
#pragma once

#include <cerrno>
#include <cstdint>

#include "runtime/mutex_state.h"
#include "runtime/passage.h"
#include "runtime/wait_node.h"

namespace latchkey {

template <class System>
class Mutex : public MutexState<System> {
    using State = MutexState<System>;
    using State::word_;

  public:
    using State::kSpin;
    using State::kWaiters;
    using State::kWaking;
    template <class T>
    using Atomic = typename System::template Atomic<T>;
    using SlotOf = Slot<System>;
    using NodeOf = Node<System>;
    using Deadline = typename System::Deadline;

    // ---- without waiting

    bool try_lock_free(SlotId self) {
        uint32_t free = 0;
        return word_.compare_exchange_strong(free, self, std::memory_order_acquire,
                                             std::memory_order_relaxed);
    }

    bool try_lock(SlotId self) {
        uint32_t word = word_.load(std::memory_order_relaxed);
        while ((word & kIdMask) == 0) {
            if (word_.compare_exchange_weak(word, word | self, std::memory_order_acquire,
                                            std::memory_order_relaxed))
                return true;
        }
        return false;
    }

    // ---- with waiting

    // Takes it; waits if needed, at most until deadline (null: for ever). 0 or ETIMEDOUT. Not a cancellation
    // point; signals do not end it. No bucket may be locked.
    int lock(SlotOf& self, const Deadline* deadline, Passage& passage) {
        if (try_lock_free(self.id.load(std::memory_order_relaxed))) return 0;
        return lock_contended(self, deadline, passage);
    }

    int lock_contended(SlotOf& self, const Deadline* deadline, Passage& passage) {
        uint32_t mine = 0;
        if (compete(self, mine)) {
            passage.way = Way::kSpun;
            return 0;
        }
        NodeLease<System> node(self);
        if (!node) [[unlikely]]
            return lock_by_polling(self, mine, deadline);
        node->waits_for = WaitsFor::kMutex;
        return wait(self, *node, mine, true, deadline, passage);
    }

    // Takes it by spinning, if that may help: at most Tuning::lock_spin. False: not taken.
    bool lock_by_spinning(SlotOf& self) {
        uint32_t mine = 0;
        if (compete(self, mine)) return true;
        if (mine == 0) return false;
        uint32_t word = word_.load(std::memory_order_relaxed);
        for (;;) {
            const bool is_free = (word & kIdMask) == 0;
            const uint32_t next = (word & ~mine) | (is_free ? self.id.load(std::memory_order_relaxed) : 0);
            if (!word_.compare_exchange_weak(word, next, std::memory_order_acquire,
                                             std::memory_order_relaxed))
                continue;
            self.active_on.store(0, std::memory_order_relaxed);
            return is_free;
        }
    }

    // Goes on as a condvar waiter that was moved to this mutex's queue and then woken.
    int lock_woken(SlotOf& self, NodeOf& node, Passage& passage) {
        uint32_t mine = kWaking;
        passage.way = Way::kRequeuedWoken;
        if (compete(self, mine)) return 0;
        return wait(self, node, mine, false, nullptr, passage);
    }

    // Gives it back; wakes a waiter or hands it over as the policy says. The caller need not be the owner:
    // whoever it is, the mutex is free or another's afterwards. No bucket may be locked.
    void unlock(SlotOf& self) {
        const bool may_enter = self.buckets_held == 0;
        uint32_t word = word_.load(std::memory_order_relaxed);
        while ((word & kIdMask) != 0) {
            const Stamp now = (word & kWaiters) != 0 ? System::now() : 0;
            if ((word & kWaiters) != 0 && may_enter && this->is_due(self, now)) {
                if (hand_over(self)) return;
                word = word_.load(std::memory_order_relaxed);
                // Strict policies: the queue was empty, and is not any more.
                if ((word & kIdMask) == 0) return;
                if ((word & kWaiters) != 0 && always_hands_over(tuning().handoff)) continue;
            }
            const bool is_awaited =
                (word & kSpin) != 0 || ((word & kWaking) != 0 && !this->may_wake_another(now));
            // Fails if a waiter has queued since `word` was read: that one may be due.
            if (!word_.compare_exchange_strong(word, word & ~kIdMask, std::memory_order_release,
                                               std::memory_order_relaxed))
                continue;
            if ((word & kWaiters) == 0 || is_awaited) return;
            if (may_enter)
                wake(self, this);
            else
                self.owes_wakes = true;
            return;
        }
    }

    // Lets the first waiter of the mutex at `mutex` go on, if it is free and nobody is active at it. The
    // memory may be anything by now (INV-MUTEX-4).
    static void wake(SlotOf& self, void* mutex) {
        NodeOf* first;
        {
            const BucketGuard<System> bucket(self, mutex);
            NodeOf* head = bucket->head(mutex);
            if (head == nullptr || head->waits_for != WaitsFor::kMutex) return;
            first = static_cast<Mutex*>(mutex)->let_first_go(bucket);
            if (first == nullptr) return;
        }
        System::unpark(first->state);
    }

    // ---- for condvars

    // Moves nodes (linked by `next`, in state kMoving) to this mutex's queue; lets one go on if nobody else
    // would. Waiters of these nodes are inside pthread_cond_wait: the mutex is alive until the last one is
    // final.
    void enqueue_moved(SlotOf& self, NodeOf* nodes) {
        NodeOf* first;
        {
            const BucketGuard<System> bucket(self, this);
            const Stamp now = System::now();
            while (nodes != nullptr) {
                NodeOf* next = nodes->next;
                nodes->waits_for = WaitsFor::kMutex;
                nodes->since = now;
                nodes->was_requeued = true;
                push(bucket, *nodes, now);
                nodes->change_state(kMoved);
                nodes = next;
            }
            note_head(bucket);
            word_.fetch_or(kWaiters, std::memory_order_relaxed);
            first = let_first_go(bucket);
            if (first == nullptr) return;
        }
        System::unpark(first->state);
    }

    // ---- after fork

    // In a fork child: the threads that waited or spun are gone.
    void forget_waiters() { word_.fetch_and(kIdMask, std::memory_order_relaxed); }

  private:
    using Guard = BucketGuard<System>;

    using State::tuning;
    uintptr_t address() const { return reinterpret_cast<uintptr_t>(this); }

    // Where arrival decides, nobody spins past the queue.
    static bool may_spin() { return tuning().can_spin && !always_hands_over(tuning().handoff); }

    // Must a thread that did not wait yet leave a free mutex to the woken waiter? Else that one, kept from
    // its cpu by us, waits for the scheduler's next tick. Only while kWaking is set: parking on a free word
    // is safe then.
    bool must_stay_behind(uint32_t word, uint32_t mine) const {
        if ((word & kWaking) == 0 || mine == kWaking) return false;
        const Stamp now = System::now();
        return this->is_overdue(now) && !this->is_crowded(now);
    }

    // Tries to take it without sleeping. mine: the flag that stands for this thread (0, kSpin, kWaking); it
    // may gain kSpin, and is gone when this returns true.
    bool compete(SlotOf& self, uint32_t& mine) {
        const SlotId id = self.id.load(std::memory_order_relaxed);
        Stamp begin = 0;  // of spinning; 0: found it free so far
        uint32_t word = word_.load(std::memory_order_relaxed);
        for (uint32_t turns = 0;; turns++) {
            if ((word & kIdMask) == 0) {
                if (must_stay_behind(word, mine)) return false;
                if (word_.compare_exchange_weak(word, (word & ~mine) | id, std::memory_order_acquire,
                                                std::memory_order_relaxed)) {
                    if (mine == kSpin) self.active_on.store(0, std::memory_order_relaxed);
                    mine = 0;
                    return true;
                }
                continue;
            }
            if (begin == 0 || turns % kTurnsPerLook == 0) {
                const Stamp now = System::now();
                if (begin == 0) begin = now;
                if (is_older(now, begin, tuning().lock_spin) || !may_spin() ||
                    !System::may_run(self, word & kIdMask))
                    return false;
            }
            if (mine == 0) {
                // A signal handler has interrupted a spinner: active_on names that one's mutex.
                if ((word & kSpin) != 0 || self.active_on.load(std::memory_order_relaxed) != 0) return false;
                self.active_on.store(address(), std::memory_order_relaxed);
                if (!word_.compare_exchange_weak(word, word | kSpin, std::memory_order_relaxed)) {
                    self.active_on.store(0, std::memory_order_relaxed);
                    continue;
                }
                mine = kSpin;
            }
            System::relax();
            word = word_.load(std::memory_order_relaxed);
        }
    }

    // Queues, sleeps and competes until it is taken or the deadline has passed. is_new: has not been queued
    // before.
    int wait(SlotOf& self, NodeOf& node, uint32_t mine, bool is_new, const Deadline* deadline,
             Passage& passage) {
        for (;;) {
            if (!enqueue(self, node, mine, is_new, passage)) return 0;
            if (!sleep_on(self, node, deadline)) {
                if (withdraw(self, node)) return ETIMEDOUT;
                sleep_on(self, node, static_cast<const Deadline*>(nullptr));
            }
            if ((node.state.load(std::memory_order_acquire) & kNodeState) == kGranted) {
                passage.way = node.was_requeued ? Way::kRequeuedHanded : Way::kHanded;
                this->note_heir();
                return 0;
            }
            mine = kWaking;
            this->note_arrival();
            passage.way = node.was_requeued ? Way::kRequeuedWoken : Way::kWoken;
            if (compete(self, mine)) return 0;
            is_new = false;
        }
    }

    // False: it was free and is taken. A waiter that was queued before goes to the front, as old as it is.
    bool enqueue(SlotOf& self, NodeOf& node, uint32_t mine, bool is_new, Passage& passage) {
        const Guard bucket(self, this);
        const Stamp now = System::now();
        node.state.store(kQueued, std::memory_order_relaxed);
        node.object.store(address(), std::memory_order_relaxed);
        uint32_t word = word_.load(std::memory_order_relaxed);
        for (;;) {
            const bool is_free = (word & kIdMask) == 0 && !must_stay_behind(word, mine);
            const uint32_t next =
                (word & ~mine) | (is_free ? self.id.load(std::memory_order_relaxed) : kWaiters);
            if (!word_.compare_exchange_weak(word, next, std::memory_order_acquire,
                                             std::memory_order_relaxed))
                continue;
            if (mine == kSpin) self.active_on.store(0, std::memory_order_relaxed);
            if (is_free) return false;
            break;
        }
        if (is_new)
            passage.queue = push(bucket, node, now);
        else
            bucket->push_front(this, node, tuning().handoff != Handoff::kFifo, now, tuning().overtaking);
        note_head(bucket);
        return true;
    }

    uint32_t push(const Guard& bucket, NodeOf& node, Stamp now) {
        return bucket->push(this, node, tuning().handoff != Handoff::kFifo, now, tuning().overtaking);
    }

    // The deadline has passed. True: left the queue. False: somebody has taken the node out already.
    bool withdraw(SlotOf& self, NodeOf& node) {
        const Guard bucket(self, this);
        if ((node.state.load(std::memory_order_relaxed) & kNodeState) != kQueued) return false;
        take_out(bucket, node);
        node.state.store(kIdle, std::memory_order_relaxed);
        return true;
    }

    // Removes a node from the queue and keeps kWaiters and the head's stamps true.
    void take_out(const Guard& bucket, NodeOf& node) {
        bucket->remove(node);
        if (bucket->head(this) == nullptr) word_.fetch_and(~kWaiters, std::memory_order_relaxed);
        note_head(bucket);
    }

    void note_head(const Guard& bucket) {
        if (const NodeOf* head = bucket->head(this); head != nullptr) this->set_head(*head);
    }

    // If the mutex is free and nobody is active at it: takes out the first waiter, for which kWaking then
    // stands, or which owns the mutex if the policy is strict. Returns it if its thread must be woken by
    // futex.
    NodeOf* let_first_go(const Guard& bucket) {
        NodeOf* head = bucket->head(this);
        const bool is_strict = always_hands_over(tuning().handoff);
        const uint32_t now_his = is_strict ? head->slot->id.load(std::memory_order_relaxed) : kWaking;
        const uint32_t rest = head->length > 1 ? kWaiters : 0;
        uint32_t word = word_.load(std::memory_order_relaxed);
        do {
            if ((word & (kIdMask | kSpin)) != 0) return nullptr;
            const Stamp now = System::now();
            if ((word & kWaking) != 0 && !this->may_wake_another(now)) return nullptr;
            this->woken_at_.store(now, std::memory_order_relaxed);
        } while (!word_.compare_exchange_weak(word, rest | now_his, std::memory_order_acq_rel,
                                              std::memory_order_relaxed));
        bucket->remove(*head);
        note_head(bucket);
        return head->finish(is_strict ? kGranted : kWoken) ? head : nullptr;
    }

    // Makes the head waiter the owner. False: it need not be, or there is none (a fork child's memory of
    // waiters).
    bool hand_over(SlotOf& self) {
        NodeOf* heir;
        {
            const Guard bucket(self, this);
            heir = bucket->head(this);
            if (heir == nullptr) {
                word_.fetch_and(~kWaiters, std::memory_order_relaxed);
                return false;
            }
            if (!this->is_due(self, System::now())) return false;  // another one is first now
            const uint32_t rest = heir->length > 1 ? kWaiters : 0;
            this->woken_at_.store(System::now(), std::memory_order_relaxed);
            bucket->remove(*heir);
            note_head(bucket);
            uint32_t word = word_.load(std::memory_order_relaxed);
            while (!word_.compare_exchange_weak(
                word, (word & (kSpin | kWaking)) | rest | heir->slot->id.load(std::memory_order_relaxed),
                std::memory_order_acq_rel, std::memory_order_relaxed)) {
            }
            if (!heir->finish(kGranted)) return true;
        }
        System::unpark(heir->state);
        return true;
    }

    // Without a node: a signal handler has interrupted the runtime. Tries again and again.
    int lock_by_polling(SlotOf& self, uint32_t mine, const Deadline* deadline) {
        for (;;) {
            uint32_t word = word_.load(std::memory_order_relaxed);
            const bool is_free = (word & kIdMask) == 0;
            const bool is_over = deadline != nullptr && System::is_past(*deadline);
            const uint32_t next = (word & ~mine) | (is_free ? self.id.load(std::memory_order_relaxed) : 0);
            if ((is_free || mine != 0) &&
                !word_.compare_exchange_strong(word, next, std::memory_order_acquire,
                                               std::memory_order_relaxed))
                continue;
            if (mine != 0) self.active_on.store(0, std::memory_order_relaxed);
            mine = 0;
            if (is_free) return 0;
            if (is_over) return ETIMEDOUT;
            System::yield();
        }
    }

    static constexpr uint32_t kTurnsPerLook = 16;
};

}  // namespace latchkey
