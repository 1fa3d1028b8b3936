// SPDX-License-Identifier: Apache-2.0
//
// Coarse points in time that fit into a pthread object: 32 bits, unit 1.024 us, from a monotonic clock. They
// wrap after 73 minutes; ages are compared modulo that, so an age may be misjudged once in 73 minutes of
// waiting.
#pragma once

#include <cstdint>

namespace latchkey {

using Stamp = uint32_t;

constexpr Stamp stamps_of_ns(uint64_t ns) {
    return static_cast<Stamp>(ns >> 10);
}

// Is `since` more than `limit` ago? Another cpu's stamp may lie a little ahead of `now`: then it is not.
constexpr bool is_older(Stamp now, Stamp since, Stamp limit) {
    return static_cast<int32_t>(now - since) > static_cast<int32_t>(limit);
}

}  // namespace latchkey
