// SPDX-License-Identifier: Apache-2.0
//
// What a condition variable must do, whoever made it.
#include "locks.h"

namespace latchkey {
namespace {

template <class L>
class CondvarTest : public LocksTest<L> {
  protected:
    void SetUp() override {
        L::init(&mutex_);
        L::init(&cond_);
    }

    typename L::Mutex mutex_;
    typename L::Cond cond_;
};
TYPED_TEST_SUITE(CondvarTest, BothLocks, LockNames);

TYPED_TEST(CondvarTest, TwoThreadsTakeTurns) {
    using L = TypeParam;
    constexpr uint32_t kTurns = 2000;
    uint32_t turn = 0;
    in_threads(2, [&](uint32_t thread) {
        ASSERT_EQ(L::lock(&this->mutex_), 0);
        while (turn < kTurns) {
            if (turn % 2 == thread) {
                turn++;
                L::signal(&this->cond_);
            } else {
                ASSERT_EQ(L::wait_until(&this->cond_, &this->mutex_, CLOCK_MONOTONIC, long_from_now()), 0)
                    << "no signal in turn " << turn;
            }
        }
        L::signal(&this->cond_);
        ASSERT_EQ(L::unlock(&this->mutex_), 0);
    });
    EXPECT_EQ(turn, kTurns);
    EXPECT_EQ(L::destroy(&this->cond_), 0);
    EXPECT_EQ(L::destroy(&this->mutex_), 0);
}

TYPED_TEST(CondvarTest, ABroadcastReachesAll) {
    using L = TypeParam;
    constexpr uint32_t kThreads = 12, kRounds = 20;
    typename L::Cond all_wait;
    L::init(&all_wait);
    uint32_t round = 0, waiting = 0;
    std::thread others([&] {
        in_threads(kThreads, [&](uint32_t) {
            for (uint32_t mine = 0; mine < kRounds; mine++) {
                ASSERT_EQ(L::lock(&this->mutex_), 0);
                if (++waiting == kThreads) L::signal(&all_wait);
                while (round == mine)
                    ASSERT_EQ(L::wait_until(&this->cond_, &this->mutex_, CLOCK_MONOTONIC, long_from_now()), 0)
                        << "missed broadcast " << mine;
                ASSERT_EQ(L::unlock(&this->mutex_), 0);
            }
        });
    });
    for (uint32_t i = 0; i < kRounds; i++) {
        EXPECT_EQ(L::lock(&this->mutex_), 0);
        while (waiting < kThreads)
            if (L::wait_until(&all_wait, &this->mutex_, CLOCK_MONOTONIC, long_from_now()) != 0) {
                ADD_FAILURE() << waiting << " threads wait in round " << i;
                break;
            }
        waiting = 0;
        round++;
        const bool is_outside = i % 2 == 0;
        if (is_outside) L::unlock(&this->mutex_);
        L::broadcast(&this->cond_);
        if (!is_outside) L::unlock(&this->mutex_);
    }
    others.join();
}

TYPED_TEST(CondvarTest, ADeadlineEndsTheWaitNotBeforeItsTime) {
    using L = TypeParam;
    ASSERT_EQ(L::lock(&this->mutex_), 0);
    for (const clockid_t clock : {CLOCK_REALTIME, CLOCK_MONOTONIC}) {
        EXPECT_EQ(L::wait_until(&this->cond_, &this->mutex_, clock, {0, 0}), ETIMEDOUT);
        EXPECT_EQ(L::wait_until(&this->cond_, &this->mutex_, clock, {-1, 0}), ETIMEDOUT);
        const timespec deadline = from_now(clock, 3000);
        EXPECT_EQ(L::wait_until(&this->cond_, &this->mutex_, clock, deadline), ETIMEDOUT);
        EXPECT_TRUE(is_past(clock, deadline)) << "clock " << clock;
        EXPECT_EQ(L::wait_until(&this->cond_, &this->mutex_, clock, {0, 1'000'000'000}), EINVAL);
        EXPECT_EQ(L::wait_until(&this->cond_, &this->mutex_, clock, {0, -1}), EINVAL);
    }
    EXPECT_EQ(L::wait_until(&this->cond_, &this->mutex_, CLOCK_PROCESS_CPUTIME_ID, long_from_now()), EINVAL);
    in_threads(1, [&](uint32_t) { EXPECT_EQ(L::try_lock(&this->mutex_), EBUSY) << "not owned after it"; });
    ASSERT_EQ(L::unlock(&this->mutex_), 0);
    EXPECT_EQ(L::destroy(&this->cond_), 0);
}

TYPED_TEST(CondvarTest, GivesARecursiveMutexBackAndTakesItAgain) {
    using L = TypeParam;
    for (const MutexKind kind : {MutexKind::kRecursive, MutexKind::kErrorcheck}) {
        L::init(&this->mutex_, kind);
        bool is_set = false;
        ASSERT_EQ(L::lock(&this->mutex_), 0);
        std::thread setter([&] {
            EXPECT_EQ(L::lock(&this->mutex_), 0);
            is_set = true;
            L::signal(&this->cond_);
            EXPECT_EQ(L::unlock(&this->mutex_), 0);
        });
        while (!is_set)
            if (L::wait_until(&this->cond_, &this->mutex_, CLOCK_MONOTONIC, long_from_now()) != 0) break;
        EXPECT_TRUE(is_set);
        setter.join();
        EXPECT_EQ(L::lock(&this->mutex_), kind == MutexKind::kRecursive ? 0 : EDEADLK);
        if (kind == MutexKind::kRecursive) {
            EXPECT_EQ(L::unlock(&this->mutex_), 0);
        }
        EXPECT_EQ(L::unlock(&this->mutex_), 0);
        EXPECT_EQ(L::unlock(&this->mutex_), EPERM);
    }
}

// A signal is for those who waited when it was given: a waiter that comes later, even before the first has
// woken up, must not take it.
TYPED_TEST(CondvarTest, ALaterWaiterTakesNoSignal) {
    using L = TypeParam;
    for (int round = 0; round < 20; round++) {
        bool waits = false, has_gone_on = false;
        std::thread first([&] {
            EXPECT_EQ(L::lock(&this->mutex_), 0);
            waits = true;
            EXPECT_EQ(L::wait_until(&this->cond_, &this->mutex_, CLOCK_MONOTONIC, long_from_now()), 0)
                << "its signal is lost";
            has_gone_on = true;
            EXPECT_EQ(L::unlock(&this->mutex_), 0);
        });
        for (bool is_there = false; !is_there;) {
            EXPECT_EQ(L::lock(&this->mutex_), 0);
            is_there = waits;
            if (!is_there) L::unlock(&this->mutex_);
        }
        L::signal(&this->cond_);
        EXPECT_EQ(
            L::wait_until(&this->cond_, &this->mutex_, CLOCK_MONOTONIC, from_now(CLOCK_MONOTONIC, 1000)),
            ETIMEDOUT)
            << "took the signal of the first";
        L::unlock(&this->mutex_);
        first.join();
        EXPECT_TRUE(has_gone_on);
    }
}

// Each unit put is one signal; takers give up at random. In the end all units are taken.
TYPED_TEST(CondvarTest, RandomDeadlinesLoseNoSignal) {
    using L = TypeParam;
    constexpr uint32_t kTakers = 4, kUnits = 2000;
    uint32_t units = 0, taken = 0;
    std::thread takers([&] {
        in_threads(kTakers, [&](uint32_t thread) {
            std::minstd_rand random(thread + 1);
            ASSERT_EQ(L::lock(&this->mutex_), 0);
            while (taken < kUnits) {
                if (units != 0) {
                    units--;
                    if (++taken == kUnits) L::broadcast(&this->cond_);
                    continue;
                }
                const bool is_patient = random() % 2 == 0;
                const timespec deadline = is_patient
                                              ? long_from_now()
                                              : from_now(CLOCK_MONOTONIC, static_cast<long>(random() % 200));
                const int result = L::wait_until(&this->cond_, &this->mutex_, CLOCK_MONOTONIC, deadline);
                ASSERT_TRUE(result == 0 || result == ETIMEDOUT) << result;
                if (is_patient) {
                    ASSERT_EQ(result, 0) << "a signal is lost: " << taken << " taken";
                }
            }
            ASSERT_EQ(L::unlock(&this->mutex_), 0);
        });
    });
    std::minstd_rand random(99);
    for (uint32_t i = 0; i < kUnits; i++) {
        EXPECT_EQ(L::lock(&this->mutex_), 0);
        units++;
        const bool is_outside = random() % 2 == 0;
        if (is_outside) L::unlock(&this->mutex_);
        L::signal(&this->cond_);
        if (!is_outside) L::unlock(&this->mutex_);
    }
    takers.join();
    EXPECT_EQ(taken, kUnits);
    EXPECT_EQ(L::destroy(&this->cond_), 0);
}

TYPED_TEST(CondvarTest, ManyOnOneMutexAreToldApart) {
    using L = TypeParam;
    constexpr uint32_t kConds = 40;
    std::vector<typename L::Cond> conds(kConds);
    for (auto& cond : conds) L::init(&cond);
    std::vector<uint32_t> order;
    uint32_t waiting = 0, next = kConds;
    std::thread others([&] {
        in_threads(kConds, [&](uint32_t thread) {
            ASSERT_EQ(L::lock(&this->mutex_), 0);
            if (++waiting == kConds) L::signal(&this->cond_);
            while (next != thread)
                ASSERT_EQ(L::wait_until(&conds[thread], &this->mutex_, CLOCK_MONOTONIC, long_from_now()), 0)
                    << "cond " << thread;
            order.push_back(thread);
            L::signal(&this->cond_);
            ASSERT_EQ(L::unlock(&this->mutex_), 0);
        });
    });
    EXPECT_EQ(L::lock(&this->mutex_), 0);
    while (waiting < kConds)
        EXPECT_EQ(L::wait_until(&this->cond_, &this->mutex_, CLOCK_MONOTONIC, long_from_now()), 0);
    for (uint32_t i = 0; i < kConds; i++) {
        next = i;
        L::signal(&conds[i]);
        while (order.size() <= i)
            if (L::wait_until(&this->cond_, &this->mutex_, CLOCK_MONOTONIC, long_from_now()) != 0) {
                ADD_FAILURE() << "the waiter of cond " << i << " did not come";
                break;
            }
    }
    L::unlock(&this->mutex_);
    others.join();
    for (uint32_t i = 0; i < kConds; i++) EXPECT_EQ(order[i], i);
}

TYPED_TEST(CondvarTest, SignalHandlersEndNoWaitWithAnError) {
    using L = TypeParam;
    bool is_over = false;
    std::thread waiter([&] {
        EXPECT_EQ(L::lock(&this->mutex_), 0);
        while (!is_over)
            if (const int result =
                    L::wait_until(&this->cond_, &this->mutex_, CLOCK_MONOTONIC, long_from_now());
                result != 0) {
                ADD_FAILURE() << strerror(result);
                break;
            }
        EXPECT_EQ(L::unlock(&this->mutex_), 0);
    });
    interrupt(waiter.native_handle(), 100);
    EXPECT_EQ(L::lock(&this->mutex_), 0);
    is_over = true;
    L::signal(&this->cond_);
    EXPECT_EQ(L::unlock(&this->mutex_), 0);
    waiter.join();
}

// The signaller destroys the condvar while those it has let go are still inside their waits.
TYPED_TEST(CondvarTest, MayVanishRightAfterTheLastSignal) {
    using L = TypeParam;
    constexpr uint32_t kRounds = 100, kThreads = 3;
    for (uint32_t round = 0; round < kRounds; round++) {
        Page page;
        auto* cond = page.as<typename L::Cond>();
        L::init(cond);
        uint32_t waiting = 0, woken = 0;
        bool is_over = false;
        std::thread others([&] {
            in_threads(kThreads, [&](uint32_t) {
                ASSERT_EQ(L::lock(&this->mutex_), 0);
                waiting++;
                while (!is_over)
                    ASSERT_EQ(L::wait_until(cond, &this->mutex_, CLOCK_MONOTONIC, long_from_now()), 0);
                woken++;
                ASSERT_EQ(L::unlock(&this->mutex_), 0);
            });
        });
        for (bool all_wait = false; !all_wait;) {
            EXPECT_EQ(L::lock(&this->mutex_), 0);
            all_wait = waiting == kThreads;
            if (!all_wait) L::unlock(&this->mutex_);
        }
        is_over = true;
        if (round % 2 == 0)
            L::broadcast(cond);
        else
            for (uint32_t i = 0; i < kThreads; i++) L::signal(cond);
        L::unlock(&this->mutex_);
        EXPECT_EQ(L::destroy(cond), 0);
        page.spoil();
        others.join();
        EXPECT_EQ(woken, kThreads);
        ASSERT_TRUE(page.is_spoilt()) << "written to after it was destroyed";
    }
}

}  // namespace
}  // namespace latchkey
