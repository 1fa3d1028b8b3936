// SPDX-License-Identifier: Apache-2.0
#include "analyze/metadata.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "analyze/event_plan.h"
#include "analyze/tsdl.h"
#include "tests/analyze/trace_writer.h"

namespace latchkey {
namespace {

constexpr const char* kUuid = "00112233-4455-6677-8899-aabbccddeeff";

std::string fixture(const std::string& name) {
    std::ifstream file(std::string(FIXTURES) + "/" + name);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
    text.replace(text.find(from), from.size(), to);
    return text;
}

std::string ours() {
    return testing::metadata_text_for(kUuid, 42);
}

TEST(Metadata, ReadsWhatLttngWrote) {
    const TraceLayout layout = layout_of(fixture("lttng-ust-2.13.metadata"));
    ASSERT_EQ(layout.problem, "");
    EXPECT_EQ(layout.environment.at("procname"), "p");
    EXPECT_EQ(layout.environment.at("vpid"), "7062");
    EXPECT_EQ(layout.clock_frequency, 1'000'000'000u);
    EXPECT_EQ(layout.packet_header.bytes, 32u);
    const StreamLayout& stream = layout.streams.at(0);
    EXPECT_EQ(stream.packet_context.bytes, 52u);
    EXPECT_EQ(stream.packet_context.find("content_size")->offset, 16u);
    EXPECT_EQ(stream.event_context.find("vtid")->offset, 4u);
    const EventLayout& stack = stream.events.at(1);
    EXPECT_EQ(stack.name, "latchkey:stack");
    ASSERT_EQ(stack.fields.size(), 4u);
    EXPECT_EQ(stack.fields[1].name, "frames");
    EXPECT_EQ(stack.fields[1].form, EventField::Form::sequence);
    EXPECT_EQ(stack.fields[1].length_bytes, 4u);
    EXPECT_EQ(stack.fields[2].form, EventField::Form::text);
    EXPECT_TRUE(stack.fields[3].is_signed);
}

TEST(Metadata, EveryEventOfTheTableIsPacked) {
    const TraceLayout layout = layout_of(ours());
    ASSERT_EQ(layout.problem, "");
    ASSERT_EQ(layout.streams.at(0).events.size(), kEventCount);
    for (const auto& [id, event] : layout.streams.at(0).events) {
        const EventPlan plan = plan_for(event);
        EXPECT_EQ(static_cast<std::uint32_t>(plan.id), id) << event.name;
        EXPECT_TRUE(plan.packed) << event.name;
    }
}

/// What is assumed without metadata is what LTTng writes for our provider.
TEST(Metadata, AssumedLayoutIsTheWrittenOne) {
    const TraceLayout written = layout_of(ours()), assumed = assumed_layout();
    const StreamLayout &a = written.streams.at(0), &b = assumed.streams.at(0);
    EXPECT_EQ(assumed.packet_header.bytes, written.packet_header.bytes);
    EXPECT_EQ(b.packet_context.bytes, a.packet_context.bytes);
    for (const auto& [name, slot] : a.packet_context.slots)
        EXPECT_EQ(b.packet_context.find(name)->offset, slot.offset);
    for (const auto& [name, slot] : a.event_context.slots)
        EXPECT_EQ(b.event_context.find(name)->offset, slot.offset);
    ASSERT_EQ(b.events.size(), a.events.size());
    for (const auto& [id, event] : b.events) {
        EXPECT_EQ(event.name, a.events.at(id).name);
        EXPECT_TRUE(plan_for(event).packed);
    }
}

TEST(Metadata, PacketisedAndPlainAreTheSame) {
    const std::string text = "trace { major = 1; };";
    std::string packets;
    for (const std::string& part : {text.substr(0, 9), text.substr(9)}) {
        std::string packet(4096, '\0');
        const std::uint32_t magic = 0x75d11d57, content = static_cast<std::uint32_t>(37 + part.size()) * 8,
                            size = 4096 * 8;
        std::memcpy(packet.data(), &magic, 4);
        std::memcpy(&packet[24], &content, 4);
        std::memcpy(&packet[28], &size, 4);
        packet.replace(37, part.size(), part);
        packets += packet;
    }
    EXPECT_EQ(metadata_text(packets), text);
    EXPECT_EQ(metadata_text(text), text);
    EXPECT_EQ(metadata_text(packets.substr(0, 4096 + 40)), text.substr(0, 12)) << "the last packet is cut";
}

TEST(Metadata, TruncatedTextKeepsItsCompleteEvents) {
    const std::string text = ours();
    const std::size_t cut = text.find("event {", text.find("lock_wait")) + 40;
    const TraceLayout layout = layout_of(text.substr(0, cut));
    EXPECT_EQ(layout.problem, "");
    EXPECT_EQ(layout.streams.at(0).events.size(), static_cast<std::size_t>(EventId::lock_wait) + 1);
}

TEST(Metadata, SaysWhatItDoesNotSupport) {
    const struct {
        const char *from, *to, *problem;
    } cases[] = {
        {"byte_order = le", "byte_order = be", "byte order"},
        {"struct event_header_large;", "struct event_header_compact;", "event header"},
        {"size = 32; align = 8; signed = 1; encoding = none; base = 10; } _vpid",
         "size = 31; align = 1; signed = 1; encoding = none; base = 10; } _vpid", "whole bytes"},
        {"freq = 1000000000", "freq = 0", "clock"},
        {"uint64_t content_size;", "uint64_t other;", "content_size"},
        {"stream {", "stream [", "expected {"},
        {"trace {", "bogus {", "trace"},
    };
    for (const auto& c : cases) {
        const std::string text = replaced(
            ours(), "struct event_header_large {",
            "struct event_header_compact { enum : uint5_t "
            "{ compact = 0 ... 30, extended = 31 } id; variant <id> { struct { uint27_t t; } compact; "
            "struct { uint32_t id; uint64_t t; } extended; } v; } align(8);\nstruct event_header_large {");
        const TraceLayout layout = layout_of(replaced(text, c.from, c.to));
        EXPECT_NE(layout.problem.find(c.problem), std::string::npos) << c.to << ": " << layout.problem;
    }
}

TEST(Metadata, EnumerationsFloatsAndArraysKeepTheirPlace) {
    const std::string fields =
        "\t\tenum : integer { size = 16; align = 8; } { \"a b\" = 0, c = 1 ... 5 } _e;\n"
        "\t\tfloating_point { exp_dig = 11; mant_dig = 53; align = 8; } _f;\n"
        "\t\tinteger { size = 8; align = 8; encoding = UTF8; } _name[17];\n";
    const std::string text = ours() +
                             "event { name = \"other:event\"; id = 99; stream_id = 0; fields := struct {\n" +
                             fields + "\t}; };\n";
    const TraceLayout layout = layout_of(text);
    ASSERT_EQ(layout.problem, "");
    const std::vector<EventField>& found = layout.streams.at(0).events.at(99).fields;
    ASSERT_EQ(found.size(), 3u);
    EXPECT_EQ(found[0].bytes, 2u);
    EXPECT_EQ(found[1].bytes, 8u);
    EXPECT_EQ(found[2].bytes, 17u);
    const EventPlan plan = plan_for(layout.streams.at(0).events.at(99));
    const std::vector<unsigned char> payload(27);
    EXPECT_EQ(skip_event(plan, payload.data(), payload.data() + 27), payload.data() + 27);
    EXPECT_EQ(skip_event(plan, payload.data(), payload.data() + 26), nullptr);
}

TEST(Tsdl, DeepNestingAndBadNumbersEndTheReading) {
    std::string deep = "event { fields := ";
    for (int i = 0; i < 10'000; ++i) deep += "struct { struct { ";
    EXPECT_NE(tsdl::read(deep).problem.find("nested"), std::string::npos);
    EXPECT_NE(tsdl::read("typealias integer { size = 99999999999; } := x;").problem.find("number"),
              std::string::npos);
    EXPECT_NE(tsdl::read("typealias unheard := x;").problem.find("unheard"), std::string::npos);
    EXPECT_EQ(tsdl::read("").problem, "");
}

}  // namespace
}  // namespace latchkey
