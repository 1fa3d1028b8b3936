// SPDX-License-Identifier: Apache-2.0
#include "analyze/histogram.h"

#include <cmath>

namespace latchkey {

namespace {

template <typename Use>
void for_each_bucket(const std::array<std::uint32_t, Histogram::kOctaves>& chunks, const HistogramPool& pool,
                     Use&& use) {
    for (std::uint32_t octave = 0; octave < Histogram::kOctaves; ++octave) {
        if (chunks[octave] == 0) continue;
        const HistogramPool::Chunk& chunk = pool[chunks[octave]];
        for (std::uint32_t i = 0; i < HistogramPool::kBuckets; ++i)
            if (chunk[i] != 0) use(octave * 32 + i, chunk[i]);
    }
}

template <typename T>
void append(std::string& to, T value) {
    for (std::size_t i = 0; i < sizeof value; ++i) to.push_back(static_cast<char>(value >> (8 * i) & 0xff));
}

}  // namespace

void Histogram::merge(HistogramPool& pool, const Histogram& other) {
    for (std::uint32_t octave = 0; octave < kOctaves; ++octave) {
        if (other.chunks_[octave] == 0) continue;
        if (chunks_[octave] == 0) chunks_[octave] = pool.allocate();
        const HistogramPool::Chunk from = pool[other.chunks_[octave]];
        HistogramPool::Chunk& to = pool[chunks_[octave]];
        for (std::uint32_t i = 0; i < HistogramPool::kBuckets; ++i) {
            const std::uint64_t sum = std::uint64_t{to[i]} + from[i];
            to[i] = sum > UINT32_MAX ? UINT32_MAX : static_cast<std::uint32_t>(sum);
        }
    }
}

std::uint64_t Histogram::count(const HistogramPool& pool) const {
    std::uint64_t total = 0;
    for_each_bucket(chunks_, pool, [&](std::uint32_t, std::uint32_t n) { total += n; });
    return total;
}

std::uint64_t Histogram::quantile(const HistogramPool& pool, double share) const {
    const auto rank = static_cast<std::uint64_t>(std::ceil(share * static_cast<double>(count(pool))));
    std::uint64_t seen = 0;
    std::uint64_t found = 0;
    for_each_bucket(chunks_, pool, [&](std::uint32_t bucket, std::uint32_t n) {
        if (seen < rank) found = (lowest(bucket) + lowest(bucket + 1)) / 2;
        seen += n;
    });
    return found;
}

std::string Histogram::blob(const HistogramPool& pool) const {
    std::string bytes;
    for_each_bucket(chunks_, pool, [&](std::uint32_t bucket, std::uint32_t n) {
        append(bytes, bucket);
        append(bytes, std::uint64_t{n});
    });
    return bytes;
}

}  // namespace latchkey
