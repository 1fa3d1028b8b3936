// SPDX-License-Identifier: Apache-2.0
//
// Hand-over: threads of equal urgency that lock and unlock one mutex, nothing else. How often may a waiter be
// passed over once its turn has come? Once it has waited for longer than its patience allows at the worst,
// each release hands over, and only those ahead of it come first. fifo: those ahead of it, always.
#include <vector>

#include "tests/model/checked_mutex.h"
#include "tests/model/group.h"

namespace latchkey::model {

namespace {

Met passed("handoff", "waiters passed over by others"),
    due("handoff", "waiters that waited for longer than their patience"),
    by_two("handoff", "of these, let in after two others or more");

struct Waiting {
    SlotId id = 0;  // 0: does not wait
    bool is_due = false;
    uint32_t ahead = 0;  // when it queued (fifo), or when it became due
    uint32_t position = 0;
    uint32_t others = 0;  // that have got the mutex since
    uint32_t total = 0;
};

struct HandoffWorld {
    CheckedMutex mutex;
    Waiting waiting[kMostThreads];
    SlotId owner = 0;
};

// `id` has got the mutex.
void note_owner(HandoffWorld& world, SlotId id) {
    for (Waiting& waiting : world.waiting) {
        if (waiting.id == 0) continue;
        if (waiting.id != id) {
            waiting.others++;
            waiting.total++;
            // One more: a release that began to look before it was due, or queued.
            if (waiting.is_due && waiting.others > waiting.ahead + 1)
                scheduler.fail("slot id %x was passed over: %u got the mutex, %u were ahead of it",
                               waiting.id, waiting.others, waiting.ahead);
            continue;
        }
        if (waiting.total != 0) passed++;
        if (waiting.is_due) due++;
        if (waiting.is_due && waiting.others >= 2) by_two++;
        waiting = {};
    }
}

void look(HandoffWorld& world) {
    world.mutex.look();
    if (world.mutex.is_destroyed) return;
    const SlotId owner = world.mutex.mutex->owner();
    // The first one is being taken out and woken.
    if ((world.mutex.mutex->raw_word() & Mutex<ModelSystem>::kWaking) != 0)
        for (Waiting& waiting : world.waiting) waiting.is_due &= waiting.position != 0;
    if (owner != world.owner && owner != 0) note_owner(world, owner);
    world.owner = owner;
    auto& bucket = ModelSystem::table().bucket_of(world.mutex.mutex);
    if (!bucket.lock.is_free()) return;
    const Tuning& tuning = ModelSystem::tuning();
    const ModelNode* head = bucket.head(world.mutex.mutex);
    uint32_t ahead = 0;
    bool is_queued[kMostThreads] = {};
    bool are_overdue = true;  // it and all before it have waited for long enough
    for (const ModelNode* node = head; node != nullptr;
         node = node->next == head ? nullptr : node->next, ahead++) {
        const SlotId id = node->slot->id.load();
        const uint32_t index = (id & ((1u << kIndexBits) - 1)) - kFirstIndex;
        is_queued[index] = true;
        Waiting& waiting = world.waiting[index];
        waiting.id = id;
        are_overdue &= is_older(ModelSystem::now(), node->since, patience(tuning, kMostThreads, true));
        // One that was woken for nothing queues before it again, and may be younger.
        const bool is_due =
            tuning.handoff == Handoff::kFifo || (tuning.handoff == Handoff::kAged && are_overdue);
        if (ahead > waiting.position) waiting.ahead += ahead - waiting.position;
        waiting.position = ahead;
        if (waiting.is_due == is_due) continue;
        waiting.is_due = is_due;
        waiting.ahead = ahead;
        waiting.others = 0;
    }
    // Woken, and on its way: newcomers may pass it for some time (Tuning::in_flight). Perhaps it queues
    // again.
    for (uint32_t i = 0; i < kMostThreads; i++)
        if (!is_queued[i] && world.waiting[i].id != owner) world.waiting[i].is_due = false;
}

void work(HandoffWorld& world) {
    Random& random = scheduler.random;
    for (uint32_t turns = random.between(2, 6); turns != 0; turns--) {
        scheduler.expect(world.mutex.lock() == 0, "lock");
        for (uint32_t i = random.below(8); i != 0; i--) scheduler.program();
        scheduler.expect(world.mutex.unlock() == 0, "unlock");
        for (uint32_t i = random.below(4); i != 0; i--) scheduler.program();
    }
    world.mutex.drop();
}

}  // namespace

void run_handoff_schedule() {
    Random& random = scheduler.random;
    const Handoff kWithBound[] = {Handoff::kAged, Handoff::kAged, Handoff::kFifo};
    ModelSystem::restart(random.one_of(kWithBound));
    const uint32_t threads = random.between(3, 6);
    HandoffWorld world{CheckedMutex("m", ModelMutex::kNormal, threads), {}};
    for (uint32_t i = 0; i < threads; i++) {
        const uint32_t thread = ModelSystem::spawn([&world] { work(world); });
        const Scheduler::Quiet quiet(scheduler);
        static_cast<ModelSlot*>(scheduler.thread(thread).slot)->urgency.store(20);
    }
    scheduler.watch = [&world] { look(world); };
    if (!scheduler.run()) scheduler.fail("a wake-up was lost: nobody can go on");
    ModelSystem::expect_idle();
}

}  // namespace latchkey::model
