// SPDX-License-Identifier: Apache-2.0
//
// The events of events.def as structures, and the table of functions that emit them. The table's functions
// live in liblatchkey-events.so (provider.cpp), loaded only when the level emits events; without it nothing
// of LTTng is in the process.
#pragma once

#include <cstdint>

namespace latchkey::events {

using u8 = uint8_t;
using u16 = uint16_t;
using u32 = uint32_t;
using u64 = uint64_t;
using i32 = int32_t;
using i64 = int64_t;

#define NUM(type, name, doc) type name;
#define TXT(name, doc) const char* name;
#define SEQ(type, name, doc) \
    u32 name##_count;        \
    const type* name;
#define EVENT(name, doc, ...) \
    struct name {             \
        __VA_ARGS__           \
    };
#include "preload/events.def"
#undef EVENT
#undef NUM
#undef TXT
#undef SEQ

// One function per event; the pointed-to structure is read during the call only.
struct Table {
#define EVENT(name, doc, ...) void (*name)(const events::name*);
#include "preload/events.def"
#undef EVENT
};

// The name under which liblatchkey-events.so exports its table.
inline constexpr char kTableSymbol[] = "latchkey_event_table";

}  // namespace latchkey::events
