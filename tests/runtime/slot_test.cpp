// SPDX-License-Identifier: Apache-2.0
#include "runtime/slot.h"

#include <gtest/gtest.h>

#include <unistd.h>

#include <future>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "runtime/system.h"

namespace latchkey {
namespace {

using Slots = SlotTable<LinuxSystem>;

constexpr uint32_t kGone = 0;  // a kernel thread id that nobody has

// Threads that live as long as this does.
class Living {
  public:
    explicit Living(uint32_t count) {
        std::promise<uint32_t> tids[kMost];
        for (uint32_t i = 0; i < count; i++) {
            threads_.emplace_back([this, &tids, i] {
                tids[i].set_value(static_cast<uint32_t>(gettid()));
                end_.wait();
            });
            tids_.push_back(tids[i].get_future().get());
        }
    }
    ~Living() {
        may_end_.set_value();
        for (std::thread& thread : threads_) thread.join();
    }

    // The kernel id of another one at each call.
    uint32_t next() { return tids_[next_++ % tids_.size()]; }

    static constexpr uint32_t kMost = 64;

  private:
    std::promise<void> may_end_;
    std::shared_future<void> end_ = may_end_.get_future().share();
    std::vector<std::thread> threads_;
    std::vector<uint32_t> tids_;
    uint32_t next_ = 0;
};

class SlotTest : public ::testing::Test {
  protected:
    static constexpr uint32_t kCapacity = 40;

    SlotTest() { table_->set_memory(memory_.get(), kCapacity); }

    // Another one of the threads that run.
    uint32_t alive() { return living_.next(); }

    // A thread that has come and ended.
    SlotId pass_through() {
        Slot<LinuxSystem>* slot = table_->claim(kGone);
        const SlotId id = slot->id.load();
        Slots::release(*slot);
        return id;
    }

    // Value-initialised, like fresh pages.
    std::unique_ptr<Slot<LinuxSystem>[]> memory_ = std::make_unique<Slot<LinuxSystem>[]>(kCapacity);
    std::unique_ptr<Slots> table_ = std::make_unique<Slots>();
    Living living_{kCapacity + 1};
};

TEST_F(SlotTest, IdsOfAllThreadsDiffer) {
    std::set<SlotId> ids;
    while (Slot<LinuxSystem>* slot = table_->claim(alive())) {
        EXPECT_TRUE(ids.insert(slot->id.load()).second);
        EXPECT_EQ(table_->find(slot->id.load()), slot);
        for (const Node<LinuxSystem>& node : slot->nodes) EXPECT_EQ(node.slot, slot);
    }
    EXPECT_EQ(ids.size(), kCapacity - kFirstIndex);
}

TEST_F(SlotTest, GlibcsOwnWordsAreNoIds) {
    std::set<SlotId> ids;
    for (uint32_t i = 0; i < 2 * kGenerations; i++) ids.insert(pass_through());
    while (Slot<LinuxSystem>* slot = table_->claim(alive())) ids.insert(slot->id.load());
    for (const SlotId id : ids) {
        EXPECT_GT(id & ((1u << kIndexBits) - 1), 2u) << id;
        EXPECT_EQ(id & ~kIdMask, 0u) << "an id runs into the flags of a lock word";
    }
    for (const SlotId id : {0u, 1u, 2u, 1u << kIndexBits, kIdMask, ~0u}) EXPECT_EQ(table_->find(id), nullptr);
}

TEST_F(SlotTest, ASlotsNextThreadHasAnotherId) {
    const SlotId first = pass_through();
    SlotId next = first;
    std::set<SlotId> ids = {first};
    for (uint32_t i = 1; i < kGenerations; i++) {
        next = pass_through();
        EXPECT_TRUE(ids.insert(next).second) << "an id came back after " << i << " threads";
        EXPECT_EQ(table_->find(first), nullptr);
    }
    EXPECT_EQ(table_->used(), kFirstIndex + 1) << "ended threads' slots were not used again";
    EXPECT_EQ(pass_through(), first) << "generations wrap";
}

TEST_F(SlotTest, AThreadThatStillRunsKeepsItsSlot) {
    Slot<LinuxSystem>* slot = table_->claim(alive());
    Slots::release(*slot);  // it has said that it ends, but may still lock
    const SlotId id = slot->id.load();
    EXPECT_NE(table_->claim(alive()), slot);
    EXPECT_EQ(table_->find(id), slot);
    slot->tid.store(kGone);
    std::set<Slot<LinuxSystem>*> next;
    while (Slot<LinuxSystem>* other = table_->claim(alive())) next.insert(other);
    EXPECT_EQ(next.count(slot), 1u) << "it is gone, and its slot is lost";
    EXPECT_EQ(table_->find(id), nullptr);
}

// A kernel id that comes back belongs to a new thread: the one that had it has ended, said so or not.
TEST_F(SlotTest, AKernelIdThatComesBackMeansThatItsThreadIsGone) {
    Slot<LinuxSystem>* slot = table_->claim(alive());
    const uint32_t tid = slot->tid.load();
    Slots::release(*slot);
    EXPECT_EQ(table_->claim(tid), slot);
    while (table_->claim(alive()) != nullptr) {
    }
    EXPECT_EQ(table_->claim(tid), slot) << "it is full, and that thread can only be a new one";
}

TEST_F(SlotTest, AForkChildHasOneThread) {
    std::vector<Slot<LinuxSystem>*> slots;
    for (int i = 0; i < 5; i++) slots.push_back(table_->claim(alive()));
    const SlotId id = slots[2]->id.load();
    for (Slot<LinuxSystem>* slot : slots) {
        slot->nodes_used = 1;
        slot->is_parked.store(1);
        slot->nodes[0].object.store(16);
    }
    slots[2]->nodes_used = 0;
    table_->reset_in_child(slots[2], 4711);
    EXPECT_EQ(slots[2]->id.load(), id);
    EXPECT_EQ(slots[2]->tid.load(), 4711u);
    std::set<Slot<LinuxSystem>*> next;
    for (int i = 0; i < 4; i++) next.insert(table_->claim(alive()));
    EXPECT_EQ(next, std::set<Slot<LinuxSystem>*>({slots[0], slots[1], slots[3], slots[4]}));
    for (Slot<LinuxSystem>* slot : next) {
        EXPECT_EQ(slot->nodes_used, 0u);
        EXPECT_EQ(slot->is_parked.load(), 0u);
        EXPECT_EQ(slot->nodes[0].object.load(), 0u);
    }
}

TEST_F(SlotTest, ThreadsClaimDifferentSlots) {
    std::atomic<uint32_t> failures{0};
    std::vector<std::atomic<uint32_t>> users(kCapacity);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; t++)
        threads.emplace_back([&] {
            for (int i = 0; i < 2000; i++) {
                Slot<LinuxSystem>* slot = table_->claim(kGone);
                const uint32_t index = slot->id.load() & ((1u << kIndexBits) - 1);
                if (users[index].fetch_add(1) != 0) failures++;
                users[index].fetch_sub(1);
                Slots::release(*slot);
            }
        });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(failures, 0u) << "two threads had one slot";
    EXPECT_LE(table_->used(), kCapacity);
}

}  // namespace
}  // namespace latchkey
