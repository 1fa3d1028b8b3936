// SPDX-License-Identifier: Apache-2.0
//
// What the metadata of one trace folder says about its streams: where each field lies. Ids and layouts
// are per folder (LTTng writes one metadata per process), so nothing here is shared between folders.
//
// Supported is what LTTng-UST 2.13 writes: little endian, all fields byte-aligned, the large event
// header, events of integers, strings and sequences. For anything else `problem` says what, and the
// folder is read through libbabeltrace2 (bt_reader.h).
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace latchkey {

/// One integer at a fixed place.
struct Slot {
    std::uint32_t offset = 0;
    std::uint32_t bytes = 0;
    bool is_signed = false;
};

/// A structure of integers and fixed arrays: every field's place is known beforehand.
struct FixedLayout {
    std::uint32_t bytes = 0;
    std::map<std::string, Slot> slots;
    std::optional<Slot> find(const std::string& name) const;
};

/// A field of an event's payload, in wire order. The field that holds a sequence's length comes before
/// it and is not listed: its width is length_bytes.
struct EventField {
    enum class Form : std::uint8_t { integer, text, bytes, sequence };
    std::string name;  // without the underscore that LTTng puts in front
    Form form = Form::integer;
    std::uint32_t bytes = 0;         // of the integer or element; of the whole for Form::bytes
    std::uint32_t length_bytes = 0;  // of the length in front of a sequence
    bool is_signed = false;
};

struct EventLayout {
    std::string name;  // "latchkey:lock_wait"
    std::vector<EventField> fields;
};

struct StreamLayout {
    FixedLayout packet_context;
    FixedLayout event_context;
    std::map<std::uint32_t, EventLayout> events;
};

struct TraceLayout {
    std::array<unsigned char, 16> uuid{};
    std::uint64_t clock_frequency = 1'000'000'000;
    std::map<std::string, std::string> environment;
    FixedLayout packet_header;
    std::map<std::uint32_t, StreamLayout> streams;
    std::string problem;      // empty: all of it was understood
    bool is_assumed = false;  // made by assumed_layout()
};

/// The text inside a metadata file, packetised or plain; as much as is there.
std::string metadata_text(std::string_view file);

/// Layouts from metadata text; on `problem` they are not to be used.
TraceLayout layout_of(std::string_view text);

}  // namespace latchkey
