// SPDX-License-Identifier: Apache-2.0
//
// The model's random numbers (splitmix64): one seed decides a whole schedule.
#pragma once

#include <cstdint>

namespace latchkey::model {

class Random {
  public:
    explicit Random(uint64_t seed = 0) : state_(seed) {}

    uint64_t next() {
        uint64_t z = state_ += 0x9e3779b97f4a7c15ull;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
        return z ^ (z >> 31);
    }

    // 0 .. limit - 1
    uint32_t below(uint32_t limit) { return static_cast<uint32_t>((next() >> 32) * limit >> 32); }
    uint32_t between(uint32_t low, uint32_t high) { return low + below(high - low + 1); }

    // True once in `n` times; 0: never.
    bool one_in(uint32_t n) { return n != 0 && below(n) == 0; }

    template <class T, unsigned kCount>
    T one_of(const T (&values)[kCount]) {
        return values[below(kCount)];
    }

  private:
    uint64_t state_;
};

}  // namespace latchkey::model
