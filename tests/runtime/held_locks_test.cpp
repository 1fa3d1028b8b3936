// SPDX-License-Identifier: Apache-2.0
#include "runtime/held_locks.h"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <random>
#include <thread>
#include <utility>

namespace latchkey {
namespace {

const void* lock_at(uint64_t address) {
    return reinterpret_cast<const void*>(address);
}

class HeldLocksTest : public ::testing::Test {
  protected:
    // Value-initialised, like the zero pages of a counters file.
    std::unique_ptr<HeldLocks> held_ = std::make_unique<HeldLocks>();
};

TEST_F(HeldLocksTest, LastInFirstOut) {
    held_->push(lock_at(0x10), 1);
    held_->push(lock_at(0x20), 2);
    EXPECT_TRUE(held_->is_top(lock_at(0x20)));
    EXPECT_FALSE(held_->is_top(lock_at(0x10)));
    held_->pop();
    EXPECT_FALSE(held_->is_top(lock_at(0x10))) << "the outer lock stays among the entries";
    ASSERT_EQ(held_->size(), 1u);
    EXPECT_EQ(held_->at(0).lock, 0x10u);
    EXPECT_TRUE(held_->remove(lock_at(0x10)).found);
    EXPECT_TRUE(held_->is_empty());
}

TEST_F(HeldLocksTest, RemovalInTheMiddleKeepsTheOthersInOrder) {
    for (uint64_t i = 1; i <= 3; i++) held_->push(lock_at(i * 16), i);
    const auto removed = held_->remove(lock_at(32));
    EXPECT_TRUE(removed.found);
    EXPECT_EQ(removed.site, 2u);
    EXPECT_EQ(removed.acquired_ns, 0u);
    ASSERT_EQ(held_->size(), 2u);
    EXPECT_EQ(held_->at(0).lock, 48u);
    EXPECT_EQ(held_->at(1).lock, 16u);
}

TEST_F(HeldLocksTest, RecursiveAcquisitionsAreEntriesEach) {
    held_->push(lock_at(16), 1);
    held_->push(lock_at(16), 2);
    EXPECT_EQ(held_->remove(lock_at(16)).site, 2u);
    EXPECT_EQ(held_->remove(lock_at(16)).site, 1u);
    EXPECT_FALSE(held_->remove(lock_at(16)).found);
}

TEST_F(HeldLocksTest, TheTimeBelongsToTimedEntriesOnly) {
    held_->push_timed(lock_at(16), 7, 1234);
    EXPECT_EQ(held_->announce_waiter(lock_at(16), 99), 7u) << "the flag is no part of the site";
    const auto timed = held_->remove(lock_at(16));
    EXPECT_EQ(timed.site, 7u);
    EXPECT_EQ(timed.acquired_ns, 1234u);
    held_->push(lock_at(16), 8);  // the same entry, its old time still in memory
    EXPECT_EQ(held_->remove(lock_at(16)).acquired_ns, 0u);
}

TEST_F(HeldLocksTest, OnlyTheFirstWaiterLeavesANote) {
    held_->push(lock_at(16), 1);
    EXPECT_EQ(held_->announce_waiter(lock_at(16), 100), 1u);
    EXPECT_EQ(held_->announce_waiter(lock_at(16), 200), 1u);
    EXPECT_EQ(held_->announce_waiter(lock_at(32), 300), 0u) << "not held here";
    EXPECT_EQ(held_->remove(lock_at(16)).waiter_since_ns, 100u);
    held_->push(lock_at(16), 1);
    EXPECT_EQ(held_->remove(lock_at(16)).waiter_since_ns, 0u) << "INV-HELD-2: push clears the note";
}

TEST_F(HeldLocksTest, TooManyForgetsTheOldestHalf) {
    for (uint64_t i = 1; i <= HeldLocks::kCapacity + 2; i++) held_->push(lock_at(i * 16), i);
    EXPECT_EQ(held_->take_forgotten(), HeldLocks::kCapacity / 2);
    EXPECT_EQ(held_->take_forgotten(), 0u);
    EXPECT_EQ(held_->size(), HeldLocks::kCapacity / 2 + 2);
    EXPECT_FALSE(held_->remove(lock_at(16)).found);
    EXPECT_TRUE(held_->remove(lock_at(16 * HeldLocks::kCapacity)).found);
}

// Against a plain list, 10^5 random steps.
TEST_F(HeldLocksTest, AgreesWithAList) {
    std::mt19937 random(20261122);
    std::deque<std::pair<uint64_t, uint64_t>> model;
    for (int step = 0; step < 100000; step++) {
        const uint64_t address = 16 * (1 + random() % 6);
        if (model.size() < 20 && random() % 2 == 0) {
            held_->push(lock_at(address), static_cast<uint64_t>(step) + 1);
            model.emplace_back(address, static_cast<uint64_t>(step) + 1);
            continue;
        }
        auto expected = model.rbegin();
        while (expected != model.rend() && expected->first != address) ++expected;
        const auto removed = held_->remove(lock_at(address));
        ASSERT_EQ(removed.found, expected != model.rend()) << "step " << step;
        if (!removed.found) continue;
        ASSERT_EQ(removed.site, expected->second) << "step " << step;
        model.erase(std::next(expected).base());
        ASSERT_EQ(held_->size(), model.size());
        for (uint32_t i = 0; i < model.size(); i++)
            ASSERT_EQ(held_->at(i).lock, model[model.size() - 1 - i].first) << "step " << step;
    }
}

// Waiters ask while the owner pushes and pops: they get a site of that lock or nothing, never another's.
TEST_F(HeldLocksTest, WaitersNeverSeeAnotherLocksSite) {
    std::atomic<bool> is_done{false};
    std::atomic<int> wrong{0};
    std::thread waiter([&] {
        while (!is_done) {
            const uint64_t site = held_->announce_waiter(lock_at(0x1000), 5);
            if (site != 0 && site != 0x1001) wrong++;
        }
    });
    for (int i = 0; i < 200000; i++) {
        held_->push(lock_at(0x1000), 0x1001);
        held_->push(lock_at(0x2000), 0x2001);
        held_->remove(lock_at(0x2000));
        held_->remove(lock_at(0x1000));
    }
    is_done = true;
    waiter.join();
#ifndef __SANITIZE_THREAD__  // there lock and site are two stores, so that it sees them
    EXPECT_EQ(wrong, 0);
#endif
}

}  // namespace
}  // namespace latchkey
