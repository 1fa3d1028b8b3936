// SPDX-License-Identifier: Apache-2.0
//
// A condvar as programs use it: items between producers and consumers, some of which give up or are
// cancelled. It is destroyed right after the last broadcast, the mutex right after its last unlock.
#include <cerrno>

#include "tests/model/checked_mutex.h"
#include "tests/model/group.h"

namespace latchkey::model {

namespace {

Met cancelled("queue", "consumers cancelled"), took_late("queue", "items taken after a time-out"),
    gave_up("queue", "consumers that gave up"), by_waiter("queue", "condvars destroyed by their last waiter"),
    moved_at_last("queue", "waiters that the last broadcast moved");

struct QueueWorld {
    CheckedMutex mutex;
    ModelCondvar* condvar;
    bool is_movable;
    uint32_t items = 0;
    uint32_t producing = 0;
    bool is_closed = false;
    uint32_t last_waiters = 0;  // those that the last broadcast moves, of whom the last destroys the condvar
};

// Takes one item; false: no more.
bool take_item(QueueWorld& world) {
    Random& random = scheduler.random;
    const bool is_timed = random.one_in(3);
    const ModelDeadline deadline{scheduler.now() + random.below(100)};
    scheduler.expect(world.mutex.lock() == 0, "lock of a consumer");
    bool is_late = false;
    while (world.items == 0 && !world.is_closed && !is_late) {
        const auto mutex = world.mutex.of_wait(world.is_movable);
        Passage passage;
        int result = 0;
        const bool was_cancelled = scheduler.cancellable([&] {
            result = world.condvar->wait(ModelSystem::self(), mutex, is_timed ? &deadline : nullptr, passage);
        });
        world.mutex.entered_again();
        if (was_cancelled) {
            cancelled++;
            world.mutex.drop_held();
            return false;
        }
        is_late = result == ETIMEDOUT;
        if (world.is_closed && world.last_waiters != 0 && --world.last_waiters == 0) {
            by_waiter++;
            scheduler.destroy(world.condvar);
        }
    }
    if (world.items != 0) {
        world.items--;
        if (is_late) took_late++;
        scheduler.expect(world.mutex.unlock() == 0, "unlock of a consumer");
        return true;
    }
    if (is_late) gave_up++;
    world.mutex.drop_held();
    return false;
}

void put_items(QueueWorld& world) {
    Random& random = scheduler.random;
    for (uint32_t turns = random.between(1, 4); turns != 0; turns--) {
        for (uint32_t i = random.below(10); i != 0; i--) scheduler.program();
        const bool is_inside = random.one_in(2);
        scheduler.expect(world.mutex.lock() == 0, "lock of a producer");
        world.items++;
        if (is_inside) world.condvar->signal(ModelSystem::self());
        scheduler.expect(world.mutex.unlock() == 0, "unlock of a producer");
        if (!is_inside) world.condvar->signal(ModelSystem::self());
    }
    world.producing--;
    world.mutex.drop();
}

// Nobody will signal or begin to wait after this: the condvar goes at once.
void close(QueueWorld& world) {
    scheduler.await([&world] { return world.producing == 0; });
    const bool is_inside = scheduler.random.one_in(2);
    const bool is_waiters = world.last_waiters != 0;
    scheduler.expect(world.mutex.lock() == 0, "lock before closing");
    world.is_closed = true;
    if (is_inside) moved_at_last += world.condvar->broadcast(ModelSystem::self());
    scheduler.expect(world.mutex.unlock() == 0, "unlock after closing");
    if (!is_inside) moved_at_last += world.condvar->broadcast(ModelSystem::self());
    if (!is_waiters) scheduler.destroy(world.condvar);
    world.mutex.drop();
}

}  // namespace

void run_queue_schedule() {
    Random& random = scheduler.random;
    ModelSystem::restart(random_handoff());
    const uint32_t consumers = random.between(1, 4), producers = random.between(1, 2);
    const bool closes_late = random.one_in(2);
    QueueWorld world{CheckedMutex("m", ModelMutex::kNormal, consumers + producers + 1),
                     scheduler.make<ModelCondvar>("c"), !random.one_in(3)};
    world.producing = producers;
    for (uint32_t i = 0; i < consumers; i++)
        ModelSystem::spawn([&world] {
            while (take_item(world)) {
            }
        });
    for (uint32_t i = 0; i < producers; i++) ModelSystem::spawn([&world] { put_items(world); });
    if (random.one_in(2)) ModelSystem::spawn([consumers] { scheduler.cancel_some(consumers); });
    scheduler.watch = [&world] { world.mutex.look(); };
    if (closes_late) {
        if (!scheduler.run() && world.items != 0)
            scheduler.fail("a signal was lost: %u items, and a consumer sleeps", world.items);
        for (uint32_t i = 0; i < scheduler.count(); i++)
            if (!scheduler.thread(i).is_finished && i >= consumers)
                scheduler.fail("a wake-up was lost: a producer sleeps");
        // All that are left wait in the condvar's queue.
        if (random.one_in(2))
            for (uint32_t i = 0; i < consumers; i++) world.last_waiters += !scheduler.thread(i).is_finished;
    }
    ModelSystem::spawn([&world] { close(world); });
    if (!scheduler.run()) scheduler.fail("a wake-up was lost: nobody can go on");
    scheduler.expect(world.mutex.is_destroyed, "the mutex was not destroyed");
    ModelSystem::expect_idle();
}

}  // namespace latchkey::model
