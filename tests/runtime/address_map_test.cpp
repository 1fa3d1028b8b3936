// SPDX-License-Identifier: Apache-2.0
#include "runtime/address_map.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <thread>
#include <unordered_map>
#include <vector>

namespace latchkey {
namespace {

using Map = AddressMap<1024>;

class AddressMapTest : public ::testing::Test {
  protected:
    std::unique_ptr<Map> map_ = std::make_unique<Map>();
};

TEST_F(AddressMapTest, PutGetErase) {
    EXPECT_EQ(map_->get(0x1000), 0u);
    const uint32_t entry = map_->put(0x1000, 7);
    EXPECT_NE(entry, Map::kNone);
    uint32_t found;
    EXPECT_EQ(map_->get(0x1000, &found), 7u);
    EXPECT_EQ(found, entry);
    EXPECT_EQ(map_->put(0x1000, 8), entry) << "an address initialised again keeps its place";
    EXPECT_EQ(map_->get(0x1000), 8u);
    map_->erase(0x1000);
    EXPECT_EQ(map_->get(0x1000, &found), 0u);
    EXPECT_EQ(found, Map::kNone);
}

TEST_F(AddressMapTest, RefusesWhenFullAndKeepsWhatItHas) {
    std::vector<uint64_t> kept;
    for (uint64_t key = 16; key <= 16 * 4096; key += 16)
        if (map_->put(key, key + 1) != Map::kNone) kept.push_back(key);
    EXPECT_LE(kept.size(), 1024u);
    EXPECT_GE(kept.size(), 512u);
    for (const uint64_t key : kept) EXPECT_EQ(map_->get(key), key + 1);
    map_->clear();
    for (const uint64_t key : kept) EXPECT_EQ(map_->get(key), 0u);
}

// Locks that are initialised and destroyed by the million: erased entries are used again.
TEST_F(AddressMapTest, InitAndDestroyForEver) {
    std::mt19937_64 random(20261122);
    std::unordered_map<uint64_t, uint64_t> model;
    for (uint64_t step = 1; step <= 300000; step++) {
        const uint64_t key = 16 * (1 + random() % 400);
        if (random() % 2 == 0) {
            ASSERT_NE(map_->put(key, step), Map::kNone) << "step " << step;
            model[key] = step;
        } else {
            map_->erase(key);
            model.erase(key);
        }
        const auto expected = model.find(key);
        ASSERT_EQ(map_->get(key), expected == model.end() ? 0 : expected->second) << "step " << step;
    }
}

TEST_F(AddressMapTest, ThreadsWithKeysOfTheirOwn) {
    std::vector<std::thread> threads;
    std::atomic<int> wrong{0};
    for (uint64_t t = 0; t < 4; t++)
        threads.emplace_back([&, t] {
            for (uint64_t i = 0; i < 50000; i++) {
                const uint64_t key = 16 * (1 + t * 50 + i % 50);
                if (map_->put(key, i + 1) != Map::kNone && map_->get(key) != i + 1) wrong++;
                map_->erase(key);
            }
        });
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(wrong, 0);
}

}  // namespace
}  // namespace latchkey
