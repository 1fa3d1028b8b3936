// SPDX-License-Identifier: Apache-2.0
//
// Condvars: keeps accounts of waits and signals, with and without the mutex held, with time-outs,
// cancellation and unlocks that fail.
#include <cerrno>
#include <vector>

#include "tests/model/accounts.h"
#include "tests/model/checked_mutex.h"
#include "tests/model/group.h"

namespace latchkey::model {

namespace {

Met timed_out("condvar", "waits timed out"), cancelled("condvar", "waits cancelled"),
    failed("condvar", "waits whose unlock failed"), left_asleep("condvar", "waits that nobody signalled"),
    requeued_woken("condvar", "moved to the mutex, then woken"),
    requeued_handed("condvar", "moved to the mutex, then handed over"),
    spun("condvar", "signalled while spinning");

struct CondvarWorld {
    CheckedMutex mutex;
    ModelCondvar* condvar;
    bool is_movable;
    bool fails_sometimes;
    Accounts accounts;
    std::vector<uint32_t> acquisitions;  // of the mutex, when each wait began
    uint32_t waiters = 0;
    bool is_over = false;
};

int refuse(void*) {
    return EPERM;
}

void note(const Passage& passage) {
    if (passage.way == Way::kSpun) spun++;
    if (passage.way == Way::kRequeuedWoken) requeued_woken++;
    if (passage.way == Way::kRequeuedHanded) requeued_handed++;
}

// Waits that began before the running thread got the mutex are blocked for certain.
void note_blocked(CondvarWorld& world) {
    for (size_t i = 0; i < world.accounts.waits.size(); i++) {
        WaitRecord& wait = world.accounts.waits[i];
        if (wait.blocked == ~0ull && world.mutex.acquisitions > world.acquisitions[i])
            wait.blocked = world.accounts.clock++;
    }
}

// One wait; false: it was cancelled.
bool wait_once(CondvarWorld& world) {
    Random& random = scheduler.random;
    scheduler.expect(world.mutex.lock() == 0, "lock before a wait");
    note_blocked(world);
    const size_t at = world.accounts.waits.size();
    world.accounts.waits.push_back({world.accounts.clock++});
    world.acquisitions.push_back(world.mutex.acquisitions);
    const bool is_timed = random.one_in(3);
    const ModelDeadline deadline{scheduler.now() + random.below(80)};
    MutexOfWait<ModelSystem> mutex = world.mutex.of_wait(world.is_movable);
    if (world.fails_sometimes && random.one_in(3)) {
        mutex.unlock = &refuse;
        mutex.movable_to = nullptr;
    }
    Passage passage;
    int result = 0;
    const bool was_cancelled = scheduler.cancellable([&] {
        result = world.condvar->wait(ModelSystem::self(), mutex, is_timed ? &deadline : nullptr, passage);
    });
    world.mutex.entered_again();
    WaitRecord& wait = world.accounts.waits[at];
    wait.end = world.accounts.clock++;
    if (was_cancelled) {
        wait.outcome = Outcome::kCancelled;
        cancelled++;
    } else if (result == 0) {
        wait.outcome = Outcome::kReturned;
        note(passage);
    } else if (result == ETIMEDOUT) {
        scheduler.expect(is_timed && scheduler.now() >= deadline.at, "a wait timed out before its deadline");
        wait.outcome = Outcome::kTimedOut;
        timed_out++;
    } else {
        scheduler.expect(result == EPERM && mutex.unlock == &refuse, "a wait failed");
        wait.outcome = Outcome::kFailed;
        failed++;
    }
    scheduler.expect(world.mutex.unlock() == 0, "unlock after a wait");
    return !was_cancelled;
}

void wait_repeatedly(CondvarWorld& world) {
    for (uint32_t turns = scheduler.random.between(1, 3); turns != 0 && !world.is_over; turns--)
        if (!wait_once(world)) return;
}

void send(CondvarWorld& world, bool is_broadcast) {
    note_blocked(world);
    const size_t at = world.accounts.signals.size();
    world.accounts.signals.push_back({world.accounts.clock++, ~0ull, is_broadcast});
    if (is_broadcast)
        world.condvar->broadcast(ModelSystem::self());
    else
        world.condvar->signal(ModelSystem::self());
    world.accounts.signals[at].end = world.accounts.clock++;
}

void signal_repeatedly(CondvarWorld& world) {
    Random& random = scheduler.random;
    for (uint32_t turns = random.between(1, 4); turns != 0; turns--) {
        for (uint32_t i = random.below(12); i != 0; i--) scheduler.program();
        const bool is_broadcast = random.one_in(6);
        if (random.one_in(2)) {
            send(world, is_broadcast);
            continue;
        }
        scheduler.expect(world.mutex.lock() == 0, "lock before a signal");
        send(world, is_broadcast);
        scheduler.expect(world.mutex.unlock() == 0, "unlock after a signal");
    }
}

// Who still sleeps does so in the condvar's queue, and no signal was meant for it.
void audit(CondvarWorld& world) {
    const Scheduler::Quiet quiet(scheduler);
    for (uint32_t i = 0; i < scheduler.count(); i++) {
        const Thread& thread = scheduler.thread(i);
        if (thread.is_finished) continue;
        const auto& node = static_cast<const ModelSlot*>(thread.slot)->nodes[0];
        if (node.object.load() != reinterpret_cast<uintptr_t>(world.condvar) ||
            (node.state.load() & kNodeState) != kQueued)
            scheduler.fail("a wake-up was lost: thread %c sleeps in state %u", 'A' + i, node.state.load());
        left_asleep++;
    }
    if (const char* wrong = world.accounts.audit()) scheduler.fail("%s", wrong);
}

}  // namespace

void run_condvar_schedule() {
    Random& random = scheduler.random;
    ModelSystem::restart(random_handoff());
    CondvarWorld world{CheckedMutex("m", ModelMutex::kNormal, ~0u),
                       scheduler.make<ModelCondvar>("c"),
                       !random.one_in(3),
                       random.one_in(8),
                       {},
                       {}};
    world.waiters = random.between(1, 4);
    for (uint32_t i = 0; i < world.waiters; i++) ModelSystem::spawn([&world] { wait_repeatedly(world); });
    for (uint32_t i = random.between(1, 2); i != 0; i--)
        ModelSystem::spawn([&world] { signal_repeatedly(world); });
    if (random.one_in(2)) ModelSystem::spawn([&world] { scheduler.cancel_some(world.waiters); });
    scheduler.watch = [&world] { world.mutex.look(); };
    if (!scheduler.run()) audit(world);
    while (!scheduler.run()) {
        world.is_over = true;
        ModelSystem::spawn([&world] { send(world, true); });
        if (!scheduler.run()) audit(world);
    }
    if (const char* wrong = world.accounts.audit()) scheduler.fail("%s", wrong);
    const Scheduler::Quiet quiet(scheduler);
    scheduler.expect(!world.condvar->has_waiters(), "INV-COND-1: a condvar without waiters counts some");
    world.mutex.expect_free();
    ModelSystem::expect_idle();
}

}  // namespace latchkey::model
