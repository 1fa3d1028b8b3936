// SPDX-License-Identifier: Apache-2.0
//
// What only our locks have: hand-off policies, urgency, owners, slots and their threads, fork.
#include "locks.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

namespace latchkey {
namespace {

class OwnTest : public LocksTest<Own> {
  protected:
    lk_mutex_t mutex_ = LK_MUTEX_INIT;
    lk_cond_t cond_ = LK_COND_INIT;
};

TEST_F(OwnTest, TheVersionIsThatOfTheHeader) {
    const std::string numbers = std::to_string(LK_VERSION_MAJOR) + "." + std::to_string(LK_VERSION_MINOR) +
                                "." + std::to_string(LK_VERSION_PATCH);
    EXPECT_EQ(lk_version(), numbers);
    EXPECT_EQ(LK_VERSION, numbers);
}

TEST_F(OwnTest, TheFirstPolicyStays) {
    const auto handoff = static_cast<lk_handoff_t>(LinuxSystem::tuning().handoff);
    EXPECT_EQ(lk_start(handoff), 0);
    EXPECT_EQ(lk_start(handoff == LK_HANDOFF_FIFO ? LK_HANDOFF_PRIO : LK_HANDOFF_FIFO), EALREADY);
    EXPECT_EQ(lk_start(static_cast<lk_handoff_t>(4)), EINVAL);
}

TEST_F(OwnTest, StaticInitialisersAndZerosAreObjects) {
    lk_mutex_t zeros;
    memset(&zeros, 0, sizeof zeros);
    EXPECT_EQ(lk_mutex_lock(&zeros), 0);
    EXPECT_EQ(lk_mutex_unlock(&zeros), 0);
    lk_mutex_t recursive = LK_MUTEX_RECURSIVE_INIT, errorcheck = LK_MUTEX_ERRORCHECK_INIT;
    EXPECT_EQ(lk_mutex_lock(&recursive), 0);
    EXPECT_EQ(lk_mutex_lock(&recursive), 0);
    EXPECT_EQ(lk_mutex_unlock(&recursive), 0);
    EXPECT_EQ(lk_mutex_unlock(&recursive), 0);
    EXPECT_EQ(lk_mutex_unlock(&recursive), EPERM);
    EXPECT_EQ(lk_mutex_lock(&errorcheck), 0);
    EXPECT_EQ(lk_mutex_lock(&errorcheck), EDEADLK);
    EXPECT_EQ(lk_mutex_unlock(&errorcheck), 0);
    EXPECT_EQ(lk_mutex_init(&zeros, static_cast<lk_mutex_kind_t>(3)), EINVAL);

    lk_rwlock_t lock = LK_RWLOCK_PREFER_WRITERS_INIT;
    EXPECT_EQ(lk_rwlock_unlock(&lock), EPERM);
    EXPECT_EQ(lk_rwlock_wrlock(&lock), 0);
    EXPECT_EQ(lk_rwlock_destroy(&lock), EBUSY);
    EXPECT_EQ(lk_rwlock_unlock(&lock), 0);
    EXPECT_EQ(lk_rwlock_destroy(&lock), 0);
    EXPECT_EQ(lk_rwlock_init(&lock, static_cast<lk_rwlock_kind_t>(1)), EINVAL);
}

TEST_F(OwnTest, WaitingNeedsTheMutexOnce) {
    EXPECT_EQ(lk_cond_wait(&cond_, &mutex_), EPERM);
    ASSERT_EQ(lk_mutex_lock(&mutex_), 0);
    in_threads(1, [&](uint32_t) { EXPECT_EQ(lk_cond_wait(&cond_, &mutex_), EPERM); });
    ASSERT_EQ(lk_mutex_unlock(&mutex_), 0);
    lk_mutex_t recursive = LK_MUTEX_RECURSIVE_INIT;
    for (int i = 0; i < 2; i++) ASSERT_EQ(lk_mutex_lock(&recursive), 0);
    EXPECT_EQ(lk_cond_wait(&cond_, &recursive), EINVAL);
    for (int i = 0; i < 2; i++) EXPECT_EQ(lk_mutex_unlock(&recursive), 0) << "it was not held as before";
}

TEST_F(OwnTest, AWaiterThatWasNotSignalledIsSeen) {
    bool is_over = false;
    std::thread waiter([&] {
        lk_mutex_lock(&mutex_);
        while (!is_over) lk_cond_wait(&cond_, &mutex_);
        lk_mutex_unlock(&mutex_);
    });
    await_waiters(&cond_, 1);
    EXPECT_EQ(lk_cond_destroy(&cond_), EBUSY);
    ASSERT_EQ(lk_mutex_lock(&mutex_), 0);
    is_over = true;
    lk_cond_signal(&cond_);
    EXPECT_EQ(lk_cond_destroy(&cond_), 0);
    EXPECT_EQ(lk_mutex_unlock(&mutex_), 0);
    waiter.join();
}

// A broadcast moves sleeping waiters to the mutex, which the broadcaster holds: nobody wakes up for nothing.
TEST_F(OwnTest, ABroadcastMovesSleepersToTheMutex) {
    constexpr uint32_t kThreads = 5;
    bool is_over = false;
    std::thread others([&] {
        in_threads(kThreads, [&](uint32_t) {
            lk_mutex_lock(&mutex_);
            while (!is_over) lk_cond_wait(&cond_, &mutex_);
            lk_mutex_unlock(&mutex_);
        });
    });
    await_waiters(&cond_, kThreads);
    ASSERT_EQ(lk_mutex_lock(&mutex_), 0);
    is_over = true;
    lk_cond_broadcast(&cond_);
    EXPECT_EQ(waiters_of(&cond_), 0u);
    await_waiters(&mutex_, kThreads);  // those that did not sleep yet queue by themselves
    ASSERT_EQ(lk_mutex_unlock(&mutex_), 0);
    others.join();
}

TEST_F(OwnTest, TheOwnerIsNamed) {
    EXPECT_EQ(lk_mutex_owner(&mutex_), 0u);
    ASSERT_EQ(lk_mutex_lock(&mutex_), 0);
    EXPECT_EQ(lk_mutex_owner(&mutex_), lk_thread_self());
    EXPECT_EQ(lk_thread_tid(lk_mutex_owner(&mutex_)), gettid());
    in_threads(1, [&](uint32_t) {
        EXPECT_NE(lk_thread_self(), lk_mutex_owner(&mutex_));
        EXPECT_EQ(lk_mutex_trylock(&mutex_), EBUSY);
    });
    ASSERT_EQ(lk_mutex_unlock(&mutex_), 0);
    EXPECT_EQ(lk_mutex_owner(&mutex_), 0u);
    EXPECT_EQ(lk_thread_tid(0), 0);
    EXPECT_EQ(lk_thread_tid(1), 0);
    EXPECT_EQ(lk_thread_tid(~0u), 0);
}

// Waiters of falling and rising urgency queue behind a held mutex; the order in which they get it is the
// policy's. Late arrivals overtake only those that have waited for less than 30 ms, so on a busy machine a
// round may end in another order; that nobody overtakes one who is as urgent holds in every round.
TEST_F(OwnTest, WaitersComeInTheOrderOfThePolicy) {
    constexpr std::array<int, 6> kNice = {7, 3, 5, 3, 9, 1};
    constexpr int kGreatestNice = 19;
    const bool by_arrival = LinuxSystem::tuning().handoff == Handoff::kFifo;
    const int own_nice = getpriority(PRIO_PROCESS, 0);
    std::array<int, 6> nice;
    for (size_t i = 0; i < nice.size(); i++) nice[i] = std::min(own_nice + kNice[i], kGreatestNice);
    std::vector<uint32_t> expected = {0, 1, 2, 3, 4, 5};
    if (!by_arrival)
        std::stable_sort(expected.begin(), expected.end(),
                         [&](uint32_t a, uint32_t b) { return nice[a] < nice[b]; });
    bool was_calm = false;
    for (int round = 0; round < 50 && !was_calm; round++) {
        std::vector<uint32_t> order;
        std::vector<std::thread> threads;
        ASSERT_EQ(lk_mutex_lock(&mutex_), 0);
        const timespec calm = from_now(CLOCK_MONOTONIC, 25'000);
        for (uint32_t i = 0; i < nice.size(); i++) {
            threads.emplace_back([&, i] {
                setpriority(PRIO_PROCESS, 0, nice[i]);
                EXPECT_EQ(lk_thread_attach(), 0);
                lk_mutex_lock(&mutex_);
                order.push_back(i);
                lk_mutex_unlock(&mutex_);
            });
            await_waiters(&mutex_, i + 1);
        }
        was_calm = by_arrival || !is_past(CLOCK_MONOTONIC, calm);
        ASSERT_EQ(lk_mutex_unlock(&mutex_), 0);
        for (std::thread& thread : threads) thread.join();
        ASSERT_EQ(order.size(), nice.size());
        for (size_t first = 0; first < order.size(); first++)
            for (size_t later = first + 1; later < order.size(); later++)
                EXPECT_TRUE(order[first] < order[later] || nice[order[first]] < nice[order[later]])
                    << order[first] << " overtook " << order[later] << " in round " << round;
        if (was_calm) EXPECT_EQ(order, expected);
    }
}

TEST_F(OwnTest, UrgencyIsReadAgainWhenTold) {
    in_threads(1, [&](uint32_t) {
        const int nice = getpriority(PRIO_PROCESS, 0);
        if (sched_getscheduler(0) != SCHED_OTHER || nice >= 18) return;
        EXPECT_EQ(lk_thread_urgency(), static_cast<uint32_t>(20 - nice));
        ASSERT_EQ(setpriority(PRIO_PROCESS, 0, nice + 1), 0);
        lk_thread_refresh(0);
        EXPECT_EQ(lk_thread_urgency(), static_cast<uint32_t>(19 - nice));
        ASSERT_EQ(setpriority(PRIO_PROCESS, 0, nice + 2), 0);
        const pid_t tid = gettid();
        in_threads(1, [tid](uint32_t) { lk_thread_refresh(tid); });
        EXPECT_EQ(lk_thread_urgency(), static_cast<uint32_t>(18 - nice));
    });
}

TEST_F(OwnTest, SlotsOfEndedThreadsAreUsedAgain) {
    const uint32_t before = LinuxSystem::slots().used();
    for (int i = 0; i < 300; i++)
        in_threads(1, [&](uint32_t) {
            lk_mutex_lock(&mutex_);
            lk_mutex_unlock(&mutex_);
        });
    EXPECT_LT(LinuxSystem::slots().used(), before + 50) << "threads leave their slots behind";
}

TEST_F(OwnTest, ADetachedThreadComesBackAsAnother) {
    in_threads(1, [&](uint32_t) {
        lk_thread_detach();  // nothing to give back
        const lk_thread_id_t first = lk_thread_self();
        EXPECT_EQ(lk_thread_tid(first), gettid());
        lk_thread_detach();
        EXPECT_EQ(lk_thread_tid(first), 0);
        lk_mutex_lock(&mutex_);
        EXPECT_NE(lk_mutex_owner(&mutex_), first);
        lk_mutex_unlock(&mutex_);
    });
}

TEST_F(OwnTest, AMutexOfAnEndedThreadStaysLocked) {
    in_threads(1, [&](uint32_t) { lk_mutex_lock(&mutex_); });
    const lk_thread_id_t owner = lk_mutex_owner(&mutex_);
    const timespec end = long_from_now();
    while (lk_thread_tid(owner) != 0)
        ASSERT_FALSE(is_past(CLOCK_MONOTONIC, end)) << "an ended thread has a tid";
    for (int i = 0; i < 20; i++)
        in_threads(1, [&](uint32_t) {
            EXPECT_NE(lk_thread_self(), owner);
            EXPECT_EQ(lk_mutex_trylock(&mutex_), EBUSY);
        });
    const timespec soon = from_now(CLOCK_MONOTONIC, 1000);
    EXPECT_EQ(lk_mutex_clocklock(&mutex_, CLOCK_MONOTONIC, &soon), ETIMEDOUT);
}

// Destructors of thread-specific data may lock, before and after the one that gives the slot back.
TEST_F(OwnTest, DestructorsOfThreadDataMayLock) {
    static lk_mutex_t mutex = LK_MUTEX_INIT;
    static uint32_t runs;
    std::array<pthread_key_t, 3> keys;
    runs = 0;
    for (pthread_key_t& key : keys)
        pthread_key_create(&key, [](void*) {
            lk_mutex_lock(&mutex);
            runs++;
            lk_mutex_unlock(&mutex);
        });
    in_threads(4, [&](uint32_t thread) {
        if (thread % 2 == 0) lk_thread_attach();
        for (const pthread_key_t key : keys) pthread_setspecific(key, &keys);
    });
    EXPECT_EQ(runs, 12u);
    for (const pthread_key_t key : keys) pthread_key_delete(key);
}

// The child of a process in which others wait: what the parent's thread held is its own, nobody waits.
TEST_F(OwnTest, AForkChildKeepsItsLocksAndForgetsOthers) {
    lk_rwlock_t lock = LK_RWLOCK_INIT;
    lk_mutex_t of_cond = LK_MUTEX_INIT;
    bool is_over = false;
    ASSERT_EQ(lk_mutex_lock(&mutex_), 0);
    ASSERT_EQ(lk_rwlock_wrlock(&lock), 0);
    std::thread others([&] {
        in_threads(3, [&](uint32_t thread) {
            if (thread == 0) {
                lk_mutex_lock(&mutex_);
                lk_mutex_unlock(&mutex_);
            } else if (thread == 1) {
                lk_rwlock_rdlock(&lock);
                lk_rwlock_unlock(&lock);
            } else {
                lk_mutex_lock(&of_cond);
                while (!is_over) lk_cond_wait(&cond_, &of_cond);
                lk_mutex_unlock(&of_cond);
            }
        });
    });
    await_waiters(&mutex_, 1);
    await_waiters(&lock, 1);
    await_waiters(&cond_, 1);
    const lk_thread_id_t self = lk_thread_self();
    const pid_t child = fork();
    if (child == 0) {
        int step = 1;
        const auto demand = [&step](bool holds) {
            if (!holds) _exit(step);
            step++;
        };
        demand(lk_thread_self() == self);
        demand(lk_thread_tid(self) == getpid());
        demand(lk_mutex_owner(&mutex_) == self);
        demand(waiters_of(&mutex_) + waiters_of(&lock) + waiters_of(&cond_) == 0);
        demand(lk_mutex_unlock(&mutex_) == 0 && lk_mutex_destroy(&mutex_) == 0);
        demand(lk_rwlock_unlock(&lock) == 0 && lk_rwlock_destroy(&lock) == 0);
        demand(lk_cond_destroy(&cond_) == 0);
        demand(lk_mutex_lock(&of_cond) == 0);
        const timespec soon = from_now(CLOCK_MONOTONIC, 1000);
        demand(lk_cond_clockwait(&cond_, &of_cond, CLOCK_MONOTONIC, &soon) == ETIMEDOUT);
        demand(lk_mutex_unlock(&of_cond) == 0);
        _exit(0);
    }
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status)) << "the child ended by signal " << WTERMSIG(status);
    EXPECT_EQ(WEXITSTATUS(status), 0) << "the step of the child that failed";
    EXPECT_EQ(lk_mutex_unlock(&mutex_), 0);
    EXPECT_EQ(lk_rwlock_unlock(&lock), 0);
    ASSERT_EQ(lk_mutex_lock(&of_cond), 0);
    is_over = true;
    lk_cond_signal(&cond_);
    ASSERT_EQ(lk_mutex_unlock(&of_cond), 0);
    others.join();
}

}  // namespace
}  // namespace latchkey
