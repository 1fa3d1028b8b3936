// SPDX-License-Identifier: Apache-2.0
//
// Bounded text without allocation or locale.
#pragma once

#include <cstddef>
#include <cstdint>

namespace latchkey {

// Copies at most N - 1 bytes and ends them with NUL.
template <size_t N>
void copy_text(char (&to)[N], const char* from) {
    size_t i = 0;
    for (; i + 1 < N && from[i] != '\0'; i++) to[i] = from[i];
    to[i] = '\0';
}

// Writes n in decimal and a NUL at out (21 bytes suffice); returns the address of the NUL.
inline char* put_number(char* out, uint64_t n) {
    char digits[20];
    int count = 0;
    do digits[count++] = static_cast<char>('0' + n % 10);
    while ((n /= 10) != 0);
    while (count > 0) *out++ = digits[--count];
    *out = '\0';
    return out;
}

}  // namespace latchkey
