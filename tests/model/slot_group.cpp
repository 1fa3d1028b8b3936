// SPDX-License-Identifier: Apache-2.0
//
// Thread slots: claimed by one thread at a time, used again with another id once the kernel thread is gone,
// never before; nobody looks at a thread's memory after release().
#include <cerrno>
#include <vector>

#include "tests/model/group.h"

namespace latchkey::model {

namespace {

Met reused("slot", "slots used again"), had_none("slot", "times no slot was free"),
    tid_again("slot", "threads with the kernel id of one that has ended"),
    looked("slot", "looks at another thread's cpu"),
    left_locked("slot", "threads that ended with a mutex locked");

struct SlotWorld {
    ModelMutex* mutex;  // recursive
    ModelMutex* left;   // recursive; a thread ends with it locked
    SlotId left_by = 0;
    std::vector<SlotId> claimed;  // every id there was
    uint32_t to_start = 0;
};

// What a thread's memory holds: gone once it has released its slot.
struct Cpu {
    uint32_t number;
};

ModelSlot& attach(SlotWorld& world) {
    Thread& thread = scheduler.current();
    ModelSlot* slot;
    while ((slot = ModelSystem::slots().claim(thread.tid)) == nullptr) {
        had_none++;
        ModelSystem::yield();
    }
    const Scheduler::Quiet quiet(scheduler);
    for (uint32_t i = 0; i < scheduler.count(); i++)
        if (scheduler.thread(i).slot == slot && !scheduler.thread(i).is_finished)
            scheduler.fail("the slot of thread %c was claimed by thread %c", 'A' + i,
                           'A' + scheduler.current_index());
    thread.slot = slot;
    const SlotId id = slot->id.load();
    if (id == 0 || (id & ((1u << kIndexBits) - 1)) < kFirstIndex) scheduler.fail("slot id %x", id);
    for (const SlotId other : world.claimed) {
        if (other == id) scheduler.fail("slot id %x was given twice", id);
        if ((other ^ id) << (32 - kIndexBits) != 0) continue;
        reused++;
        if (ModelSystem::slots().find(other) != nullptr)
            scheduler.fail("slot id %x of a thread that is gone is found", other);
    }
    world.claimed.push_back(id);
    scheduler.expect(slot->tid.load() == thread.tid, "a slot names another thread");
    scheduler.expect(ModelSystem::slots().find(id) == slot, "a thread is not found by its slot id");
    return *slot;
}

void live(SlotWorld& world) {
    Random& random = scheduler.random;
    Cpu* cpu = scheduler.make<Cpu>("cpu", Cpu{random.below(2)});
    ModelSlot& self = attach(world);
    if (!random.one_in(4)) self.cpu.store(&cpu->number);
    for (uint32_t turns = random.below(4); turns != 0; turns--) {
        if (random.one_in(2)) {
            SlotId other;
            {
                const Scheduler::Quiet quiet(scheduler);
                other = world.claimed[random.below(static_cast<uint32_t>(world.claimed.size()))];
            }
            looked++;
            ModelSystem::may_run(self, other);
            continue;
        }
        Passage passage;
        scheduler.expect(world.mutex->lock(self, nullptr, passage) == 0, "lock");
        scheduler.expect(world.mutex->try_lock(self) == 0, "recursive lock");
        scheduler.expect(world.mutex->unlock(self) == 0 && world.mutex->unlock(self) == 0, "unlock");
    }
    if (random.one_in(3)) {
        const int error = world.left->try_lock(self);
        if (world.left_by != 0)
            scheduler.expect(error == EBUSY, "a mutex that an ended thread held was taken");
        if (error == 0) {
            left_locked++;
            world.left_by = self.id.load();
        }
    }
    SlotTable<ModelSystem>::release(self);
    scheduler.destroy(cpu);
    // Its last destructors may still lock.
    if (random.one_in(2)) {
        Passage passage;
        scheduler.expect(world.mutex->lock(self, nullptr, passage) == 0, "lock of an ending thread");
        scheduler.program();
        scheduler.expect(world.mutex->unlock(self) == 0, "unlock of an ending thread");
    }
}

void start_one(SlotWorld& world) {
    const uint32_t i = scheduler.spawn([&world] {
        live(world);
        if (world.to_start != 0) {
            world.to_start--;
            start_one(world);
        }
    });
    for (uint32_t n = 0; n < i; n++) {
        if (scheduler.is_alive(scheduler.thread(n).tid) || !scheduler.random.one_in(3)) continue;
        scheduler.thread(i).tid = scheduler.thread(n).tid;
        tid_again++;
        break;
    }
}

}  // namespace

void run_slot_schedule() {
    Random& random = scheduler.random;
    ModelSystem::restart(random_handoff());
    const uint32_t threads = random.between(2, 4);
    // As many slots as threads at a time, or less: then threads wait for each other's end.
    ModelSystem::slots().set_memory(ModelSystem::slot_memory_,
                                    kFirstIndex + random.between(threads - 1, threads));
    SlotWorld world{scheduler.make<ModelMutex>("m", ModelMutex::kRecursive),
                    scheduler.make<ModelMutex>("left", ModelMutex::kRecursive),
                    0,
                    {}};
    world.to_start = random.below(kMostThreads - threads);
    for (uint32_t i = 0; i < threads; i++) start_one(world);
    if (!scheduler.run()) scheduler.fail("nobody can go on");
    const Scheduler::Quiet quiet(scheduler);
    scheduler.expect(world.mutex->raw_word() == 0, "the mutex is not free at the end");
    ModelSystem::expect_idle();
}

}  // namespace latchkey::model
