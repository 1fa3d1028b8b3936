// SPDX-License-Identifier: Apache-2.0
//
// Records with random content, for round trips.
#pragma once

#include <deque>
#include <random>
#include <string>
#include <vector>

#include "analyze/events.h"

namespace latchkey::testing {

/// A visitor that fills a record; keeps what its texts and sequences point to.
class RecordFiller {
  public:
    explicit RecordFiller(std::mt19937_64& random) : random_(random) {}

    template <typename T>
    void number(std::string_view, T& value) {
        value = static_cast<T>(random_());
    }
    void text(std::string_view, std::string_view& value) {
        std::string& kept = texts_.emplace_back(random_() % 12, 'a');
        for (char& c : kept) c = static_cast<char>('a' + random_() % 26);
        value = kept;
    }
    template <typename T>
    void sequence(std::string_view, Sequence<T>& value) {
        std::vector<unsigned char>& kept = bytes_.emplace_back((random_() % 9) * sizeof(T));
        for (unsigned char& byte : kept) byte = static_cast<unsigned char>(random_());
        value = {kept.data(), static_cast<std::uint32_t>(kept.size() / sizeof(T))};
    }

  private:
    std::mt19937_64& random_;
    std::deque<std::string> texts_;
    std::deque<std::vector<unsigned char>> bytes_;
};

}  // namespace latchkey::testing
