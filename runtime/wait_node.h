// SPDX-License-Identifier: Apache-2.0
//
// A thread's own side of a wait: getting a node for it, sleeping until the node's state is final.
#pragma once

#include <atomic>

#include "runtime/side_table.h"
#include "runtime/slot.h"

namespace latchkey {

// Lends the calling thread one of its nodes for one call. There is none when signal handlers have nested too
// deep or have interrupted a bucket section: then the call must do without a queue.
template <class System>
class NodeLease {
  public:
    explicit NodeLease(Slot<System>& self) : self_(self) {
        if (self.buckets_held != 0 || self.nodes_used == kNodes) [[unlikely]]
            return;
        node_ = &self.nodes[self.nodes_used++];
        std::atomic_signal_fence(std::memory_order_seq_cst);
        node_->was_requeued = false;
        node_->since = System::now();
        node_->urgency = self.urgency.load(std::memory_order_relaxed);
    }
    ~NodeLease() { give_back(); }
    NodeLease(const NodeLease&) = delete;
    NodeLease& operator=(const NodeLease&) = delete;

    explicit operator bool() const { return node_ != nullptr; }
    Node<System>& operator*() const { return *node_; }
    Node<System>* operator->() const { return node_; }

    // Ends the lease before its scope does (a cancelled thread does not come to the end of it).
    void give_back() {
        if (node_ == nullptr) return;
        node_->object.store(0, std::memory_order_relaxed);
        std::atomic_signal_fence(std::memory_order_seq_cst);
        self_.nodes_used--;
        node_ = nullptr;
    }

  private:
    Slot<System>& self_;
    Node<System>* node_ = nullptr;
};

// Sleeps until the state is final. False: the deadline (null: none) passed first; then the caller decides
// under the bucket's lock whether it is still waiting. Not a cancellation point.
template <class System>
bool sleep_on(Slot<System>& self, Node<System>& node, const typename System::Deadline* deadline) {
    for (;;) {
        uint32_t state = node.state.load(std::memory_order_acquire);
        if (!is_waiting(state)) return true;
        if ((state & kAsleep) == 0 &&
            !node.state.compare_exchange_strong(state, state | kAsleep, std::memory_order_acq_rel))
            continue;
        self.is_parked.store(1, std::memory_order_relaxed);
        const bool is_in_time = System::park(node.state, state | kAsleep, deadline);
        self.is_parked.store(0, std::memory_order_relaxed);
        if (!is_in_time) return !is_waiting(node.state.load(std::memory_order_acquire));
    }
}

// Spinning for a signal before going to sleep, as long as that has paid: after a spin for nothing the
// thread's next waits do without.
template <class System>
class Spinning {
  public:
    explicit Spinning(Slot<System>& self) : self_(self) {}

    // Pauses. False: stop, or do not begin.
    bool goes_on() {
        const Tuning& tuning = System::tuning();
        if (turns_ == 0) {
            if (!tuning.can_spin) return false;
            if (self_.spins_to_skip != 0) {
                self_.spins_to_skip--;
                return false;
            }
            begin_ = System::now();
        } else if (turns_ % kTurnsPerLook == 0 && is_older(System::now(), begin_, tuning.wait_spin)) {
            self_.spins_to_skip = kSkips;
            return false;
        }
        turns_++;
        System::relax();
        return true;
    }

  private:
    static constexpr uint32_t kTurnsPerLook = 16;
    static constexpr uint32_t kSkips = 31;

    Slot<System>& self_;
    uint32_t turns_ = 0;
    Stamp begin_ = 0;
};

}  // namespace latchkey
