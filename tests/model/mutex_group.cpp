// SPDX-License-Identifier: Apache-2.0
//
// Mutexes of all kinds under all policies: locks with and without deadline, tries, recursion, unlocks by
// others, destruction by the last user.
#include <cerrno>
#include <vector>

#include "tests/model/checked_mutex.h"
#include "tests/model/group.h"

namespace latchkey::model {

namespace {

Met timed_out("mutex", "locks timed out"), handed("mutex", "handed over"),
    woken("mutex", "woken, then competed"), spun("mutex", "spun"), busy("mutex", "tries in vain"),
    foreign("mutex", "unlocked by another thread"), relocked("mutex", "locked again by the owner");

struct World {
    std::vector<CheckedMutex> mutexes;
    uint32_t working = 0;  // threads that may still leave a mutex to the janitor
};

void note(const Passage& passage) {
    if (passage.way == Way::kSpun) spun++;
    if (passage.way == Way::kWoken) woken++;
    if (passage.way == Way::kHanded) handed++;
}

// Holds it for a while; returns with it given back or left to the janitor.
void hold(World& world, size_t at) {
    Random& random = scheduler.random;
    CheckedMutex& mutex = world.mutexes[at];
    for (uint32_t i = random.below(3); i != 0; i--) scheduler.program();
    if (mutex.kind == ModelMutex::kErrorcheck && random.one_in(4))
        scheduler.expect(mutex.lock() == EDEADLK, "errorcheck: locked again by its owner");
    if (mutex.kind == ModelMutex::kRecursive && random.one_in(2)) {
        relocked++;
        scheduler.expect((random.one_in(2) ? mutex.lock() : mutex.try_lock()) == 0,
                         "recursive: not locked again");
        scheduler.expect(mutex.mutex->unlock(ModelSystem::self()) == 0, "recursive: inner unlock");
        scheduler.expect(mutex.mutex->is_own(ModelSystem::self()), "recursive: inner unlock gave it back");
    }
    if (at + 1 < world.mutexes.size() && random.one_in(4) && world.mutexes[at + 1].lock() == 0)
        hold(world, at + 1);
    if (mutex.kind == ModelMutex::kNormal && random.one_in(6)) {
        mutex.is_orphan = true;
        return;
    }
    scheduler.expect(mutex.unlock() == 0, "unlock by the owner failed");
}

void work(World& world) {
    Random& random = scheduler.random;
    for (uint32_t turns = random.between(1, 4); turns != 0; turns--) {
        const size_t at = random.below(static_cast<uint32_t>(world.mutexes.size()));
        CheckedMutex& mutex = world.mutexes[at];
        int error;
        switch (random.below(6)) {
            case 0:
                error = mutex.try_lock();
                if (error == EBUSY) busy++;
                break;
            case 1:
            case 2:
                error = mutex.lock(scheduler.now() + random.below(60));
                if (error == ETIMEDOUT) timed_out++;
                break;
            default:
                error = mutex.lock();
                scheduler.expect(error == 0, "a lock without deadline failed");
                note(mutex.passage);
        }
        if (error == 0)
            hold(world, at);
        else if (mutex.kind != ModelMutex::kNormal)
            scheduler.expect(mutex.mutex->unlock(ModelSystem::self()) == EPERM, "unlock without owning it");
    }
    world.working--;
    for (CheckedMutex& mutex : world.mutexes) mutex.drop();
}

// Gives back what others have left locked.
void tidy(World& world) {
    for (;;) {
        bool is_any = false;
        for (CheckedMutex& mutex : world.mutexes) {
            if (!mutex.is_orphan) continue;
            mutex.is_orphan = false;
            is_any = true;
            foreign++;
            mutex.unlock();
        }
        if (is_any) continue;
        if (world.working == 0) return;
        scheduler.await([&world] {
            for (const CheckedMutex& mutex : world.mutexes)
                if (mutex.is_orphan) return true;
            return world.working == 0;
        });
    }
}

}  // namespace

void run_mutex_schedule() {
    Random& random = scheduler.random;
    ModelSystem::restart(random_handoff());
    World world;
    const uint32_t threads = random.between(2, 5);
    const ModelMutex::Kind kKinds[] = {ModelMutex::kNormal, ModelMutex::kNormal, ModelMutex::kRecursive,
                                       ModelMutex::kErrorcheck};
    const char* const kNames[] = {"m0", "m1"};
    for (uint32_t i = random.between(1, 2); i != 0; i--)
        world.mutexes.emplace_back(kNames[world.mutexes.size()], random.one_of(kKinds), threads);
    world.working = threads;
    for (uint32_t i = 0; i < threads; i++) ModelSystem::spawn([&world] { work(world); });
    ModelSystem::spawn([&world] { tidy(world); });
    scheduler.watch = [&world] {
        for (CheckedMutex& mutex : world.mutexes) mutex.look();
    };
    if (!scheduler.run()) scheduler.fail("a wake-up was lost: nobody can go on");
    for (const CheckedMutex& mutex : world.mutexes)
        scheduler.expect(mutex.is_destroyed, "a mutex was not destroyed");
    ModelSystem::expect_idle();
}

}  // namespace latchkey::model
