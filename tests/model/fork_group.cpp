// SPDX-License-Identifier: Apache-2.0
//
// Fork, in the child: at some step all threads but the one that forked are gone, wherever they were. What
// they did not hold must be as good as new, for the survivor and for new threads.
#include <cerrno>
#include <utility>
#include <vector>

#include "tests/model/checked_mutex.h"
#include "tests/model/group.h"

namespace latchkey::model {

namespace {

Met asleep("fork", "threads gone while they slept"), busy("fork", "threads gone while they ran"),
    lost("fork", "locks held by a thread that is gone"), cleaned("fork", "words that lost flags"),
    holding("fork", "forks while holding a mutex"),
    reused("fork", "slots of threads that are gone used again");

struct ForkWorld {
    std::vector<CheckedMutex> mutexes;
    ModelCondvar* condvar;
    ModelRwLock* rwlock;
    bool is_movable;
    bool is_condvar_gone = false;
    bool may_count_more = false;
    bool is_rwlock_lost = false;
};

// With mutex 0 held, as each signal and each broadcast here: so that none is under way when the condvar goes.
void use_condvar(ForkWorld& world, bool may_close) {
    Random& random = scheduler.random;
    CheckedMutex& mutex = world.mutexes[0];
    scheduler.expect(mutex.lock() == 0, "lock of a condvar's mutex");
    bool closes = false;
    if (world.is_condvar_gone) {
        scheduler.program();
    } else if (random.one_in(2)) {
        const ModelDeadline deadline{scheduler.now() + random.below(120)};
        Passage passage;
        const int result =
            world.condvar->wait(ModelSystem::self(), mutex.of_wait(world.is_movable), &deadline, passage);
        scheduler.expect(result == 0 || result == ETIMEDOUT, "a wait failed");
        mutex.entered_again();
    } else if (may_close && random.one_in(4)) {
        closes = world.is_condvar_gone = true;
        world.condvar->broadcast(ModelSystem::self());
    } else if (random.one_in(2)) {
        world.condvar->signal(ModelSystem::self());
    } else {
        world.condvar->broadcast(ModelSystem::self());
    }
    scheduler.expect(mutex.unlock() == 0, "unlock of a condvar's mutex");
    if (closes) scheduler.destroy(world.condvar);
}

void use_rwlock(ForkWorld& world) {
    Random& random = scheduler.random;
    const ModelDeadline deadline{scheduler.now() + random.below(100)};
    const ModelDeadline* limit = random.one_in(2) ? &deadline : nullptr;
    ModelSlot& self = ModelSystem::self();
    Passage passage;
    const int error = random.one_in(2) ? world.rwlock->write(self, limit, passage)
                                       : world.rwlock->read(self, limit, passage);
    if (error == ETIMEDOUT) return;
    scheduler.expect(error == 0, "a lock failed");
    scheduler.program();
    world.rwlock->unlock(self);
}

// Is a thread in the middle of leaving the condvar's queue? The child's count may then be too high.
bool is_leaving_condvar(const ForkWorld& world) {
    const Scheduler::Quiet quiet(scheduler);
    for (uint32_t i = kFirstIndex; i < ModelSystem::slots().used(); i++) {
        const ModelSlot& slot = ModelSystem::slots().at(i);
        const ModelNode& node = slot.nodes[0];
        if (slot.buckets_held != 0 && node.object.load() == reinterpret_cast<uintptr_t>(world.condvar) &&
            node.state.load() == kSignalled)
            return true;
    }
    return false;
}

// In the child: what threads held that are gone stays held; everything else has lost its flags.
void look_around(ForkWorld& world) {
    const Scheduler::Quiet quiet(scheduler);
    const SlotId survivor = ModelSystem::self().id.load();
    for (CheckedMutex& mutex : world.mutexes) {
        const uint32_t word = mutex.mutex->raw_word();
        if (word != (word & kIdMask)) scheduler.fail("in the child: the word of a mutex is %x", word);
        mutex.forget_others();
        lost += mutex.is_lost;
        if (word != 0 && word != survivor)
            scheduler.expect(mutex.is_lost, "model: a mutex that is held is not lost");
    }
    if (!world.is_condvar_gone && !world.may_count_more && world.condvar->has_waiters())
        scheduler.fail("in the child: a condvar without waiters counts some");
    const uint32_t word = world.rwlock->raw_word();
    if ((word & ~ModelRwLock::kHeld) != 0) scheduler.fail("in the child: the word of a rwlock is %x", word);
    world.is_rwlock_lost = word != 0;
    lost += world.is_rwlock_lost;
}

void fork_here(ForkWorld& world) {
    for (uint32_t i = 1; i < scheduler.count(); i++) {
        const Thread& thread = scheduler.thread(i);
        if (!thread.is_finished) (thread.asleep_on != nullptr ? asleep : busy)++;
    }
    for (const CheckedMutex& mutex : world.mutexes) {
        const Scheduler::Quiet quiet(scheduler);
        if ((mutex.mutex->raw_word() & ~kIdMask) != 0) cleaned++;
    }
    world.may_count_more = is_leaving_condvar(world);
    scheduler.freeze_others();
    const uint32_t tid = scheduler.new_tid();
    const auto watch = std::exchange(scheduler.watch, nullptr);
    reset_family_in_child(ModelSystem::slots(), &ModelSystem::self(), tid);
    look_around(world);
    scheduler.watch = watch;
}

void work(ForkWorld& world, uint32_t turns, uint32_t forks_at);

// The survivor starts threads of its own.
void go_on(ForkWorld& world) {
    const uint32_t slots_before = ModelSystem::slots().used();
    for (uint32_t i = scheduler.random.below(3); i != 0; i--)
        ModelSystem::spawn([&world] { work(world, scheduler.random.between(1, 4), ~0u); });
    if (ModelSystem::slots().used() == slots_before) reused++;
}

// One of a thread's turns. forks: it does so outside of all locks, or while it holds a mutex.
void act(ForkWorld& world, bool forks) {
    Random& random = scheduler.random;
    if (forks && random.one_in(2)) {
        fork_here(world);
        go_on(world);
        return;
    }
    if (!forks && random.one_in(3) && !world.is_rwlock_lost) return use_rwlock(world);
    if (!forks && random.one_in(2) && !world.mutexes[0].is_lost) return use_condvar(world, true);
    CheckedMutex& mutex = world.mutexes[random.below(static_cast<uint32_t>(world.mutexes.size()))];
    if (mutex.is_lost) {
        scheduler.expect(mutex.try_lock() == EBUSY, "a mutex of a thread that is gone was taken");
        scheduler.expect(mutex.lock(scheduler.now() + random.below(60)) == ETIMEDOUT,
                         "a lost mutex was taken");
        return;
    }
    if (mutex.lock(random.one_in(3) && !forks ? scheduler.now() + random.below(60) : kNever) != 0) return;
    for (uint32_t i = random.below(4); i != 0; i--) scheduler.program();
    if (forks) {
        holding++;
        fork_here(world);
        go_on(world);
    }
    scheduler.expect(mutex.unlock() == 0, "unlock failed");
}

void work(ForkWorld& world, uint32_t turns, uint32_t forks_at) {
    for (uint32_t turn = 0; turn < turns; turn++) act(world, turn == forks_at);
}

}  // namespace

void run_fork_schedule() {
    Random& random = scheduler.random;
    ModelSystem::restart(random_handoff());
    ForkWorld world{{},
                    scheduler.make<ModelCondvar>("c"),
                    scheduler.make<ModelRwLock>("rw", random.one_in(2)),
                    !random.one_in(3)};
    const char* const kNames[] = {"m0", "m1"};
    for (const char* name : kNames) world.mutexes.emplace_back(name, ModelMutex::kNormal, ~0u);
    const uint32_t forks_at = random.below(3);
    ModelSystem::spawn([&] { work(world, forks_at + 1 + random.between(1, 3), forks_at); });
    for (uint32_t i = random.between(1, 4); i != 0; i--)
        ModelSystem::spawn([&world] { work(world, 6, ~0u); });
    scheduler.watch = [&world] {
        for (CheckedMutex& mutex : world.mutexes) mutex.look();
    };
    if (!scheduler.run()) scheduler.fail("a wake-up was lost: nobody can go on");
    const Scheduler::Quiet quiet(scheduler);
    for (const CheckedMutex& mutex : world.mutexes)
        if (!mutex.is_lost) mutex.expect_free();
    if (!world.is_condvar_gone && !world.may_count_more)
        scheduler.expect(!world.condvar->has_waiters(), "a condvar counts waiters at the end");
    if (!world.is_rwlock_lost)
        scheduler.expect(world.rwlock->raw_word() == 0, "a rwlock is not free at the end");
    ModelSystem::expect_idle();
}

}  // namespace latchkey::model
