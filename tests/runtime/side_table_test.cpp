// SPDX-License-Identifier: Apache-2.0
#include "runtime/side_table.h"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <random>
#include <set>
#include <vector>

#include "runtime/system.h"

namespace latchkey {
namespace {

using Table = SideTable<LinuxSystem>;
using TestNode = Node<LinuxSystem>;

constexpr Stamp kNow = 1'000'000;
constexpr Stamp kOvertaking = 1000;

class SideTableTest : public ::testing::Test {
  protected:
    // `count` addresses that share a bucket.
    std::vector<const void*> colliding(size_t count) {
        std::vector<const void*> found;
        for (uintptr_t address = 0x10000; found.size() < count; address += 8) {
            const auto* object = reinterpret_cast<const void*>(address);
            if (&table_->bucket_of(object) == &table_->bucket_of(reinterpret_cast<const void*>(0x10000)))
                found.push_back(object);
        }
        return found;
    }

    TestNode& node(uint32_t urgency, Stamp since = kNow) {
        nodes_.push_back(std::make_unique<TestNode>());
        nodes_.back()->urgency = urgency;
        nodes_.back()->since = since;
        return *nodes_.back();
    }

    uint32_t push(const void* object, TestNode& node, bool by_urgency = true) {
        return table_->bucket_of(object).push(object, node, by_urgency, kNow, kOvertaking);
    }

    // The queue of an object, its links checked in both directions.
    std::vector<const TestNode*> queue(const void* object) {
        std::vector<const TestNode*> found;
        const TestNode* head = table_->bucket_of(object).head(object);
        if (head == nullptr) return found;
        const TestNode* node = head;
        do {
            EXPECT_EQ(node->next->prev, node);
            EXPECT_EQ(node->object.load(), reinterpret_cast<uintptr_t>(object));
            found.push_back(node);
            node = node->next;
        } while (node != head && found.size() < 1000);
        EXPECT_EQ(head->length, found.size()) << "the head does not know the length";
        return found;
    }

    using Queue = std::vector<const TestNode*>;

    std::unique_ptr<Table> table_ = std::make_unique<Table>();
    std::vector<std::unique_ptr<TestNode>> nodes_;
    const void* const object_ = reinterpret_cast<const void*>(0x10000);
};

TEST_F(SideTableTest, EqualsStandInOrderOfArrival) {
    TestNode &a = node(20), &b = node(20), &c = node(20);
    EXPECT_EQ(push(object_, a), 0u);
    EXPECT_EQ(push(object_, b), 1u);
    EXPECT_EQ(push(object_, c), 2u);
    EXPECT_EQ(queue(object_), Queue({&a, &b, &c}));
}

TEST_F(SideTableTest, TheMoreUrgentStandBeforeTheLess) {
    TestNode &low = node(10), &middle = node(20), &high = node(30), &middle2 = node(20), &low2 = node(10);
    EXPECT_EQ(push(object_, low), 0u);
    EXPECT_EQ(push(object_, middle), 0u);
    EXPECT_EQ(push(object_, high), 0u);
    EXPECT_EQ(push(object_, middle2), 2u) << "behind its equal";
    EXPECT_EQ(push(object_, low2), 4u);
    EXPECT_EQ(queue(object_), Queue({&high, &middle, &middle2, &low, &low2}));
}

TEST_F(SideTableTest, ByArrivalUrgencyCountsForNothing) {
    TestNode &low = node(10), &high = node(30);
    push(object_, low, false);
    EXPECT_EQ(push(object_, high, false), 1u);
    EXPECT_EQ(queue(object_), Queue({&low, &high}));
}

TEST_F(SideTableTest, WhoHasWaitedTooLongIsOvertakenNoMore) {
    TestNode &old = node(10, kNow - kOvertaking - 1), &young = node(10, kNow - kOvertaking), &high = node(30);
    push(object_, old);
    push(object_, young);
    EXPECT_EQ(push(object_, high), 1u);
    EXPECT_EQ(queue(object_), Queue({&old, &high, &young}));
}

TEST_F(SideTableTest, WhoWasWokenForNothingComesFirstAgain) {
    TestNode &a = node(20), &b = node(20), &urgent = node(30), &first = node(20),
             &old = node(20, kNow - kOvertaking - 1);
    auto& bucket = table_->bucket_of(object_);
    bucket.push_front(object_, a, true, kNow, kOvertaking);
    push(object_, b);
    bucket.push_front(object_, first, true, kNow, kOvertaking);
    EXPECT_EQ(queue(object_), Queue({&first, &a, &b}));
    push(object_, urgent);
    bucket.remove(first);
    bucket.push_front(object_, first, true, kNow, kOvertaking);
    EXPECT_EQ(queue(object_), Queue({&urgent, &first, &a, &b})) << "but not before a more urgent one";
    bucket.push_front(object_, old, true, kNow, kOvertaking);
    EXPECT_EQ(queue(object_), Queue({&old, &urgent, &first, &a, &b})) << "unless it has waited too long";
}

TEST_F(SideTableTest, HeadMiddleAndTailLeave) {
    TestNode &a = node(20), &b = node(20), &c = node(20), &d = node(20);
    auto& bucket = table_->bucket_of(object_);
    for (TestNode* each : {&a, &b, &c, &d}) push(object_, *each);
    bucket.remove(b);
    EXPECT_EQ(queue(object_), Queue({&a, &c, &d}));
    bucket.remove(d);
    EXPECT_EQ(queue(object_), Queue({&a, &c}));
    bucket.remove(a);
    EXPECT_EQ(queue(object_), Queue({&c}));
    bucket.remove(c);
    EXPECT_EQ(queue(object_), Queue());
    EXPECT_EQ(bucket.first_queue(), nullptr);
    push(object_, a);
    EXPECT_EQ(queue(object_), Queue({&a}));
}

TEST_F(SideTableTest, ADetachedQueueEndsInNull) {
    TestNode &a = node(20), &b = node(20), &c = node(20);
    for (TestNode* each : {&a, &b, &c}) push(object_, *each);
    auto& bucket = table_->bucket_of(object_);
    EXPECT_EQ(bucket.detach(object_), &a);
    EXPECT_EQ(a.next, &b);
    EXPECT_EQ(b.next, &c);
    EXPECT_EQ(c.next, nullptr);
    EXPECT_EQ(bucket.head(object_), nullptr);
    EXPECT_EQ(bucket.detach(object_), nullptr);
}

TEST_F(SideTableTest, ObjectsOfOneBucketAreToldApart) {
    const auto objects = colliding(4);
    for (uint32_t round = 0; round < 3; round++)
        for (const void* object : objects) push(object, node(10 + round));
    for (const void* object : objects) EXPECT_EQ(queue(object).size(), 3u);
    auto& bucket = table_->bucket_of(objects[0]);
    bucket.remove(*bucket.head(objects[2]));
    EXPECT_NE(bucket.detach(objects[1]), nullptr);
    EXPECT_EQ(queue(objects[0]).size(), 3u);
    EXPECT_EQ(queue(objects[1]).size(), 0u);
    EXPECT_EQ(queue(objects[2]).size(), 2u);
    EXPECT_EQ(queue(objects[3]).size(), 3u);
    uint32_t queues = 0;
    for (const TestNode* head = bucket.first_queue(); head != nullptr; head = head->next_queue) queues++;
    EXPECT_EQ(queues, 3u);
    table_->reset_in_child();
    EXPECT_EQ(bucket.first_queue(), nullptr);
}

// Against lists that are kept the simple way.
TEST_F(SideTableTest, RandomWaitersComeAndGo) {
    std::minstd_rand random(7);
    const auto objects = colliding(3);
    std::array<Queue, 3> expected;
    for (int step = 0; step < 3000; step++) {
        const size_t which = random() % objects.size();
        Queue& list = expected[which];
        auto& bucket = table_->bucket_of(objects[which]);
        if (random() % 5 < 3 && list.size() < 12) {
            TestNode& entering = node(random() % 4, kNow - random() % (2 * kOvertaking));
            size_t place = list.size();
            while (place > 0 && list[place - 1]->urgency < entering.urgency &&
                   kNow - list[place - 1]->since <= kOvertaking)
                place--;
            EXPECT_EQ(push(objects[which], entering), place);
            list.insert(list.begin() + static_cast<long>(place), &entering);
        } else if (!list.empty()) {
            const size_t place = random() % list.size();
            bucket.remove(const_cast<TestNode&>(*list[place]));
            list.erase(list.begin() + static_cast<long>(place));
        }
        ASSERT_EQ(queue(objects[which]), list) << "step " << step;
    }
}

TEST_F(SideTableTest, ConsecutiveObjectsSpreadOverTheBuckets) {
    std::set<const void*> buckets;
    constexpr uintptr_t kObjects = Table::kBuckets / 2;
    for (uintptr_t i = 0; i < kObjects; i++)
        buckets.insert(&table_->bucket_of(reinterpret_cast<const void*>(0x7f0000000000 + i * 40)));
    EXPECT_GT(buckets.size(), kObjects / 2);
}

#ifdef LATCHKEY_CHECK_RANKS
TEST(RankDeathTest, TwoLocksOfOneRankEndTheProcess) {
    const auto take_two = [] {
        Slot<LinuxSystem> self{};
        int first = 0;
        std::array<int, 64> others{};
        const BucketGuard<LinuxSystem> guard(self, &first);
        for (const int& other : others)
            if (&LinuxSystem::table().bucket_of(&other) != &LinuxSystem::table().bucket_of(&first)) {
                const BucketGuard<LinuxSystem> second(self, &other);
                break;
            }
    };
    EXPECT_DEATH(take_two(), "internal lock of rank 0 taken while holding ranks 0x1");
}

TEST(RankDeathTest, TheOrderIsSleepListProcessRunQueue) {
    Slot<LinuxSystem> self{};
    note_taking(self, Rank::kSleepList);
    note_taking(self, Rank::kProcess);
    note_taking(self, Rank::kRunQueue);
    note_releasing(self, Rank::kProcess);
    EXPECT_DEATH(note_taking(self, Rank::kProcess), "internal lock of rank 1 taken while holding ranks 0x5");
    note_releasing(self, Rank::kRunQueue);
    note_releasing(self, Rank::kSleepList);
    EXPECT_EQ(self.ranks_held, 0u);
}

TEST(RankDeathTest, ABrokenQueueEndsTheProcess) {
    const auto leave_broken = [] {
        Slot<LinuxSystem> self{};
        std::array<TestNode, 2> nodes{};
        const BucketGuard<LinuxSystem> guard(self, &self);
        for (TestNode& node : nodes) guard->push(&self, node, false, kNow, kOvertaking);
        nodes[0].length = 3;
    };
    EXPECT_DEATH(leave_broken(), "a bucket section left a broken queue");
}
#else
#error these tests are built with LATCHKEY_CHECK_RANKS
#endif

}  // namespace
}  // namespace latchkey
