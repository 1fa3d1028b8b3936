// SPDX-License-Identifier: Apache-2.0
//
// What a mutex must do, whoever made it.
#include "locks.h"

namespace latchkey {
namespace {

template <class L>
class MutexTest : public LocksTest<L> {
  protected:
    void SetUp() override { L::init(&mutex_); }

    typename L::Mutex mutex_;
};
TYPED_TEST_SUITE(MutexTest, BothLocks, LockNames);

TYPED_TEST(MutexTest, ExcludesOthers) {
    using L = TypeParam;
    constexpr uint32_t kThreads = 4, kTurns = 5000;
    uint64_t first = 0, second = 0;
    in_threads(kThreads, [&](uint32_t) {
        for (uint32_t i = 0; i < kTurns; i++) {
            ASSERT_EQ(L::lock(&this->mutex_), 0);
            first++;
            ASSERT_EQ(first, second + 1) << "two threads were inside";
            second++;
            ASSERT_EQ(L::unlock(&this->mutex_), 0);
        }
    });
    EXPECT_EQ(second, kThreads * kTurns);
    EXPECT_EQ(L::destroy(&this->mutex_), 0);
}

TYPED_TEST(MutexTest, ATriedLockThatIsHeldIsBusy) {
    using L = TypeParam;
    ASSERT_EQ(L::try_lock(&this->mutex_), 0);
    EXPECT_EQ(L::try_lock(&this->mutex_), EBUSY);
    in_threads(1, [&](uint32_t) { EXPECT_EQ(L::try_lock(&this->mutex_), EBUSY); });
    EXPECT_EQ(L::destroy(&this->mutex_), EBUSY);
    ASSERT_EQ(L::unlock(&this->mutex_), 0);
    in_threads(1, [&](uint32_t) {
        EXPECT_EQ(L::try_lock(&this->mutex_), 0);
        EXPECT_EQ(L::unlock(&this->mutex_), 0);
    });
    EXPECT_EQ(L::destroy(&this->mutex_), 0);
}

TYPED_TEST(MutexTest, ARecursiveOneIsFreeAfterAsManyUnlocks) {
    using L = TypeParam;
    L::init(&this->mutex_, MutexKind::kRecursive);
    for (int i = 0; i < 3; i++) ASSERT_EQ(i == 1 ? L::try_lock(&this->mutex_) : L::lock(&this->mutex_), 0);
    for (int i = 0; i < 3; i++) {
        in_threads(1, [&](uint32_t) {
            EXPECT_EQ(L::try_lock(&this->mutex_), EBUSY);
            EXPECT_EQ(L::unlock(&this->mutex_), EPERM);
        });
        ASSERT_EQ(L::unlock(&this->mutex_), 0);
    }
    EXPECT_EQ(L::unlock(&this->mutex_), EPERM);
    in_threads(1, [&](uint32_t) {
        EXPECT_EQ(L::try_lock(&this->mutex_), 0);
        EXPECT_EQ(L::unlock(&this->mutex_), 0);
    });
}

TYPED_TEST(MutexTest, AnErrorcheckOneTellsMisuse) {
    using L = TypeParam;
    L::init(&this->mutex_, MutexKind::kErrorcheck);
    EXPECT_EQ(L::unlock(&this->mutex_), EPERM);
    ASSERT_EQ(L::lock(&this->mutex_), 0);
    EXPECT_EQ(L::lock(&this->mutex_), EDEADLK);
    EXPECT_EQ(L::try_lock(&this->mutex_), EBUSY);
    EXPECT_EQ(L::lock_until(&this->mutex_, CLOCK_REALTIME, from_now(CLOCK_REALTIME, 1000)), EDEADLK);
    in_threads(1, [&](uint32_t) { EXPECT_EQ(L::unlock(&this->mutex_), EPERM); });
    EXPECT_EQ(L::unlock(&this->mutex_), 0);
}

TYPED_TEST(MutexTest, ADeadlineEndsTheWaitNotBeforeItsTime) {
    using L = TypeParam;
    ASSERT_EQ(L::lock(&this->mutex_), 0);
    for (const clockid_t clock : {CLOCK_REALTIME, CLOCK_MONOTONIC})
        in_threads(1, [&](uint32_t) {
            EXPECT_EQ(L::lock_until(&this->mutex_, clock, {0, 0}), ETIMEDOUT);
            EXPECT_EQ(L::lock_until(&this->mutex_, clock, {-1, 0}), ETIMEDOUT);
            const timespec deadline = from_now(clock, 3000);
            EXPECT_EQ(L::lock_until(&this->mutex_, clock, deadline), ETIMEDOUT);
            EXPECT_TRUE(is_past(clock, deadline)) << "clock " << clock;
            EXPECT_EQ(L::lock_until(&this->mutex_, clock, {0, 1'000'000'000}), EINVAL);
            EXPECT_EQ(L::lock_until(&this->mutex_, clock, {0, -1}), EINVAL);
        });
    in_threads(1, [&](uint32_t) {
        EXPECT_EQ(L::lock_until(&this->mutex_, CLOCK_PROCESS_CPUTIME_ID, long_from_now()), EINVAL);
    });
    ASSERT_EQ(L::unlock(&this->mutex_), 0);
    EXPECT_EQ(L::lock_until(&this->mutex_, CLOCK_MONOTONIC, {0, 0}), 0) << "it was free";
    EXPECT_EQ(L::unlock(&this->mutex_), 0);
}

TYPED_TEST(MutexTest, RandomDeadlinesLoseNoWakeUp) {
    using L = TypeParam;
    constexpr uint32_t kThreads = 6, kTurns = 400;
    uint64_t inside = 0, got = 0, late = 0;
    in_threads(kThreads, [&](uint32_t thread) {
        std::minstd_rand random(thread + 1);
        for (uint32_t i = 0; i < kTurns; i++) {
            const timespec deadline = from_now(CLOCK_MONOTONIC, static_cast<long>(random() % 300));
            const int result = L::lock_until(&this->mutex_, CLOCK_MONOTONIC, deadline);
            if (result == ETIMEDOUT) {
                // Who gave up gets it in the end.
                ASSERT_EQ(L::lock_until(&this->mutex_, CLOCK_MONOTONIC, long_from_now()), 0);
                late++;
            } else {
                ASSERT_EQ(result, 0);
                got++;
            }
            ASSERT_EQ(inside++, 0u) << "two threads were inside";
            for (uint32_t spin = random() % 2000; spin > 0; spin--) asm volatile("");
            inside--;
            ASSERT_EQ(L::unlock(&this->mutex_), 0);
        }
    });
    EXPECT_EQ(got + late, kThreads * kTurns);
    EXPECT_EQ(L::destroy(&this->mutex_), 0);
}

TYPED_TEST(MutexTest, CancellationWaitsUntilItIsLocked) {
    using L = TypeParam;
    struct Shared {
        typename L::Mutex mutex;
        std::atomic<bool> is_locked{false};
    } shared;
    L::init(&shared.mutex);
    ASSERT_EQ(L::lock(&shared.mutex), 0);
    pthread_t thread;
    pthread_create(
        &thread, nullptr,
        [](void* argument) -> void* {
            auto* shared = static_cast<Shared*>(argument);
            L::lock(&shared->mutex);
            shared->is_locked = true;
            L::unlock(&shared->mutex);
            pthread_testcancel();
            return nullptr;
        },
        &shared);
    pthread_cancel(thread);
    ASSERT_EQ(L::unlock(&shared.mutex), 0);
    void* result;
    pthread_join(thread, &result);
    EXPECT_EQ(result, PTHREAD_CANCELED);
    EXPECT_TRUE(shared.is_locked);
    EXPECT_EQ(L::destroy(&shared.mutex), 0);
}

TYPED_TEST(MutexTest, SignalsEndNoWait) {
    using L = TypeParam;
    std::atomic<bool> is_held{true};
    ASSERT_EQ(L::lock(&this->mutex_), 0);
    std::thread waiter([&] {
        EXPECT_EQ(L::lock(&this->mutex_), 0);
        EXPECT_FALSE(is_held) << "two threads were inside";
        EXPECT_EQ(L::unlock(&this->mutex_), 0);
        EXPECT_EQ(L::lock_until(&this->mutex_, CLOCK_MONOTONIC, long_from_now()), 0);
        EXPECT_EQ(L::unlock(&this->mutex_), 0);
    });
    interrupt(waiter.native_handle(), 100);
    is_held = false;
    ASSERT_EQ(L::unlock(&this->mutex_), 0);
    waiter.join();
}

// Whoever leaves last destroys: the memory goes while the others' unlocks may still be on their way out.
TYPED_TEST(MutexTest, MayVanishRightAfterTheLastUnlock) {
    using L = TypeParam;
    constexpr uint32_t kRounds = 150, kThreads = 4;
    struct Counted {
        typename L::Mutex mutex;
        uint32_t users;
    };
    for (uint32_t round = 0; round < kRounds; round++) {
        Page page;
        const bool is_unmapped = round % 2 == 0;
        auto* counted = page.as<Counted>();
        L::init(&counted->mutex);
        counted->users = kThreads;
        in_threads(kThreads, [&](uint32_t) {
            for (int turn = 0; turn < 4; turn++) {
                ASSERT_EQ(L::lock(&counted->mutex), 0);
                const bool is_last = turn == 3 && --counted->users == 0;
                ASSERT_EQ(L::unlock(&counted->mutex), 0);
                if (!is_last) continue;
                ASSERT_EQ(L::destroy(&counted->mutex), 0);
                if (is_unmapped)
                    page.unmap();
                else
                    page.spoil();
            }
        });
        if (!is_unmapped) {
            ASSERT_TRUE(page.is_spoilt()) << "written to after it was destroyed";
        }
    }
}

}  // namespace
}  // namespace latchkey
