// SPDX-License-Identifier: Apache-2.0
//
// What a read-write lock must do, whoever made it.
#include "locks.h"

namespace latchkey {
namespace {

template <class L>
class RwLockTest : public LocksTest<L> {
  protected:
    void SetUp() override { L::init(&lock_); }

    typename L::RwLock lock_;
};
TYPED_TEST_SUITE(RwLockTest, BothLocks, LockNames);

TYPED_TEST(RwLockTest, WritersExcludeEverybody) {
    using L = TypeParam;
    for (const bool prefers_writers : {false, true}) {
        L::init(&this->lock_, prefers_writers);
        constexpr uint32_t kThreads = 5, kTurns = 1500;
        uint64_t first = 0, second = 0;
        in_threads(kThreads, [&](uint32_t thread) {
            for (uint32_t i = 0; i < kTurns; i++) {
                if ((thread + i) % 3 == 0) {
                    ASSERT_EQ(L::write(&this->lock_), 0);
                    first++;
                    second++;
                } else {
                    ASSERT_EQ(L::read(&this->lock_), 0);
                }
                ASSERT_EQ(first, second) << "somebody wrote beside us";
                ASSERT_EQ(L::unlock(&this->lock_), 0);
            }
        });
        EXPECT_EQ(first, kThreads * kTurns / 3);
        EXPECT_EQ(L::destroy(&this->lock_), 0);
    }
}

TYPED_TEST(RwLockTest, ManyReadersShareIt) {
    using L = TypeParam;
    constexpr uint32_t kThreads = 8, kTimes = 40;
    std::atomic<uint32_t> inside{0};
    in_threads(kThreads, [&](uint32_t) {
        for (uint32_t i = 0; i < kTimes; i++)
            ASSERT_EQ(i % 2 == 0 ? L::read(&this->lock_) : L::try_read(&this->lock_), 0);
        inside++;
        // All are inside at once, or this does not end.
        const timespec end = long_from_now();
        while (inside < kThreads) {
            ASSERT_FALSE(is_past(CLOCK_MONOTONIC, end)) << inside << " readers are inside";
            sched_yield();
        }
        EXPECT_EQ(L::try_write(&this->lock_), EBUSY);
        for (uint32_t i = 0; i < kTimes; i++) ASSERT_EQ(L::unlock(&this->lock_), 0);
    });
    EXPECT_EQ(L::try_write(&this->lock_), 0);
    EXPECT_EQ(L::try_read(&this->lock_), EBUSY);
    EXPECT_EQ(L::unlock(&this->lock_), 0);
    EXPECT_EQ(L::destroy(&this->lock_), 0);
}

TYPED_TEST(RwLockTest, AReaderReadsAgainWhileAWriterWaits) {
    using L = TypeParam;
    for (int round = 0; round < 50; round++) {
        std::atomic<bool> has_written{false};
        ASSERT_EQ(L::read(&this->lock_), 0);
        std::thread writer([&] {
            EXPECT_EQ(L::write(&this->lock_), 0);
            has_written = true;
            EXPECT_EQ(L::unlock(&this->lock_), 0);
        });
        for (int i = 0; i < 20; i++) {
            EXPECT_EQ(L::read_until(&this->lock_, CLOCK_MONOTONIC, long_from_now()), 0)
                << "held up by a writer";
            sched_yield();
        }
        EXPECT_FALSE(has_written);
        for (int i = 0; i < 21; i++) EXPECT_EQ(L::unlock(&this->lock_), 0);
        writer.join();
        EXPECT_TRUE(has_written);
    }
}

TYPED_TEST(RwLockTest, APreferredWriterHoldsUpNewReaders) {
    using L = TypeParam;
    L::init(&this->lock_, true);
    bool has_written = false;
    ASSERT_EQ(L::read(&this->lock_), 0);
    std::thread writer([&] {
        EXPECT_EQ(L::write(&this->lock_), 0);
        has_written = true;
        EXPECT_EQ(L::unlock(&this->lock_), 0);
    });
    const timespec end = long_from_now();
    while (L::try_read(&this->lock_) == 0) {
        EXPECT_EQ(L::unlock(&this->lock_), 0);
        if (is_past(CLOCK_MONOTONIC, end)) {
            ADD_FAILURE() << "readers are let in before the writer";
            break;
        }
        sched_yield();
    }
    EXPECT_FALSE(has_written);
    EXPECT_EQ(L::unlock(&this->lock_), 0);
    EXPECT_EQ(L::read(&this->lock_), 0);
    EXPECT_TRUE(has_written) << "a reader that came later was let in first";
    EXPECT_EQ(L::unlock(&this->lock_), 0);
    writer.join();
}

// A writer that gives up must let in the readers that only it held up.
TYPED_TEST(RwLockTest, AWriterThatGivesUpHoldsUpNobody) {
    using L = TypeParam;
    L::init(&this->lock_, true);
    for (int round = 0; round < 10; round++) {
        ASSERT_EQ(L::read(&this->lock_), 0);
        in_threads(3, [&](uint32_t thread) {
            if (thread == 0) {
                EXPECT_EQ(L::write_until(&this->lock_, CLOCK_MONOTONIC, from_now(CLOCK_MONOTONIC, 2000)),
                          ETIMEDOUT);
            } else {
                for (int i = 0; i < 50; i++) {
                    ASSERT_EQ(L::read_until(&this->lock_, CLOCK_MONOTONIC, long_from_now()), 0)
                        << "not let in when the writer had gone";
                    ASSERT_EQ(L::unlock(&this->lock_), 0);
                    sched_yield();
                }
            }
        });
        ASSERT_EQ(L::unlock(&this->lock_), 0);
    }
    EXPECT_EQ(L::try_write(&this->lock_), 0);
    EXPECT_EQ(L::unlock(&this->lock_), 0);
}

TYPED_TEST(RwLockTest, ADeadlineEndsTheWaitNotBeforeItsTime) {
    using L = TypeParam;
    ASSERT_EQ(L::write(&this->lock_), 0);
    EXPECT_EQ(L::write(&this->lock_), EDEADLK);
    EXPECT_EQ(L::read(&this->lock_), EDEADLK);
    for (const clockid_t clock : {CLOCK_REALTIME, CLOCK_MONOTONIC})
        in_threads(1, [&](uint32_t) {
            const timespec deadline = from_now(clock, 2000);
            EXPECT_EQ(L::read_until(&this->lock_, clock, deadline), ETIMEDOUT);
            EXPECT_TRUE(is_past(clock, deadline));
            EXPECT_EQ(L::write_until(&this->lock_, clock, from_now(clock, 2000)), ETIMEDOUT);
            EXPECT_EQ(L::write_until(&this->lock_, clock, {-1, 0}), ETIMEDOUT);
            EXPECT_EQ(L::read_until(&this->lock_, clock, {0, 1'000'000'000}), EINVAL);
            EXPECT_EQ(L::write_until(&this->lock_, clock, {0, -1}), EINVAL);
        });
    EXPECT_EQ(L::unlock(&this->lock_), 0);
    EXPECT_EQ(L::read_until(&this->lock_, CLOCK_REALTIME, {0, 0}), 0) << "it was free";
    EXPECT_EQ(L::unlock(&this->lock_), 0);
    EXPECT_EQ(L::destroy(&this->lock_), 0);
}

TYPED_TEST(RwLockTest, RandomDeadlinesLoseNoWakeUp) {
    using L = TypeParam;
    for (const bool prefers_writers : {false, true}) {
        L::init(&this->lock_, prefers_writers);
        uint64_t first = 0, second = 0;
        in_threads(6, [&](uint32_t thread) {
            std::minstd_rand random(thread + 1);
            for (uint32_t i = 0; i < 300; i++) {
                const bool writes = random() % 3 == 0;
                const auto lock = [&](const timespec& deadline) {
                    return writes ? L::write_until(&this->lock_, CLOCK_MONOTONIC, deadline)
                                  : L::read_until(&this->lock_, CLOCK_MONOTONIC, deadline);
                };
                int result = lock(from_now(CLOCK_MONOTONIC, static_cast<long>(random() % 300)));
                if (result == ETIMEDOUT) result = lock(long_from_now());
                ASSERT_EQ(result, 0) << (writes ? "a writer" : "a reader") << " is never let in";
                if (writes) first++;
                for (uint32_t spin = random() % 1000; spin > 0; spin--) asm volatile("");
                if (writes) second++;
                ASSERT_EQ(first, second);
                ASSERT_EQ(L::unlock(&this->lock_), 0);
            }
        });
        EXPECT_EQ(L::destroy(&this->lock_), 0);
    }
}

TYPED_TEST(RwLockTest, MayVanishRightAfterTheLastUnlock) {
    using L = TypeParam;
    constexpr uint32_t kRounds = 100, kThreads = 4;
    struct Counted {
        typename L::RwLock lock;
        uint32_t users;
    };
    for (uint32_t round = 0; round < kRounds; round++) {
        Page page;
        const bool is_unmapped = round % 2 == 0;
        auto* counted = page.as<Counted>();
        L::init(&counted->lock, round % 4 < 2);
        counted->users = kThreads;
        in_threads(kThreads, [&](uint32_t thread) {
            ASSERT_EQ(thread % 2 == 0 ? L::read(&counted->lock) : L::write(&counted->lock), 0);
            ASSERT_EQ(L::unlock(&counted->lock), 0);
            ASSERT_EQ(L::write(&counted->lock), 0);
            const bool is_last = --counted->users == 0;
            ASSERT_EQ(L::unlock(&counted->lock), 0);
            if (!is_last) return;
            ASSERT_EQ(L::destroy(&counted->lock), 0);
            if (is_unmapped)
                page.unmap();
            else
                page.spoil();
        });
        if (!is_unmapped) {
            ASSERT_TRUE(page.is_spoilt()) << "written to after it was destroyed";
        }
    }
}

}  // namespace
}  // namespace latchkey
