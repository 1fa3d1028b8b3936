// SPDX-License-Identifier: Apache-2.0
#include "tests/model/system.h"

#include <cstring>
#include <new>

namespace latchkey::model {

Tuning ModelSystem::tuning_;
SideTable<ModelSystem> ModelSystem::table_;
SlotTable<ModelSystem> ModelSystem::slots_;
Slot<ModelSystem> ModelSystem::slot_memory_[kSlots];

namespace {

// "slot of A: node 0 state", for traces.
std::string name_of(const void* address) {
    const auto key = reinterpret_cast<uintptr_t>(address);
    for (uint32_t i = 0; i < ModelSystem::kSlots; i++) {
        const ModelSlot& slot = ModelSystem::slot_memory_[i];
        const auto offset = key - reinterpret_cast<uintptr_t>(&slot);
        if (offset >= sizeof slot) continue;
        std::string name = "slot" + std::to_string(i);
        for (uint32_t t = 0; t < scheduler.count(); t++)
            if (scheduler.thread(t).slot == &slot) name = std::string(1, static_cast<char>('A' + t));
        for (uint32_t n = 0; n < kNodes; n++) {
            const std::string node = name + ".node" + std::to_string(n);
            if (address == &slot.nodes[n].state) return node + ".state";
            if (address == &slot.nodes[n].object) return node + ".object";
        }
        if (address == &slot.id) return name + ".id";
        if (address == &slot.is_parked) return name + ".is_parked";
        if (address == &slot.active_on) return name + ".active_on";
        return name + "+" + std::to_string(offset);
    }
    for (uint32_t i = 0; i < ModelSystem::kBuckets; i++)
        if (address == &ModelSystem::table_.bucket(i).lock) return "bucket" + std::to_string(i) + ".lock";
    return "?";
}

uint32_t value_of(const Atomic<uint32_t>& word) {
    const Scheduler::Quiet quiet(scheduler);
    return word.load();
}

}  // namespace

void ModelSystem::restart(Handoff handoff) {
    const Scheduler::Quiet quiet(scheduler);
    scheduler.name_elsewhere = &name_of;
    std::memset(static_cast<void*>(slot_memory_), 0, sizeof slot_memory_);
    new (&table_) SideTable<ModelSystem>;
    new (&slots_) SlotTable<ModelSystem>;
    slots_.set_memory(slot_memory_, kSlots);
    Random& random = scheduler.random;
    tuning_.handoff = handoff;
    tuning_.age = random.between(5, 80);
    tuning_.age_per_waiter = random.below(20);
    tuning_.in_flight = random.below(30);
    tuning_.late = random.below(60);
    tuning_.crowded = random.below(300);
    tuning_.loaded_factor = random.between(1, 3);
    tuning_.late_heir = random.below(300);
    tuning_.lock_spin = random.below(12);
    tuning_.wait_spin = random.below(12);
    tuning_.overtaking = random.between(20, 300);
    tuning_.can_spin = !random.one_in(5);
}

uint32_t ModelSystem::spawn(std::function<void()> body) {
    const Scheduler::Quiet quiet(scheduler);
    const uint32_t i = scheduler.spawn(std::move(body));
    Thread& thread = scheduler.thread(i);
    ModelSlot* slot = slots_.claim(thread.tid);
    if (slot == nullptr) scheduler.fail("model: no slot");
    const uint32_t kUrgencies[] = {20, 20, 20, 25, 110};
    slot->urgency.store(scheduler.random.one_of(kUrgencies));
    thread.slot = slot;
    return i;
}

bool ModelSystem::park(Atomic<uint32_t>& word, uint32_t expected, const Deadline* deadline) {
    scheduler.step(Op::kPark, &word);
    if (value_of(word) != expected) return true;
    return scheduler.sleep(&word, deadline != nullptr ? deadline->at : kNever, false);
}

// Cancellation acts at any time from entry to return, also when the thread was woken already.
bool ModelSystem::park_cancellable(Atomic<uint32_t>& word, uint32_t expected, const Deadline* deadline,
                                   void (*on_cancel)(void*), void* argument) {
    scheduler.step(Op::kPark, &word);
    bool is_in_time = true;
    if (!scheduler.must_cancel()) {
        if (value_of(word) == expected)
            is_in_time = scheduler.sleep(&word, deadline != nullptr ? deadline->at : kNever, true);
        scheduler.step(Op::kProgram, nullptr, false);
    }
    if (!scheduler.must_cancel()) return is_in_time;
    scheduler.start_cancel();
    on_cancel(argument);
    scheduler.leave_cancelled();
}

void ModelSystem::unpark(Atomic<uint32_t>& word) {
    scheduler.step(Op::kUnpark, &word, false);
    scheduler.wake_one(&word);
}

void ModelSystem::test_cancel() {
    scheduler.step(Op::kProgram, nullptr, false);
    if (!scheduler.must_cancel()) return;
    scheduler.start_cancel();
    scheduler.leave_cancelled();
}

// As LinuxSystem does it; a thread without cpu number may or may not run.
bool ModelSystem::may_run(const Slot<ModelSystem>& self, SlotId owner) {
    ModelSlot* slot = slots_.find(owner);
    if (slot == nullptr || slot->is_parked.load() != 0) return false;
    const uint32_t* own = self.cpu.load();
    if (own == nullptr) return !scheduler.random.one_in(4);
    slot->looking.fetch_add(1);
    const uint32_t* cpu = slot->cpu.load();
    if (cpu != nullptr) scheduler.step(Op::kLoad, cpu);
    const bool is_elsewhere = cpu == nullptr || *cpu != *own;
    slot->looking.fetch_sub(1);
    return is_elsewhere;
}

void ModelSystem::expect_idle() {
    const Scheduler::Quiet quiet(scheduler);
    for (uint32_t i = 0; i < kBuckets; i++) {
        if (!table_.bucket(i).lock.is_free()) scheduler.fail("bucket %u is locked at the end", i);
        if (table_.bucket(i).first_queue() != nullptr) scheduler.fail("bucket %u has a queue at the end", i);
    }
    for (uint32_t i = kFirstIndex; i < slots_.used(); i++) {
        const ModelSlot& slot = slots_.at(i);
        if (slot.nodes_used != 0) scheduler.fail("slot %u: %u nodes in use at the end", i, slot.nodes_used);
        if (slot.buckets_held != 0) scheduler.fail("slot %u: in a bucket section at the end", i);
        if (slot.ranks_held != 0) scheduler.fail("slot %u: holds ranks at the end", i);
        if (slot.owes_wakes) scheduler.fail("slot %u: owes wake-ups at the end", i);
        if (slot.active_on.load() != 0) scheduler.fail("slot %u: active_on at the end", i);
        if (slot.is_parked.load() != 0) scheduler.fail("slot %u: is_parked at the end", i);
        for (const ModelNode& node : slot.nodes)
            if (node.object.load() != 0) scheduler.fail("slot %u: a node names its object at the end", i);
    }
}

}  // namespace latchkey::model
