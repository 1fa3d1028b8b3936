// SPDX-License-Identifier: Apache-2.0
//
// The words of preload/options.def for the numbers that traces and counters files give: an option of kind
// choice is recorded as the place of its value in the table's list.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace latchkey {

/// Values of an option as the table lists them, joined by |; empty if it has none of that name.
constexpr std::string_view values_of(std::string_view option) {
#define OPTION(kind, name, default_value, values, help) \
    if (option == #name) return values;
#include "preload/options.def"
#undef OPTION
    return {};
}

/// The value at a place; "unknown" beyond the end, as from another version.
constexpr std::string_view choice(std::string_view option, std::size_t place) {
    std::string_view values = values_of(option);
    while (!values.empty()) {
        const std::string_view value = values.substr(0, values.find('|'));
        if (place-- == 0) return value;
        values.remove_prefix(std::min(value.size() + 1, values.size()));
    }
    return "unknown";
}

}  // namespace latchkey
