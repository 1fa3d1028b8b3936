// SPDX-License-Identifier: Apache-2.0
#include "analyze/event_plan.h"

namespace latchkey {

namespace {

constexpr std::string_view kProvider = "latchkey:";

#define NUM(type, field, help) +1
#define TXT(field, help) +1
#define SEQ(type, field, help) +1
#define EVENT(name, help, ...) \
    static_assert(0 __VA_ARGS__ <= FoundFields::kMaxFields, #name " has too many fields");
#include "preload/events.def"
#undef EVENT
#undef NUM
#undef TXT
#undef SEQ

/// A record's fields as the table has them, in the words of the metadata.
class TableFields {
  public:
    std::vector<EventField> fields;

    template <typename T>
    void number(std::string_view name, T&) {
        add(name, EventField::Form::integer, sizeof(T), 0, std::is_signed_v<T>);
    }
    void text(std::string_view name, std::string_view&) { add(name, EventField::Form::text, 0, 0, false); }
    template <typename T>
    void sequence(std::string_view name, Sequence<T>&) {
        add(name, EventField::Form::sequence, sizeof(T), sizeof(std::uint32_t), std::is_signed_v<T>);
    }

  private:
    void add(std::string_view name, EventField::Form form, std::uint32_t bytes, std::uint32_t length_bytes,
             bool is_signed) {
        fields.push_back({std::string(name), form, bytes, length_bytes, is_signed});
    }
};

std::vector<EventField> table_fields(EventId id) {
    TableFields table;
    with_record(id, [&](auto& event) { for_each_field(event, table); });
    return std::move(table.fields);
}

struct NamedBytes {
    const char* name;
    std::uint32_t bytes;
};

FixedLayout fixed_layout(std::initializer_list<NamedBytes> fields) {
    FixedLayout layout;
    for (const NamedBytes& field : fields) {
        if (*field.name != '\0') layout.slots[field.name] = {layout.bytes, field.bytes, false};
        layout.bytes += field.bytes;
    }
    return layout;
}

bool same_shape(const EventField& a, const EventField& b) {
    return a.name == b.name && a.form == b.form && a.bytes == b.bytes && a.length_bytes == b.length_bytes;
}

EventId event_id(const std::string& name) {
    if (!name.starts_with(kProvider)) return EventId::count;
    const auto found = std::find(kEventNames.begin(), kEventNames.end(), name.substr(kProvider.size()));
    return static_cast<EventId>(found - kEventNames.begin());
}

std::uint64_t load_number(const unsigned char* at, std::uint32_t bytes, bool is_signed) {
    std::uint64_t value = 0;
    std::memcpy(&value, at, bytes);
    if (!is_signed || bytes == 8) return value;
    const std::uint64_t sign = std::uint64_t{1} << (8 * bytes - 1);
    return (value ^ sign) - sign;
}

/// Reads one field at `at`; returns its end or null.
const unsigned char* take_field(const EventField& field, const unsigned char* at, const unsigned char* end,
                                FoundFields::Found& found) {
    if (field.form == EventField::Form::text) {
        const unsigned char* nul = std::find(at, end, '\0');
        if (nul == end) return nullptr;
        found.data = at;
        found.count = static_cast<std::uint32_t>(nul - at);
        return nul + 1;
    }
    std::uint64_t bytes = field.bytes;
    if (field.form == EventField::Form::sequence) {
        if (static_cast<std::size_t>(end - at) < field.length_bytes) return nullptr;
        const std::uint64_t count = load_number(at, field.length_bytes, false);
        at += field.length_bytes;
        if (count > static_cast<std::uint64_t>(end - at)) return nullptr;
        found.count = static_cast<std::uint32_t>(count);
        bytes = count * field.bytes;
    }
    if (static_cast<std::uint64_t>(end - at) < bytes) return nullptr;
    found.data = at;
    found.bytes = field.bytes;
    if (field.form == EventField::Form::integer) found.number = load_number(at, field.bytes, field.is_signed);
    return at + bytes;
}

}  // namespace

TraceLayout assumed_layout() {
    TraceLayout layout;
    layout.is_assumed = true;
    layout.packet_header =
        fixed_layout({{"magic", 4}, {"", 16}, {"stream_id", 4}, {"stream_instance_id", 8}});
    StreamLayout stream;
    stream.packet_context = fixed_layout({{"timestamp_begin", 8},
                                          {"timestamp_end", 8},
                                          {"content_size", 8},
                                          {"packet_size", 8},
                                          {"packet_seq_num", 8},
                                          {"events_discarded", 8},
                                          {"cpu_id", 4}});
    stream.event_context = fixed_layout({{"vpid", 4}, {"vtid", 4}});
    for (std::uint32_t id = 0; id < kEventCount; ++id)
        stream.events[id] = {std::string(kProvider) + std::string(kEventNames[id]),
                             table_fields(static_cast<EventId>(id))};
    layout.streams[0] = std::move(stream);
    return layout;
}

EventPlan plan_for(const EventLayout& layout) {
    EventPlan plan;
    plan.known = true;
    plan.id = event_id(layout.name);
    const std::vector<EventField> table =
        plan.id == EventId::count ? std::vector<EventField>{} : table_fields(plan.id);
    for (const EventField& field : layout.fields) {
        const auto found = std::find_if(table.begin(), table.end(), [&](const EventField& known) {
            return known.name == field.name && known.form == field.form;
        });
        plan.steps.push_back(
            {field, found == table.end() ? EventPlan::kSkip : static_cast<int>(found - table.begin())});
    }
    plan.packed = plan.id != EventId::count && std::equal(table.begin(), table.end(), layout.fields.begin(),
                                                          layout.fields.end(), same_shape);
    return plan;
}

const unsigned char* skip_event(const EventPlan& plan, const unsigned char* at, const unsigned char* end) {
    FoundFields::Found ignored;
    for (const EventPlan::Step& step : plan.steps) {
        at = take_field(step.field, at, end, ignored);
        if (at == nullptr) return nullptr;
    }
    return at;
}

FoundFields find_fields(const EventPlan& plan, const unsigned char* at, const unsigned char* end) {
    FoundFields found;
    for (const EventPlan::Step& step : plan.steps) {
        FoundFields::Found field;
        at = take_field(step.field, at, end, field);
        if (at == nullptr) return {};
        if (step.target != EventPlan::kSkip) found.fields[static_cast<std::size_t>(step.target)] = field;
    }
    found.end = at;
    return found;
}

}  // namespace latchkey
