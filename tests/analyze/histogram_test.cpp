// SPDX-License-Identifier: Apache-2.0
#include "analyze/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

namespace latchkey {
namespace {

TEST(Histogram, BucketsAreContiguousAndInverse) {
    for (std::uint32_t bucket = 0; bucket + 1 < Histogram::kOctaves * 32; ++bucket) {
        ASSERT_EQ(Histogram::bucket_of(Histogram::lowest(bucket)), bucket);
        ASSERT_EQ(Histogram::bucket_of(Histogram::lowest(bucket + 1) - 1), bucket);
    }
}

TEST(Histogram, ValuesBeyondTheLastBucketFallIntoIt) {
    EXPECT_EQ(Histogram::bucket_of(UINT64_MAX), Histogram::kOctaves * 32 - 1);
    EXPECT_EQ(Histogram::bucket_of(std::uint64_t{1} << 50), Histogram::kOctaves * 32 - 1);
}

TEST(Histogram, QuantilesAreWithinABucketOfTheTruth) {
    std::mt19937_64 random(7);
    std::lognormal_distribution<double> durations(10, 3);
    HistogramPool pool;
    Histogram histogram;
    std::vector<std::uint64_t> values(20'000);
    for (std::uint64_t& value : values) {
        value = static_cast<std::uint64_t>(durations(random));
        histogram.add(pool, value);
    }
    std::sort(values.begin(), values.end());
    for (const double share : {0.01, 0.5, 0.9, 0.99, 1.0}) {
        const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(values.size()))) - 1;
        const auto truth = static_cast<double>(values[rank]);
        EXPECT_NEAR(static_cast<double>(histogram.quantile(pool, share)), truth, truth * 0.032 + 1) << share;
    }
}

TEST(Histogram, EmptyHasNoQuantileAndNoBlob) {
    HistogramPool pool;
    Histogram histogram;
    EXPECT_EQ(histogram.quantile(pool, 0.5), 0u);
    EXPECT_TRUE(histogram.blob(pool).empty());
}

TEST(Histogram, MergeAddsAndBlobIsSparse) {
    HistogramPool pool;
    Histogram a, b;
    a.add(pool, 5);
    b.add(pool, 5);
    b.add(pool, 1'000'000);
    a.merge(pool, b);
    EXPECT_EQ(a.count(pool), 3u);
    const std::string blob = a.blob(pool);
    ASSERT_EQ(blob.size(), 24u);
    std::uint32_t bucket = 0;
    std::uint64_t count = 0;
    std::memcpy(&bucket, blob.data(), 4);
    std::memcpy(&count, blob.data() + 4, 8);
    EXPECT_EQ(bucket, 5u);
    EXPECT_EQ(count, 2u);
    std::memcpy(&bucket, blob.data() + 12, 4);
    EXPECT_EQ(bucket, Histogram::bucket_of(1'000'000));
}

}  // namespace
}  // namespace latchkey
