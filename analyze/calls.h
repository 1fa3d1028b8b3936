// SPDX-License-Identifier: Apache-2.0
//
// Names and groups of the interposed functions, from preload/symbols.def: the meaning of `call` fields.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>

namespace latchkey {

struct Call {
    std::string_view name;
    std::string_view group;
};

inline constexpr std::array kCalls{
#define SYMBOL(group, name, version) Call{#name, #group},
#define SYMBOL_AS(group, name, version, ...) Call{#name, #group},
#include "preload/symbols.def"
#undef SYMBOL
#undef SYMBOL_AS
};

/// The function of a `call` value; "unknown" for a value of another version's table.
inline Call call_of(std::size_t index) {
    return index < kCalls.size() ? kCalls[index] : Call{"unknown", "unknown"};
}

}  // namespace latchkey
