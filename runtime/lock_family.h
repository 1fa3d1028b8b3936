// SPDX-License-Identifier: Apache-2.0
//
// The whole family, and what concerns all of it: wake-ups that a signal handler could not make, and fork.
#pragma once

#include "runtime/condvar.h"
#include "runtime/kind_mutex.h"
#include "runtime/mutex.h"
#include "runtime/rwlock.h"

namespace latchkey {

// Part of pay_owed_wakes.
template <class System>
void wake_all_of_bucket(Slot<System>& self, uint32_t i) {
    constexpr uint32_t kMost = 64;  // objects of one bucket that are looked at
    void* objects[kMost];
    WaitsFor what[kMost];
    uint32_t count = 0;
    auto& bucket = System::table().bucket(i);
    self.buckets_held++;
    std::atomic_signal_fence(std::memory_order_seq_cst);
    bucket.lock.lock();
    for (auto* head = bucket.first_queue(); head != nullptr && count < kMost; head = head->next_queue) {
        objects[count] = reinterpret_cast<void*>(head->object.load(std::memory_order_relaxed));
        what[count++] = head->waits_for;
    }
    bucket.lock.unlock();
    std::atomic_signal_fence(std::memory_order_seq_cst);
    self.buckets_held--;
    for (uint32_t n = 0; n < count; n++) {
        switch (what[n]) {
            case WaitsFor::kMutex:
                Mutex<System>::wake(self, objects[n]);
                break;
            case WaitsFor::kCondvar:
                Condvar<System>::broadcast_at(self, objects[n]);
                break;
            default:
                RwLock<System>::wake(self, objects[n]);
        }
    }
}

// A signal handler has released a lock or signalled a condvar while its thread was in a bucket section. Which
// one is not known any more, so all that could go on is woken: free mutexes and rwlocks admit their next,
// condvars wake all (a wait may end without a signal). Rare: the handler must have hit a section of some 100
// ns.
template <class System>
void pay_owed_wakes(Slot<System>& self) {
    // Again if a signal handler has interrupted a section of this very function.
    for (; self.owes_wakes; std::atomic_signal_fence(std::memory_order_seq_cst)) {
        self.owes_wakes = false;
        for (uint32_t i = 0; i < SideTable<System>::kBuckets; i++) wake_all_of_bucket(self, i);
    }
}

// In a fork child: forgets all other threads. Objects that they waited on or were spinning at when the
// process was forked lose the flags that stood for them; a thread names such an object as long as it is
// inside a call on it, so the memory is what it was. Owners stay: a mutex that another thread held stays
// held, as with glibc.
template <class System>
void reset_family_in_child(SlotTable<System>& slots, Slot<System>* survivor, uint32_t tid) {
    for (uint32_t i = kFirstIndex; i < slots.used(); i++) {
        Slot<System>& slot = slots.at(i);
        if (&slot == survivor) continue;
        if (const uintptr_t mutex = slot.active_on.load(std::memory_order_relaxed); mutex != 0)
            reinterpret_cast<Mutex<System>*>(mutex)->forget_waiters();
        for (const Node<System>& node : slot.nodes) {
            void* object = reinterpret_cast<void*>(node.object.load(std::memory_order_relaxed));
            if (object == nullptr) continue;
            switch (node.waits_for) {
                case WaitsFor::kMutex:
                    static_cast<Mutex<System>*>(object)->forget_waiters();
                    break;
                case WaitsFor::kCondvar:
                    // Signalled already: the condvar may be gone.
                    if ((node.state.load(std::memory_order_relaxed) & kNodeState) == kQueued)
                        static_cast<Condvar<System>*>(object)->forget_waiters();
                    break;
                default:
                    static_cast<RwLock<System>*>(object)->forget_waiters();
            }
        }
    }
    slots.reset_in_child(survivor, tid);
    System::table().reset_in_child();
}

}  // namespace latchkey
