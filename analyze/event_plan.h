// SPDX-License-Identifier: Apache-2.0
//
// How to decode one event class of one trace folder, decided once when the folder is opened.
//
// An event whose wire layout is that of preload/events.def (`packed`) is decoded by code generated from
// the table: plain loads, no interpretation. Any other layout (another version's trace, reordered or
// missing fields) is decoded step by step; fields are matched by name, missing ones read as zero.
#pragma once

#include <algorithm>
#include <string_view>
#include <vector>

#include "analyze/events.h"
#include "analyze/metadata.h"

namespace latchkey {

/// Reads a record's fields one after the other from packed little-endian bytes; `at` becomes null when
/// they do not fit.
class PackedReader {
  public:
    PackedReader(const unsigned char* at, const unsigned char* end) : at_(at), end_(end) {}
    const unsigned char* at() const { return at_; }

    template <typename T>
    void number(std::string_view, T& value) {
        if (!fits(sizeof(T))) return;
        value = load<T>(at_);
        at_ += sizeof(T);
    }

    void text(std::string_view, std::string_view& value) {
        if (at_ == nullptr) return;
        const unsigned char* nul = std::find(at_, end_, '\0');
        if (nul == end_) return give_up();
        value = {reinterpret_cast<const char*>(at_), static_cast<std::size_t>(nul - at_)};
        at_ = nul + 1;
    }

    template <typename T>
    void sequence(std::string_view name, Sequence<T>& value) {
        std::uint32_t count = 0;
        number(name, count);
        if (!fits(std::uint64_t{count} * sizeof(T))) return;
        value = {at_, count};
        at_ += std::size_t{count} * sizeof(T);
    }

  private:
    bool fits(std::uint64_t bytes) {
        if (at_ == nullptr) return false;
        if (bytes > static_cast<std::uint64_t>(end_ - at_)) give_up();
        return at_ != nullptr;
    }
    void give_up() { at_ = nullptr; }

    const unsigned char* at_;
    const unsigned char* end_;
};

/// Adds up a record's size on the wire.
struct WireSize {
    std::size_t bytes = 0;
    bool is_fixed = true;

    template <typename T>
    constexpr void number(std::string_view, T&) {
        bytes += sizeof(T);
    }
    constexpr void text(std::string_view, std::string_view&) { is_fixed = false; }
    template <typename T>
    constexpr void sequence(std::string_view, Sequence<T>&) {
        is_fixed = false;
    }
};

/// Size of a record of numbers; 0 if it has a text or a sequence.
template <typename Record>
inline constexpr std::size_t kWireBytes = [] {
    Record record;
    WireSize size;
    for_each_field(record, size);
    return size.is_fixed ? size.bytes : 0;
}();

/// Reads the numbers of a record that has nothing else, when it is known to be all there.
class NumberReader {
  public:
    explicit NumberReader(const unsigned char* at) : at_(at) {}

    template <typename T>
    void number(std::string_view, T& value) {
        value = load<T>(at_);
        at_ += sizeof(T);
    }

  private:
    const unsigned char* at_;
};

struct EventPlan {
    static constexpr int kSkip = -1;

    struct Step {
        EventField field;
        int target = kSkip;  // ordinal of the record's field
    };

    bool known = false;           // some event has this id
    EventId id = EventId::count;  // count: not an event of ours, skipped
    bool packed = false;
    std::vector<Step> steps;
};

/// The layout of a trace whose metadata is not there (LTTng writes it when tracing stops, or its daemon was
/// killed before): that of LTTng-UST 2.13 with this version's provider alone, all of its events enabled.
TraceLayout assumed_layout();

/// The plan for an event class as the metadata describes it.
EventPlan plan_for(const EventLayout& layout);

/// Walks over one event's payload without a record. Returns its end, or null if it does not fit.
const unsigned char* skip_event(const EventPlan& plan, const unsigned char* at, const unsigned char* end);

/// The values of one event found by walking its steps, by ordinal of the record's field.
struct FoundFields {
    static constexpr std::size_t kMaxFields = 16;
    struct Found {
        std::uint64_t number = 0;             // integers, sign-extended
        const unsigned char* data = nullptr;  // texts and sequences
        std::uint32_t count = 0;
        std::uint32_t bytes = 0;  // of a sequence's element
    };
    std::array<Found, kMaxFields> fields{};
    const unsigned char* end = nullptr;
};
FoundFields find_fields(const EventPlan& plan, const unsigned char* at, const unsigned char* end);

/// Puts found values into a record.
class FoundReader {
  public:
    explicit FoundReader(const FoundFields& found) : found_(found) {}

    template <typename T>
    void number(std::string_view, T& value) {
        value = static_cast<T>(found_.fields[next_++].number);
    }
    void text(std::string_view, std::string_view& value) {
        const FoundFields::Found& found = found_.fields[next_++];
        value = {reinterpret_cast<const char*>(found.data), found.count};
    }
    template <typename T>
    void sequence(std::string_view, Sequence<T>& value) {
        const FoundFields::Found& found = found_.fields[next_++];
        if (found.bytes == sizeof(T)) value = {found.data, found.count};
    }

  private:
    const FoundFields& found_;
    std::size_t next_ = 0;
};

/// Decodes one event's payload into the record. Returns its end, or null if it does not fit.
template <typename Record>
inline const unsigned char* decode(const EventPlan& plan, const unsigned char* at, const unsigned char* end,
                                   Record& event) {
    if (plan.packed) [[likely]] {
        if constexpr (kWireBytes<Record> != 0) {
            if (static_cast<std::size_t>(end - at) < kWireBytes<Record>) return nullptr;
            NumberReader reader(at);
            for_each_field(event, reader);
            return at + kWireBytes<Record>;
        } else {
            PackedReader reader(at, end);
            for_each_field(event, reader);
            return reader.at();
        }
    }
    const FoundFields found = find_fields(plan, at, end);
    FoundReader reader(found);
    for_each_field(event, reader);
    return found.end;
}

}  // namespace latchkey
