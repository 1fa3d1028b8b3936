// SPDX-License-Identifier: Apache-2.0
//
// What a mutex remembers, and what that says. Laid over a pthread_mutex_t, every static initialiser of which
// is a valid free mutex.
//
// The word: slot id of the owner, 0 when free, and three flags.
//   kWaiters  the queue of this mutex is not empty
//   kSpin     one waiter is spinning, not queued
//   kWaking   one waiter was taken out of the queue and woken, and has not arrived
//
// The stamps beside the word tell an owner that releases, without a look at the queue, whether somebody is
// due. INV-STATE-1: head_since, head_urgency and due are those of the first in the queue, if kWaiters is set;
// they and woken_at are written under the bucket's lock.
#pragma once

#include <cstdint>

#include "runtime/handoff.h"
#include "runtime/slot.h"

namespace latchkey {

template <class System>
class MutexState {
  public:
    template <class T>
    using Atomic = typename System::template Atomic<T>;

    static constexpr uint32_t kSpin = 1u << 28;
    static constexpr uint32_t kWaking = 1u << 29;
    static constexpr uint32_t kWaiters = 1u << 31;

    SlotId owner() const { return word_.load(std::memory_order_relaxed) & kIdMask; }
    bool is_held() const { return owner() != 0; }
    bool has_waiters() const { return (word_.load(std::memory_order_relaxed) & kWaiters) != 0; }
    uint32_t raw_word() const { return word_.load(std::memory_order_relaxed); }

    // How long the first in the queue has been waiting, at least 1 ns; 0: nobody is queued. A hint: not under
    // the bucket's lock.
    uint64_t queued_ns() const {
        if ((word_.load(std::memory_order_relaxed) & kWaiters) == 0) return 0;
        const auto age = static_cast<int32_t>(System::now() - head_since_.load(std::memory_order_relaxed));
        return age > 0 ? static_cast<uint64_t>(age) << 10 : 1;
    }

  protected:
    static const Tuning& tuning() { return System::tuning(); }

    // Under the bucket's lock: `head` is the first in the queue now.
    void set_head(const Node<System>& head) {
        const Stamp patience = latchkey::patience(tuning(), head.length, is_loaded(System::now()));
        head_since_.store(head.since, std::memory_order_relaxed);
        due_.store(head.since + patience, std::memory_order_relaxed);
        head_urgency_.store(head.urgency, std::memory_order_relaxed);
    }

    // Is the head waiter old or urgent enough to be handed the mutex? The owner only.
    bool is_due(const Slot<System>& self, Stamp now) const {
        if (tuning().handoff != Handoff::kAged) return always_hands_over(tuning().handoff);
        return is_older(now, due_.load(std::memory_order_relaxed), 0) ||
               head_urgency_.load(std::memory_order_relaxed) > self.urgency.load(std::memory_order_relaxed);
    }

    // Has the woken waiter been on its way for too long?
    bool is_overdue(Stamp now) const {
        return is_older(now, woken_at_.load(std::memory_order_relaxed), tuning().in_flight);
    }
    bool is_crowded(Stamp now) const {
        const Stamp late_at = late_at_.load(std::memory_order_relaxed);
        return late_at != 0 && now - late_at < tuning().crowded;
    }
    bool may_wake_another(Stamp now) const { return is_overdue(now) && is_crowded(now); }

    // A woken waiter has arrived. One that was woken while the mutex was crowded had nobody stay behind for
    // it: that it is late says nothing.
    void note_arrival() {
        const Stamp woken_at = woken_at_.load(std::memory_order_relaxed);
        if (is_crowded(woken_at)) return;
        const Stamp now = System::now();
        if (is_older(now, woken_at, tuning().late))
            late_at_.store((now | 2) & ~kLoaded, std::memory_order_relaxed);
        else if (late_at_.load(std::memory_order_relaxed) != 0)
            late_at_.store(0, std::memory_order_relaxed);  // before the stamps wrap
    }

    // A waiter that was handed the mutex has arrived. Meanwhile nobody else could do anything at the mutex:
    // if it is late, the cpus were others'.
    void note_heir() {
        const Stamp now = System::now();
        if (is_older(now, woken_at_.load(std::memory_order_relaxed), tuning().late_heir))
            late_at_.store(now | kLoaded, std::memory_order_relaxed);
    }

    bool is_loaded(Stamp now) const {
        return is_crowded(now) && (late_at_.load(std::memory_order_relaxed) & kLoaded) != 0;
    }

    static constexpr Stamp kLoaded = 1;  // in late_at_: by a late heir

    Atomic<uint32_t> word_{0};
    uint32_t count_ = 0;  // KindMutex
    uint32_t glibc_owner_ = 0;
    uint32_t glibc_users_ = 0;
    int32_t kind_ = 0;  // KindMutex; as glibc's init or the static initialiser wrote it
    Atomic<uint32_t> head_urgency_{0};
    Atomic<Stamp> head_since_{0};
    Atomic<Stamp> woken_at_{0};
    Atomic<Stamp> due_{0};
    Atomic<Stamp> late_at_{0};
};

}  // namespace latchkey
