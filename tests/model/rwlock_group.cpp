// SPDX-License-Identifier: Apache-2.0
//
// Read-write locks of both kinds under all policies: with and without deadline, tries, recursion of readers,
// destruction by the last user.
#include <cerrno>
#include <vector>

#include "tests/model/group.h"

namespace latchkey::model {

namespace {

Met timed_out("rwlock", "locks timed out"), handed("rwlock", "handed over or admitted"),
    woken("rwlock", "woken, then competed"), busy("rwlock", "tries in vain"),
    shared("rwlock", "times several readers were inside"), nested("rwlock", "read-locked again by a reader");

struct RwLockWorld {
    ModelRwLock* lock;
    bool prefers_writers;
    uint32_t users;
    uint32_t readers = 0;
    int writer = -1;
    uint32_t last_word = 0;
    bool is_destroyed = false;
};

using Word = ModelRwLock;

void enter(RwLockWorld& world, bool writes) {
    if (world.writer != -1) scheduler.fail("inside with a writer: %c", 'A' + world.writer);
    if (writes && world.readers != 0) scheduler.fail("a writer inside with %u readers", world.readers);
    if (writes)
        world.writer = static_cast<int>(scheduler.current_index());
    else if (++world.readers > 1)
        shared++;
}

void unlock(RwLockWorld& world, bool writes) {
    if (writes)
        world.writer = -1;
    else
        world.readers--;
    world.lock->unlock(ModelSystem::self());
}

// True: taken. deadline: kNever or a point in time.
bool take(RwLockWorld& world, bool writes, uint64_t deadline) {
    const ModelDeadline until{deadline};
    const ModelDeadline* limit = deadline == kNever ? nullptr : &until;
    ModelSlot& self = ModelSystem::self();
    Passage passage;
    const int error =
        writes ? world.lock->write(self, limit, passage) : world.lock->read(self, limit, passage);
    if (error == ETIMEDOUT) {
        timed_out++;
        scheduler.expect(scheduler.now() >= deadline, "a lock timed out before its deadline");
        return false;
    }
    scheduler.expect(error == 0, "a lock failed");
    if (passage.way == Way::kHanded) handed++;
    if (passage.way == Way::kWoken) woken++;
    enter(world, writes);
    return true;
}

bool try_take(RwLockWorld& world, bool writes) {
    const int error = writes ? world.lock->try_write(ModelSystem::self()) : world.lock->try_read();
    if (error == EBUSY) busy++;
    if (error == 0) enter(world, writes);
    return error == 0;
}

void hold(RwLockWorld& world, bool writes) {
    Random& random = scheduler.random;
    for (uint32_t i = random.below(4); i != 0; i--) scheduler.program();
    Passage passage;
    if (writes && random.one_in(4)) {
        scheduler.expect(world.lock->write(ModelSystem::self(), nullptr, passage) == EDEADLK,
                         "write-locked twice");
        scheduler.expect(world.lock->read(ModelSystem::self(), nullptr, passage) == EDEADLK,
                         "read-locked by its writer");
    }
    if (!writes && !world.prefers_writers && random.one_in(4)) {
        nested++;
        take(world, false, kNever);
        scheduler.program();
        unlock(world, false);
    }
    unlock(world, writes);
}

void work(RwLockWorld& world) {
    Random& random = scheduler.random;
    for (uint32_t turns = random.between(1, 4); turns != 0; turns--) {
        const bool writes = random.one_in(2);
        const uint32_t how = random.below(5);
        const bool is_taken =
            how == 0 ? try_take(world, writes)
                     : take(world, writes, how <= 2 ? scheduler.now() + random.below(60) : kNever);
        if (is_taken) hold(world, writes);
    }
    take(world, true, kNever);
    const bool is_last = --world.users == 0;
    unlock(world, true);
    if (!is_last) return;
    world.is_destroyed = true;
    scheduler.destroy(world.lock);
}

// Before each step.
void look(RwLockWorld& world) {
    if (world.is_destroyed) return;
    const uint32_t word = world.lock->raw_word();
    if ((word & Word::kWriter) != 0 && (word & Word::kReaders) != 0)
        scheduler.fail("word %x: readers and a writer", word);
    if (world.prefers_writers && (world.last_word & (Word::kWriterWaits | Word::kWaking)) != 0 &&
        (word & Word::kReaders) > (world.last_word & Word::kReaders))
        scheduler.fail("writers preferred: a reader was let in while a writer waits");
    world.last_word = word;
    if (!ModelSystem::table().bucket_of(world.lock).lock.is_free()) return;
    const ModelNode* head = ModelSystem::table().bucket_of(world.lock).head(world.lock);
    const bool may_read =
        (word & Word::kWriter) == 0 && (!world.prefers_writers || (word & Word::kWriterWaits) == 0);
    uint32_t nodes = 0, writers = 0;
    for (const ModelNode* node = head; node != nullptr; node = node->next == head ? nullptr : node->next) {
        const uint32_t state = node->state.load() & kNodeState;
        if (state != kQueued || node->next->prev != node || ++nodes > kMostThreads * kNodes)
            scheduler.fail("INV-TABLE-1: a node of the queue is in state %u", state);
        writers += node->waits_for == WaitsFor::kWriting;
    }
    if (head != nullptr && head->length != nodes)
        scheduler.fail("INV-TABLE-1: length %u of a queue of %u", head->length, nodes);
    if ((nodes != 0) != ((word & Word::kWaiters) != 0) ||
        (writers != 0) != ((word & Word::kWriterWaits) != 0))
        scheduler.fail("INV-RW-1: word %x, %u in the queue, %u of them writers", word, nodes, writers);
    if (nodes != writers && may_read && (word & Word::kWaking) == 0)
        scheduler.fail("word %x: a reader waits for nothing", word);
    bool is_woken = false;
    for (uint32_t i = kFirstIndex; i < ModelSystem::slots().used(); i++)
        for (const ModelNode& node : ModelSystem::slots().at(i).nodes)
            is_woken |= node.object.load() == reinterpret_cast<uintptr_t>(world.lock) &&
                        (node.state.load() & kNodeState) >= kMoving;
    if ((word & Word::kWaking) != 0 && !is_woken) scheduler.fail("INV-RW-2: kWaking stands for nobody");
    if ((word & Word::kHeld) == 0 && nodes != 0 && (word & Word::kWaking) == 0)
        scheduler.fail("INV-RW-3: free, with waiters, and nobody is on the way");
}

}  // namespace

void run_rwlock_schedule() {
    Random& random = scheduler.random;
    ModelSystem::restart(random_handoff());
    const bool prefers_writers = random.one_in(2);
    const uint32_t threads = random.between(2, 6);
    RwLockWorld world{scheduler.make<ModelRwLock>("rw", prefers_writers), prefers_writers, threads};
    for (uint32_t i = 0; i < threads; i++) ModelSystem::spawn([&world] { work(world); });
    scheduler.watch = [&world] { look(world); };
    if (!scheduler.run()) scheduler.fail("a wake-up was lost: nobody can go on");
    scheduler.expect(world.is_destroyed, "the lock was not destroyed");
    ModelSystem::expect_idle();
}

}  // namespace latchkey::model
