// SPDX-License-Identifier: Apache-2.0
#include "analyze/metadata.h"

#include <charconv>

#include "analyze/events.h"
#include "analyze/tsdl.h"

namespace latchkey {

namespace {

constexpr std::uint32_t kMetadataMagic = 0x75d11d57;
constexpr std::size_t kMetadataHeader = 37;
constexpr std::uint32_t kMaxFixedBytes = 4096;

/// Turns tsdl blocks into layouts; remembers the first thing that it does not support.
class Interpreter {
  public:
    TraceLayout run(const tsdl::Document& document) {
        for (const tsdl::Block& block : document.blocks) {
            if (block.kind == "trace") trace(block);
            if (block.kind == "env") layout_.environment = block.attributes;
            if (block.kind == "clock") layout_.clock_frequency = number(block, "freq", 1'000'000'000);
            if (block.kind == "stream") stream(block);
        }
        for (const tsdl::Block& block : document.blocks)
            if (block.kind == "event") event(block);
        if (layout_.packet_header.bytes == 0)
            unsupported(document.problem.empty() ? "no trace block" : document.problem);
        if (layout_.streams.empty())
            unsupported(document.problem.empty() ? "no stream block" : document.problem);
        if (layout_.clock_frequency == 0) unsupported("clock frequency 0");
        return std::move(layout_);
    }

  private:
    void trace(const tsdl::Block& block) {
        if (attribute(block, "byte_order") != "le") unsupported("byte order");
        read_uuid(attribute(block, "uuid"));
        if (const tsdl::Type* type = type_of(block, "packet.header")) layout_.packet_header = fixed(*type);
        if (!layout_.packet_header.find("magic")) unsupported("packet header without magic");
    }

    void stream(const tsdl::Block& block) {
        StreamLayout stream;
        const tsdl::Type* header = type_of(block, "event.header");
        if (header == nullptr || !is_large_header(*header))
            return unsupported("event header is not the large one");
        if (const tsdl::Type* type = type_of(block, "packet.context")) stream.packet_context = fixed(*type);
        if (const tsdl::Type* type = type_of(block, "event.context")) stream.event_context = fixed(*type);
        for (const char* needed : {"timestamp_begin", "content_size", "packet_size"})
            if (!stream.packet_context.find(needed))
                unsupported("packet context without " + std::string(needed));
        layout_.streams[static_cast<std::uint32_t>(number(block, "id", 0))] = std::move(stream);
    }

    void event(const tsdl::Block& block) {
        const auto stream = layout_.streams.find(static_cast<std::uint32_t>(number(block, "stream_id", 0)));
        if (stream == layout_.streams.end()) return unsupported("event of an unknown stream");
        if (block.types.contains("context")) return unsupported("contexts per event");
        EventLayout event;
        event.name = attribute(block, "name");
        if (const tsdl::Type* type = type_of(block, "fields"))
            for (std::size_t i = 0; i < type->fields.size(); ++i) add_field(event, *type, i);
        stream->second.events[static_cast<std::uint32_t>(number(block, "id", 0))] = std::move(event);
    }

    void add_field(EventLayout& event, const tsdl::Type& fields, std::size_t i) {
        const tsdl::Field& from = fields.fields[i];
        if (i + 1 < fields.fields.size() && fields.fields[i + 1].length_field == from.name) return;
        EventField field;
        field.name = plain_name(from.name);
        if (from.type.kind == tsdl::Kind::text) {
            field.form = EventField::Form::text;
            if (from.is_array) unsupported("array of strings");
        } else {
            field.bytes = scalar_bytes(from.type);
            field.is_signed = from.type.is_signed;
            if (from.type.kind == tsdl::Kind::opaque) field.form = EventField::Form::bytes;
            if (from.is_array) shape_array(field, fields, i);
        }
        event.fields.push_back(std::move(field));
    }

    void shape_array(EventField& field, const tsdl::Type& fields, std::size_t i) {
        const tsdl::Field& from = fields.fields[i];
        if (from.length_field.empty()) {
            field.form = EventField::Form::bytes;
            field.bytes *= from.length;
            return;
        }
        field.form = EventField::Form::sequence;
        if (i == 0 || fields.fields[i - 1].name != from.length_field || fields.fields[i - 1].is_array)
            return unsupported("sequence without its length in front");
        field.length_bytes = scalar_bytes(fields.fields[i - 1].type);
    }

    FixedLayout fixed(const tsdl::Type& type) {
        FixedLayout layout;
        for (const tsdl::Field& field : type.fields) {
            const std::uint32_t bytes = scalar_bytes(field.type);
            layout.slots[plain_name(field.name)] = {layout.bytes, bytes, field.type.is_signed};
            if (!field.length_field.empty()) unsupported("sequence in a header");
            const std::uint64_t size = std::uint64_t{bytes} * (field.is_array ? field.length : 1);
            if (size > kMaxFixedBytes || layout.bytes > kMaxFixedBytes)
                return unsupported("header too long"), layout;
            layout.bytes += static_cast<std::uint32_t>(size);
        }
        return layout;
    }

    std::uint32_t scalar_bytes(const tsdl::Type& type) {
        const bool whole = type.bits == 8 || type.bits == 16 || type.bits == 32 || type.bits == 64;
        const bool scalar = type.kind == tsdl::Kind::integer || type.kind == tsdl::Kind::opaque;
        if (!whole || !scalar || type.align > 8 || type.big_endian)
            unsupported("a field that is not whole bytes");
        return type.bits / 8;
    }

    /// u16 id (65535: extended), then u32 timestamp or u32 id and u64 timestamp.
    static bool is_large_header(const tsdl::Type& type) {
        if (type.fields.size() != 2 || type.fields[0].type.bits != 16) return false;
        const tsdl::Type& forms = type.fields[1].type;
        if (forms.kind != tsdl::Kind::variant || forms.fields.size() != 2) return false;
        const std::vector<tsdl::Field>& small = forms.fields[0].type.fields;
        const std::vector<tsdl::Field>& large = forms.fields[1].type.fields;
        return small.size() == 1 && small[0].type.bits == 32 && large.size() == 2 &&
               large[0].type.bits == 32 && large[1].type.bits == 64;
    }

    static std::string plain_name(const std::string& name) {
        return name.starts_with('_') ? name.substr(1) : name;
    }

    static std::string attribute(const tsdl::Block& block, const std::string& name) {
        const auto found = block.attributes.find(name);
        return found == block.attributes.end() ? std::string{} : found->second;
    }

    static const tsdl::Type* type_of(const tsdl::Block& block, const std::string& name) {
        const auto found = block.types.find(name);
        return found == block.types.end() ? nullptr : &found->second;
    }

    static std::uint64_t number(const tsdl::Block& block, const std::string& name, std::uint64_t otherwise) {
        const std::string text = attribute(block, name);
        std::uint64_t value = otherwise;
        std::from_chars(text.data(), text.data() + text.size(), value);
        return value;
    }

    void read_uuid(const std::string& text) {
        std::string digits;
        for (char c : text)
            if (c != '-') digits.push_back(c);
        for (std::size_t i = 0; i < layout_.uuid.size() && 2 * i + 2 <= digits.size(); ++i)
            std::from_chars(&digits[2 * i], &digits[2 * i] + 2, layout_.uuid[i], 16);
    }

    void unsupported(const std::string& what) {
        if (layout_.problem.empty()) layout_.problem = what;
    }

    TraceLayout layout_;
};

}  // namespace

std::optional<Slot> FixedLayout::find(const std::string& name) const {
    const auto found = slots.find(name);
    return found == slots.end() ? std::nullopt : std::optional(found->second);
}

std::string metadata_text(std::string_view file) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(file.data());
    if (file.size() < 4 || load<std::uint32_t>(bytes) != kMetadataMagic) return std::string(file);
    std::string text;
    std::size_t at = 0;
    while (at + kMetadataHeader <= file.size() && load<std::uint32_t>(bytes + at) == kMetadataMagic) {
        const std::size_t content = load<std::uint32_t>(bytes + at + 24) / 8;
        const std::size_t packet = load<std::uint32_t>(bytes + at + 28) / 8;
        if (content < kMetadataHeader || packet < content) break;
        text += file.substr(at + kMetadataHeader, std::min(content, file.size() - at) - kMetadataHeader);
        at += packet;
    }
    return text;
}

TraceLayout layout_of(std::string_view text) {
    return Interpreter().run(tsdl::read(text));
}

}  // namespace latchkey
