// SPDX-License-Identifier: Apache-2.0
//
// The System of the model: what runtime/system.h gives the algorithms, given by the deterministic scheduler.
// Interleavings are sequentially consistent; what weaker orders allow is left to the thread sanitizer.
#pragma once

#include <atomic>
#include <cstdint>
#include <type_traits>

#include "runtime/lock_family.h"
#include "tests/model/scheduler.h"

namespace latchkey::model {

// An atomic whose every operation is a scheduling point.
template <class T>
class Atomic {
  public:
    constexpr Atomic() = default;
    constexpr Atomic(T value) : value_(value) {}
    Atomic(const Atomic&) = delete;
    Atomic& operator=(const Atomic&) = delete;

    T load(std::memory_order = std::memory_order_seq_cst) const {
        scheduler.step(Op::kLoad, this);
        scheduler.note(bits(value_), bits(value_));
        return value_;
    }
    void store(T value, std::memory_order = std::memory_order_seq_cst) { change(Op::kStore, value); }
    T exchange(T value, std::memory_order = std::memory_order_seq_cst) { return change(Op::kChange, value); }

    bool compare_exchange_strong(T& expected, T desired, std::memory_order = std::memory_order_seq_cst,
                                 std::memory_order = std::memory_order_seq_cst) {
        scheduler.step(Op::kChange, this);
        return compare_exchange(expected, desired);
    }
    bool compare_exchange_weak(T& expected, T desired, std::memory_order = std::memory_order_seq_cst,
                               std::memory_order = std::memory_order_seq_cst) {
        scheduler.step(Op::kChange, this);
        if (scheduler.fails_weakly()) {
            expected = value_;
            scheduler.note(bits(value_), bits(value_));
            return false;
        }
        return compare_exchange(expected, desired);
    }

    T fetch_add(T value, std::memory_order = std::memory_order_seq_cst) {
        scheduler.step(Op::kChange, this);
        return set(static_cast<T>(value_ + value));
    }
    T fetch_sub(T value, std::memory_order = std::memory_order_seq_cst) {
        scheduler.step(Op::kChange, this);
        return set(static_cast<T>(value_ - value));
    }
    T fetch_and(T value, std::memory_order = std::memory_order_seq_cst) {
        scheduler.step(Op::kChange, this);
        return set(value_ & value);
    }
    T fetch_or(T value, std::memory_order = std::memory_order_seq_cst) {
        scheduler.step(Op::kChange, this);
        return set(value_ | value);
    }

  private:
    static uint64_t bits(T value) {
        if constexpr (std::is_pointer_v<T>)
            return reinterpret_cast<uint64_t>(value);
        else
            return static_cast<uint64_t>(value);
    }
    T change(Op op, T value) {
        scheduler.step(op, this);
        return set(value);
    }
    T set(T value) {
        scheduler.note(bits(value_), bits(value));
        const T before = value_;
        value_ = value;
        return before;
    }
    bool compare_exchange(T& expected, T desired) {
        if (value_ == expected) {
            set(desired);
            return true;
        }
        scheduler.note(bits(value_), bits(value_));
        expected = value_;
        return false;
    }

    T value_{};
};

struct ModelSystem {
    template <class T>
    using Atomic = model::Atomic<T>;

    struct Deadline {
        uint64_t at;  // virtual time
    };

    static constexpr uint32_t kBuckets = 3;  // so few that unrelated objects meet
    static constexpr uint32_t kSlots = 16;

    static Slot<ModelSystem>& self() { return *static_cast<Slot<ModelSystem>*>(scheduler.current().slot); }

    static bool park(Atomic<uint32_t>& word, uint32_t expected, const Deadline* deadline);
    static bool park_cancellable(Atomic<uint32_t>& word, uint32_t expected, const Deadline* deadline,
                                 void (*on_cancel)(void*), void* argument);
    static void unpark(Atomic<uint32_t>& word);
    static void test_cancel();
    static bool is_past(const Deadline& deadline) { return deadline.at <= scheduler.now(); }

    static Stamp now() { return static_cast<Stamp>(scheduler.now()); }
    static void relax() { scheduler.step(Op::kRelax, nullptr, false); }
    static void yield() { scheduler.step(Op::kYield, nullptr, false); }
    static bool may_run(const Slot<ModelSystem>& self, SlotId owner);
    static bool is_gone(uint32_t tid) { return !scheduler.is_alive(tid); }

    static const Tuning& tuning() { return tuning_; }
    static SideTable<ModelSystem>& table() { return table_; }
    static SlotTable<ModelSystem>& slots() { return slots_; }

    // ---- for the model

    // A new process: no slots, nobody waits, numbers that the seed decides.
    static void restart(Handoff handoff);

    // Starts a thread that has its slot already.
    static uint32_t spawn(std::function<void()> body);

    // At the end of a schedule whose threads have all ended: no bucket is locked, nobody waits, the slots are
    // as they were.
    static void expect_idle();

    static Tuning tuning_;
    static SideTable<ModelSystem> table_;
    static SlotTable<ModelSystem> slots_;
    static Slot<ModelSystem> slot_memory_[kSlots];
};

using ModelSlot = Slot<ModelSystem>;
using ModelNode = Node<ModelSystem>;
using ModelMutex = KindMutex<ModelSystem>;
using ModelCondvar = Condvar<ModelSystem>;
using ModelRwLock = RwLock<ModelSystem>;
using ModelDeadline = ModelSystem::Deadline;

}  // namespace latchkey::model
