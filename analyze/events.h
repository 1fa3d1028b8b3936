// SPDX-License-Identifier: Apache-2.0
//
// The events of a trace as C++ structures, generated from preload/events.def: one `record::NAME` per row,
// its fields in the table's order. for_each_field() is the only thing that knows the fields; decoders,
// the dump and the tests' trace writer are visitors of it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace latchkey {

/// What is waited for; the values of the `object` fields.
enum class Object : std::uint8_t {
    none = 0,
#define OBJECT(name, value) name = value,
#include "preload/events.def"
#undef OBJECT
};

/// How a wait on one of Latchkey's own locks ended; the values of the `passage` fields.
enum class Passage : std::uint8_t {
#define PASSAGE(name, value, help) name = value,
#include "preload/events.def"
#undef PASSAGE
};

enum class EventId : std::uint8_t {
#define EVENT(name, help, ...) name,
#include "preload/events.def"
#undef EVENT
    count
};

inline constexpr std::size_t kEventCount = static_cast<std::size_t>(EventId::count);

/// Loads an integer from a place that need not be aligned.
template <typename T>
inline T load(const unsigned char* from) {
    T value;
    std::memcpy(&value, from, sizeof value);
    return value;
}

/// A sequence inside the trace: not copied, not aligned; valid while its record is handled.
template <typename T>
struct Sequence {
    const unsigned char* data = nullptr;
    std::uint32_t count = 0;
    T operator[](std::size_t i) const { return load<T>(data + i * sizeof(T)); }
};

namespace record {
using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;
using i32 = std::int32_t;
using i64 = std::int64_t;

#define NUM(type, field, help) type field = 0;
#define TXT(field, help) std::string_view field;
#define SEQ(type, field, help) Sequence<type> field;
#define EVENT(name, help, ...)                          \
    struct name {                                       \
        static constexpr EventId kId = EventId::name;   \
        static constexpr std::string_view kName{#name}; \
        __VA_ARGS__                                     \
    };
#include "preload/events.def"
#undef EVENT
#undef NUM
#undef TXT
#undef SEQ

/// Calls visitor.number(name, field), .text(name, field) or .sequence(name, field) for each field in order.
#define NUM(type, field, help) visitor.number(std::string_view{#field}, event.field);
#define TXT(field, help) visitor.text(std::string_view{#field}, event.field);
#define SEQ(type, field, help) visitor.sequence(std::string_view{#field}, event.field);
#define EVENT(name, help, ...)                                     \
    template <typename Visitor>                                    \
    constexpr void for_each_field(name& event, Visitor& visitor) { \
        __VA_ARGS__                                                \
    }
#include "preload/events.def"
#undef EVENT
#undef NUM
#undef TXT
#undef SEQ
}  // namespace record

inline constexpr std::array<std::string_view, kEventCount> kEventNames{
#define EVENT(name, help, ...) #name,
#include "preload/events.def"
#undef EVENT
};

/// Calls `use` with an empty record of the event's type.
template <typename Use>
inline void with_record(EventId id, Use&& use) {
    switch (id) {
#define EVENT(name, help, ...) \
    case EventId::name: {      \
        record::name event;    \
        use(event);            \
        break;                 \
    }
#include "preload/events.def"
#undef EVENT
        case EventId::count:
            break;
    }
}

/// The table's name of an object ("mutex"), or "unknown".
inline std::string_view object_name(Object object) {
    switch (object) {
#define OBJECT(name, value) \
    case Object::name:      \
        return #name;
#include "preload/events.def"
#undef OBJECT
        case Object::none:
            break;
    }
    return "unknown";
}

}  // namespace latchkey
