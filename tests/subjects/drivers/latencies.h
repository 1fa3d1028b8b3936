// SPDX-License-Identifier: Apache-2.0
//
// A log-linear histogram of durations: 32 buckets per octave, so a percentile is at most 3 % off.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace latchkey::subjects {

class Latencies {
  public:
    void add(uint64_t ns) {
        ++buckets_[bucket_of(ns)];
        ++count_;
        if (ns > max_ns_) max_ns_ = ns;
    }

    void merge(const Latencies& other) {
        for (size_t i = 0; i < buckets_.size(); ++i) buckets_[i] += other.buckets_[i];
        count_ += other.count_;
        if (other.max_ns_ > max_ns_) max_ns_ = other.max_ns_;
    }

    uint64_t count() const { return count_; }
    double max_us() const { return static_cast<double>(max_ns_) / 1e3; }

    // The smallest bucket that `share` (0 to 1) of all durations do not exceed, in microseconds.
    double percentile_us(double share) const {
        const auto wanted = static_cast<uint64_t>(share * static_cast<double>(count_));
        uint64_t seen = 0;
        for (size_t i = 0; i < buckets_.size(); ++i) {
            seen += buckets_[i];
            if (seen > wanted) return static_cast<double>(lower_bound_ns(i)) / 1e3;
        }
        return max_us();
    }

  private:
    static constexpr unsigned kSubBits = 5;
    static constexpr uint64_t kSub = uint64_t{1} << kSubBits;

    static size_t bucket_of(uint64_t ns) {
        if (ns < kSub) return ns;
        const unsigned shift = static_cast<unsigned>(std::bit_width(ns)) - 1 - kSubBits;
        return (shift + 1) * kSub + ((ns >> shift) - kSub);
    }

    static uint64_t lower_bound_ns(size_t bucket) {
        if (bucket < kSub) return bucket;
        const uint64_t shift = bucket / kSub - 1;
        return (kSub + bucket % kSub) << shift;
    }

    std::array<uint64_t, (64 - kSubBits + 1) * kSub> buckets_{};
    uint64_t count_ = 0;
    uint64_t max_ns_ = 0;
};

}  // namespace latchkey::subjects
