// SPDX-License-Identifier: Apache-2.0
#include "runtime/wake_table.h"

#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <vector>

namespace latchkey {
namespace {

const void* object_at(uint64_t address) {
    return reinterpret_cast<const void*>(address);
}

class WakeTableTest : public ::testing::Test {
  protected:
    std::unique_ptr<WakeTable> table_ = std::make_unique<WakeTable>();
};

TEST_F(WakeTableTest, NobodyWaits) {
    EXPECT_FALSE(table_->has_waiters(object_at(0x1000)));
    EXPECT_EQ(table_->announce(object_at(0x1000), {1, 2, 3}), 0u);
}

TEST_F(WakeTableTest, AWaiterLearnsItsWaker) {
    const uint32_t entry = table_->enter(object_at(0x1000));
    ASSERT_NE(entry, WakeTable::kNone);
    EXPECT_TRUE(table_->has_waiters(object_at(0x1000)));
    EXPECT_EQ(table_->announce(object_at(0x1000), {500, 77, 42}), 1u);
    const Waker waker = table_->last_waker(entry, 400);
    EXPECT_EQ(waker.tid, 42u);
    EXPECT_EQ(waker.site, 77u);
    EXPECT_EQ(waker.when_ns, 500u);
    table_->leave(entry);
    EXPECT_FALSE(table_->has_waiters(object_at(0x1000)));
}

TEST_F(WakeTableTest, AWakerBeforeTheWaitIsNotIts) {
    const uint32_t first = table_->enter(object_at(0x1000));
    table_->announce(object_at(0x1000), {500, 77, 42});
    table_->leave(first);
    const uint32_t second = table_->enter(object_at(0x1000));
    EXPECT_EQ(table_->last_waker(second, 600).tid, 0u);
}

TEST_F(WakeTableTest, WaitersAreCounted) {
    const uint32_t a = table_->enter(object_at(0x1000));
    const uint32_t b = table_->enter(object_at(0x1000));
    EXPECT_EQ(a, b);
    EXPECT_EQ(table_->announce(object_at(0x1000), {1, 1, 1}), 2u);
    table_->leave(a);
    EXPECT_EQ(table_->announce(object_at(0x1000), {2, 1, 1}), 1u);
    table_->leave(b);
}

// Condvars on stacks: addresses come and go by the million without a destroy call; entries are used again.
TEST_F(WakeTableTest, AddressesWithoutWaitersLeaveNoTrace) {
    for (uint64_t address = 0x10000; address < 0x10000 + 64 * 1000 * 1000; address += 64) {
        const uint32_t entry = table_->enter(object_at(address));
        ASSERT_NE(entry, WakeTable::kNone) << address;
        table_->leave(entry);
    }
}

TEST_F(WakeTableTest, AFullNeighbourhoodRefuses) {
    std::vector<uint32_t> entries;
    uint32_t refused = 0;
    for (uint64_t i = 1; i <= 2 * WakeTable::kEntries; i++) {
        const uint32_t entry = table_->enter(object_at(i * 64));
        if (entry == WakeTable::kNone)
            refused++;
        else
            entries.push_back(entry);
    }
    EXPECT_GE(refused, WakeTable::kEntries);
    EXPECT_LE(entries.size(), WakeTable::kEntries);
    table_->leave(WakeTable::kNone);  // a refused waiter leaves nothing
    for (const uint32_t entry : entries) table_->leave(entry);
    EXPECT_NE(table_->enter(object_at(64)), WakeTable::kNone);
}

TEST_F(WakeTableTest, ForgetsTheParentsWaitersAfterFork) {
    table_->enter(object_at(0x1000));
    table_->clear();
    EXPECT_FALSE(table_->has_waiters(object_at(0x1000)));
}

// INV-WAKE-2 under threads: whatever the interleaving, after all left nobody waits anywhere.
TEST_F(WakeTableTest, EnterAndLeaveBalanceUnderThreads) {
    std::vector<std::thread> threads;
    for (uint64_t t = 0; t < 4; t++)
        threads.emplace_back([this, t] {
            for (uint64_t i = 0; i < 50000; i++) {
                const void* object = object_at(64 * (1 + (i * (t + 1)) % 97));
                const uint32_t entry = table_->enter(object);
                table_->announce(object, {i, i, static_cast<uint32_t>(t)});
                table_->leave(entry);
            }
        });
    for (std::thread& thread : threads) thread.join();
    for (uint64_t i = 1; i <= 97; i++) EXPECT_FALSE(table_->has_waiters(object_at(64 * i))) << i;
}

}  // namespace
}  // namespace latchkey
