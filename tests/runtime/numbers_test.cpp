// SPDX-License-Identifier: Apache-2.0
//
// The numbers that decide who gets a lock: stamps, urgencies, policies.
#include "runtime/handoff.h"
#include "runtime/urgency.h"

#include <gtest/gtest.h>

#include <sched.h>

namespace latchkey {
namespace {

TEST(StampTest, AgesHoldAcrossTheWrap) {
    EXPECT_EQ(stamps_of_ns(1024), 1u);
    EXPECT_EQ(stamps_of_ns((1ull << 42) + 2048), 2u) << "wraps after 2^42 ns";
    EXPECT_TRUE(is_older(1000, 899, 100));
    EXPECT_FALSE(is_older(1000, 900, 100));
    EXPECT_TRUE(is_older(50, 0u - 51, 100)) << "since before the wrap";
    EXPECT_FALSE(is_older(50, 0u - 50, 100));
    EXPECT_FALSE(is_older(1000, 1003, 0)) << "another cpu's stamp may lie ahead";
    EXPECT_FALSE(is_older(0u - 2, 1, 0)) << "ahead, and beyond the wrap";
}

TEST(UrgencyTest, OneNumberOverAllClasses) {
    EXPECT_EQ(urgency_of(SCHED_OTHER, 0, 0), 20u);
    EXPECT_EQ(urgency_of(SCHED_OTHER, 0, -20), 40u);
    EXPECT_EQ(urgency_of(SCHED_BATCH, 0, 19), 1u);
    EXPECT_EQ(urgency_of(SCHED_IDLE, 0, -20), 0u);
    EXPECT_EQ(urgency_of(SCHED_FIFO, 1, 19), 101u);
    EXPECT_EQ(urgency_of(SCHED_RR, 99, 0), 199u);
    EXPECT_EQ(urgency_of(SCHED_FIFO | SCHED_RESET_ON_FORK, 7, 0), 107u);
    EXPECT_EQ(urgency_of(6, 0, 0), 300u) << "SCHED_DEADLINE";
}

constexpr uint32_t kNormal = 20;

class HandoffTest : public ::testing::Test {
  protected:
    // A head waiter that has waited for so long: is it handed the lock?
    bool hands_over_after(Stamp waited, uint32_t head = kNormal, uint32_t own = kNormal,
                          uint32_t waiters = 1) {
        constexpr Stamp kNow = 77;  // waits began before the wrap
        return hands_over(tuning_, kNow, kNow - waited, head, own, waiters);
    }

    Tuning tuning_;
};

TEST_F(HandoffTest, AgedHandsOverToTheOldAndTheMoreUrgent) {
    tuning_.handoff = Handoff::kAged;
    EXPECT_FALSE(hands_over_after(0));
    EXPECT_FALSE(hands_over_after(tuning_.age));
    EXPECT_TRUE(hands_over_after(tuning_.age + 1));
    EXPECT_TRUE(hands_over_after(0, kNormal + 1, kNormal));
    EXPECT_FALSE(hands_over_after(0, kNormal - 1, kNormal));
}

TEST_F(HandoffTest, AgedWaitsLongerWhereManyWait) {
    tuning_.handoff = Handoff::kAged;
    const uint32_t many = 2 * tuning_.age / tuning_.age_per_waiter;
    EXPECT_FALSE(hands_over_after(tuning_.age + 1, kNormal, kNormal, many));
    EXPECT_TRUE(hands_over_after(tuning_.age_per_waiter * many + 1, kNormal, kNormal, many));
    EXPECT_TRUE(hands_over_after(0, kNormal + 1, kNormal, many));
}

TEST_F(HandoffTest, BargeNeverAndFifoAndPrioAlways) {
    tuning_.handoff = Handoff::kBarge;
    EXPECT_FALSE(hands_over_after(1u << 30, 300, 0));
    for (const Handoff handoff : {Handoff::kFifo, Handoff::kPrio}) {
        tuning_.handoff = handoff;
        EXPECT_TRUE(hands_over_after(0, 0, 300));
    }
}

}  // namespace
}  // namespace latchkey
