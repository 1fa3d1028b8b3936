// SPDX-License-Identifier: Apache-2.0
//
// A reader of TSDL, the language of CTF 1.8 metadata: the subset that LTTng-UST writes. It knows the
// grammar only; what the blocks mean for decoding is metadata.h's business.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace latchkey::tsdl {

enum class Kind : std::uint8_t { integer, opaque, text, structure, variant, unsupported };

struct Field;

/// A type. `bits` and `align` are set for integers (enumerations count as integers) and opaque scalars.
struct Type {
    Kind kind = Kind::unsupported;
    std::uint32_t bits = 0;
    std::uint32_t align = 1;
    bool is_signed = false;
    bool big_endian = false;
    std::vector<Field> fields;  // of structures and variants
};

struct Field {
    std::string name;
    Type type;
    bool is_array = false;
    std::uint32_t length = 0;  // of a fixed array
    std::string length_field;  // of a sequence: the earlier field that tells the length
};

/// One top-level block: trace, env, clock, stream or event.
struct Block {
    std::string kind;
    std::map<std::string, std::string> attributes;  // name = value; quotes taken off
    std::map<std::string, Type> types;              // name := type
};

struct Document {
    std::vector<Block> blocks;
    std::string problem;  // empty, or why reading stopped; the blocks before it are good
};

/// Reads the text as far as it can. Never fails outright: a truncated text gives its complete blocks.
Document read(std::string_view text);

}  // namespace latchkey::tsdl
