// SPDX-License-Identifier: Apache-2.0
//
// Signal handlers that use the family, at any step of threads that are inside it themselves: with a second
// node, or without any where they have interrupted a bucket section. A program that shares an object between
// handlers and threads masks the signal while a thread uses it, so here.
#include <cerrno>

#include "tests/model/checked_mutex.h"
#include "tests/model/group.h"

namespace latchkey::model {

namespace {

Met outside("signal", "handlers outside the runtime"),
    in_section("signal", "handlers that interrupted a bucket section"),
    nested("signal", "handlers within handlers"), no_node("signal", "handlers without a node"),
    owed("signal", "wake-ups owed"), timed_out("signal", "locks of a handler timed out"),
    taken("signal", "items of handlers taken"), waited("signal", "waits of handlers");

struct SignalWorld {
    CheckedMutex plain;   // of the threads alone
    CheckedMutex shared;  // also the handlers'; guards `items`
    ModelCondvar* condvar;
    ModelCondvar* plain_condvar;
    ModelRwLock* rwlock;  // the handlers' and the threads'
    bool is_movable;
    uint32_t items = 0;
    uint32_t putting = 0;  // threads that may still have handlers
    uint32_t readers = 0;
    uint32_t writers = 0;
    bool is_closed = false;
};

// is_bounded: waits, if at all, until a deadline.
void use_rwlock(SignalWorld& world, bool is_bounded) {
    Random& random = scheduler.random;
    ModelSlot& self = ModelSystem::self();
    const bool writes = random.one_in(2);
    const ModelDeadline deadline{scheduler.now() + random.below(80)};
    Passage passage;
    int error;
    const ModelDeadline* limit = is_bounded || random.one_in(2) ? &deadline : nullptr;
    if (random.one_in(3))
        error = writes ? world.rwlock->try_write(self) : world.rwlock->try_read();
    else
        error = writes ? world.rwlock->write(self, limit, passage) : world.rwlock->read(self, limit, passage);
    if (error != 0) {
        scheduler.expect(error == EBUSY || error == ETIMEDOUT, "a rwlock failed");
        return;
    }
    scheduler.expect(world.writers == 0 && (!writes || world.readers == 0), "rwlock: inside with a writer");
    (writes ? world.writers : world.readers)++;
    scheduler.program();
    (writes ? world.writers : world.readers)--;
    world.rwlock->unlock(self);
}

// On top of another handler, which may hold any of the handlers' objects.
void handle_nested(SignalWorld& world) {
    nested++;
    if (scheduler.random.one_in(2)) {
        world.plain_condvar->broadcast(ModelSystem::self());
        return;
    }
    if (world.shared.try_lock() != 0) return;
    scheduler.current().is_masked = true;
    scheduler.program();
    scheduler.expect(world.shared.unlock() == 0, "unlock in a nested handler");
    scheduler.current().is_masked = false;
}

void handle(SignalWorld& world) {
    Random& random = scheduler.random;
    const ModelSlot& self = ModelSystem::self();
    if (scheduler.current().is_outside) outside++;
    if (self.buckets_held != 0) in_section++;
    if (self.nodes_used == kNodes) no_node++;
    if (scheduler.current().handler_depth > 1) return handle_nested(world);
    if (random.one_in(3)) {
        scheduler.current().is_masked = true;
        use_rwlock(world, true);
        scheduler.current().is_masked = false;
        return;
    }
    int error;
    // Without end it may wait only where it has not interrupted the runtime: who holds the mutex may need the
    // bucket that is locked here to give it back, or has become its owner and is still to be woken from here.
    const bool is_outside = scheduler.current().is_outside;
    switch (random.below(is_outside ? 3 : 2)) {
        case 0:
            error = world.shared.try_lock();
            break;
        case 1:
            error = world.shared.lock(scheduler.now() + random.below(80));
            if (error == ETIMEDOUT) timed_out++;
            break;
        default:
            error = world.shared.lock();
            scheduler.expect(error == 0, "a lock without deadline failed");
    }
    if (error != 0) return;
    scheduler.current().is_masked = random.one_in(2);
    if (is_outside && random.one_in(3)) {
        waited++;
        const ModelDeadline deadline{scheduler.now() + random.below(40)};
        Passage passage;
        error = world.condvar->wait(ModelSystem::self(), world.shared.of_wait(world.is_movable), &deadline,
                                    passage);
        scheduler.expect(error == 0 || error == ETIMEDOUT, "a wait of a handler failed");
        world.shared.entered_again();
        // It may have had a signal that was meant for a thread.
        world.condvar->broadcast(ModelSystem::self());
    } else {
        world.items++;
        if (random.one_in(3))
            world.condvar->broadcast(ModelSystem::self());
        else
            world.condvar->signal(ModelSystem::self());
    }
    scheduler.expect(world.shared.unlock() == 0, "unlock in a handler");
    if (self.owes_wakes) owed++;
    scheduler.current().is_masked = false;
}

void use_plain(SignalWorld& world) {
    Random& random = scheduler.random;
    if (world.plain.lock(random.one_in(3) ? scheduler.now() + random.below(60) : kNever) != 0) return;
    scheduler.program();
    if (random.one_in(4)) {
        const ModelDeadline deadline{scheduler.now() + random.below(60)};
        Passage passage;
        const int error =
            world.plain_condvar->wait(ModelSystem::self(), world.plain.of_wait(true), &deadline, passage);
        scheduler.expect(error == 0 || error == ETIMEDOUT, "a wait failed");
        world.plain.entered_again();
    } else if (random.one_in(2)) {
        world.plain_condvar->broadcast(ModelSystem::self());
    }
    scheduler.expect(world.plain.unlock() == 0, "unlock failed");
}

void take_item(SignalWorld& world) {
    scheduler.current().is_masked = true;
    scheduler.expect(world.shared.lock() == 0, "lock of a consumer");
    while (world.items == 0 && !world.is_closed) {
        Passage passage;
        scheduler.expect(world.condvar->wait(ModelSystem::self(), world.shared.of_wait(world.is_movable),
                                             nullptr, passage) == 0,
                         "a wait failed");
        world.shared.entered_again();
    }
    if (world.items != 0) {
        world.items--;
        taken++;
    }
    scheduler.expect(world.shared.unlock() == 0, "unlock of a consumer");
    scheduler.current().is_masked = false;
}

void work(SignalWorld& world) {
    Random& random = scheduler.random;
    for (uint32_t turns = random.between(2, 5); turns != 0; turns--) {
        switch (random.below(6)) {
            case 0:
                scheduler.current().is_masked = true;
                use_rwlock(world, false);
                scheduler.current().is_masked = false;
                break;
            case 1:
                if (random.one_in(2)) {
                    take_item(world);
                    break;
                }
                [[fallthrough]];
            default:
                use_plain(world);
        }
    }
}

}  // namespace

void run_signal_schedule() {
    Random& random = scheduler.random;
    ModelSystem::restart(random_handoff());
    SignalWorld world{CheckedMutex("plain", ModelMutex::kNormal, ~0u),
                      CheckedMutex("shared", ModelMutex::kNormal, ~0u),
                      scheduler.make<ModelCondvar>("c"),
                      scheduler.make<ModelCondvar>("plain_c"),
                      scheduler.make<ModelRwLock>("rw", random.one_in(2)),
                      !random.one_in(3)};
    world.shared.is_strict = false;  // a handler without a node takes and gives it without the queue
    for (uint32_t i = random.between(2, 5); i != 0; i--) {
        const uint32_t thread = ModelSystem::spawn([&world] { work(world); });
        scheduler.thread(thread).handler = [&world] { handle(world); };
        scheduler.thread(thread).handlers_left = random.below(5);
    }
    const uint32_t kRates[] = {5, 20, 80};
    scheduler.handler_rate = random.one_of(kRates);
    scheduler.watch = [&world] {
        world.plain.look();
        world.shared.look();
    };
    if (!scheduler.run()) {
        if (world.items != 0)
            scheduler.fail("a wake-up was lost: nobody can go on, with %u items", world.items);
        ModelSystem::spawn([&world] {
            scheduler.expect(world.shared.lock() == 0, "lock before closing");
            world.is_closed = true;
            world.condvar->broadcast(ModelSystem::self());
            scheduler.expect(world.shared.unlock() == 0, "unlock after closing");
        });
        if (!scheduler.run()) scheduler.fail("a wake-up was lost: nobody can go on");
    }
    const Scheduler::Quiet quiet(scheduler);
    world.plain.expect_free();
    world.shared.expect_free();
    scheduler.expect(world.rwlock->raw_word() == 0, "the rwlock is not free at the end");
    scheduler.expect(!world.condvar->has_waiters() && !world.plain_condvar->has_waiters(),
                     "a condvar counts waiters");
    ModelSystem::expect_idle();
}

}  // namespace latchkey::model
