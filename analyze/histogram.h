// SPDX-License-Identifier: Apache-2.0
//
// Log-linear histograms of durations: 32 buckets per octave, so a quantile is right to 3.1 %.
//
// Bucket of v: v itself below 32; else with e = floor(log2 v), (e - 4) * 32 + ((v >> (e - 5)) & 31).
// Lowest value of bucket b >= 32: (32 + (b & 31)) << (b / 32 - 1). The blob in result.db is sparse:
// little-endian pairs of u32 bucket, u64 count. Histograms add; quantiles do not.
//
// An octave's counts (a chunk) are allocated when first used and live in a pool that all histograms of an
// analysis share, so that a lock costs some hundred bytes and not eight thousand.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <string>
#include <vector>

namespace latchkey {

class HistogramPool {
  public:
    static constexpr std::uint32_t kBuckets = 32;
    using Chunk = std::array<std::uint32_t, kBuckets>;

    HistogramPool() : chunks_(1) {}
    std::uint32_t allocate() {
        chunks_.emplace_back();
        return static_cast<std::uint32_t>(chunks_.size() - 1);
    }
    Chunk& operator[](std::uint32_t id) { return chunks_[id]; }
    const Chunk& operator[](std::uint32_t id) const { return chunks_[id]; }
    std::size_t size() const { return chunks_.size(); }

  private:
    std::vector<Chunk> chunks_;  // 0 is never used: it means "no chunk"
};

class Histogram {
  public:
    static constexpr std::uint32_t kOctaves =
        44;  // up to 2^48 ns, three days; longer falls into the last bucket

    static std::uint32_t bucket_of(std::uint64_t value) {
        if (value < 32) return static_cast<std::uint32_t>(value);
        const auto exponent = static_cast<std::uint32_t>(std::bit_width(value)) - 1;
        const auto bucket = (exponent - 4) * 32 + static_cast<std::uint32_t>((value >> (exponent - 5)) & 31);
        return bucket < kOctaves * 32 ? bucket : kOctaves * 32 - 1;
    }
    /// Lowest value that falls into the bucket.
    static std::uint64_t lowest(std::uint32_t bucket) {
        return bucket < 32 ? bucket : std::uint64_t{32 + (bucket & 31)} << (bucket / 32 - 1);
    }

    void add(HistogramPool& pool, std::uint64_t value) {
        const std::uint32_t bucket = bucket_of(value);
        std::uint32_t& chunk = chunks_[bucket / 32];
        if (chunk == 0) [[unlikely]]
            chunk = pool.allocate();
        std::uint32_t& count = pool[chunk][bucket % 32];
        count += count != UINT32_MAX;
    }

    void merge(HistogramPool& pool, const Histogram& other);
    std::uint64_t count(const HistogramPool& pool) const;
    /// The value below which `share` (0 to 1) of the samples lie, the middle of its bucket; 0 if empty.
    std::uint64_t quantile(const HistogramPool& pool, double share) const;
    /// The form kept in result.db; empty if no sample was added.
    std::string blob(const HistogramPool& pool) const;

  private:
    std::array<std::uint32_t, kOctaves> chunks_{};
};

}  // namespace latchkey
