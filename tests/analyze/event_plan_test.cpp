// SPDX-License-Identifier: Apache-2.0
#include "analyze/event_plan.h"

#include <gtest/gtest.h>

#include <random>

#include "analyze/dump.h"
#include "tests/analyze/random_record.h"
#include "tests/analyze/trace_writer.h"

namespace latchkey {
namespace {

template <typename Record>
std::string printed(Record& event) {
    char* text = nullptr;
    std::size_t bytes = 0;
    std::FILE* out = open_memstream(&text, &bytes);
    FieldPrinter printer(out);
    for_each_field(event, printer);
    std::fclose(out);
    const std::string result(text, bytes);
    std::free(text);
    return result;
}

EventPlan table_plan(EventId id) {
    const TraceLayout layout =
        layout_of(testing::metadata_text_for("00112233-4455-6677-8899-aabbccddeeff", 1));
    return plan_for(layout.streams.at(0).events.at(static_cast<std::uint32_t>(id)));
}

/// Every event, decoded by the generated code and step by step, gives back what was written; cut short at
/// any byte it is refused by both.
TEST(EventPlan, BothWaysOfDecodingAgree) {
    std::mt19937_64 random(11);
    for (std::size_t i = 0; i < kEventCount; ++i) {
        EventPlan packed = table_plan(static_cast<EventId>(i));
        EventPlan stepwise = packed;
        stepwise.packed = false;
        ASSERT_TRUE(packed.packed);
        with_record(static_cast<EventId>(i), [&](auto& event) {
            testing::RecordFiller filler(random);
            for_each_field(event, filler);
            std::vector<unsigned char> bytes;
            testing::WireWriter writer(bytes);
            for_each_field(event, writer);
            for (const EventPlan* plan : {&packed, &stepwise}) {
                std::remove_reference_t<decltype(event)> back;
                ASSERT_EQ(decode(*plan, bytes.data(), bytes.data() + bytes.size(), back),
                          bytes.data() + bytes.size());
                EXPECT_EQ(printed(back), printed(event));
                for (std::size_t cut = 0; cut < bytes.size(); ++cut)
                    ASSERT_EQ(decode(*plan, bytes.data(), bytes.data() + cut, back), nullptr)
                        << event.kName << cut;
            }
            EXPECT_EQ(skip_event(packed, bytes.data(), bytes.data() + bytes.size()),
                      bytes.data() + bytes.size());
        });
    }
}

TEST(EventPlan, MissingFieldsAreZeroAndUnknownOnesAreSkipped) {
    EventLayout layout;
    layout.name = "latchkey:lock_acquired";
    layout.fields = {{"result", EventField::Form::integer, 1, 0, false},
                     {"novelty", EventField::Form::text, 0, 0, false},
                     {"lock", EventField::Form::integer, 4, 0, false}};
    const EventPlan plan = plan_for(layout);
    EXPECT_EQ(plan.id, EventId::lock_acquired);
    EXPECT_FALSE(plan.packed);
    const unsigned char bytes[] = {7, 'x', 0, 0x10, 0x20, 0x30, 0x40};
    record::lock_acquired event;
    ASSERT_EQ(decode(plan, bytes, bytes + sizeof bytes, event), bytes + sizeof bytes);
    EXPECT_EQ(event.result, 7);
    EXPECT_EQ(event.lock, 0x40302010u);
    EXPECT_EQ(event.site, 0u);
}

/// A trace of the version before the replacement runtime: the fields that it lacks are zero, nothing else
/// moves.
TEST(EventPlan, WaitsOfOlderTracesHaveNoPassage) {
    const auto check = [](auto event, std::size_t added_fields, std::size_t added_bytes) {
        const TraceLayout now =
            layout_of(testing::metadata_text_for("00112233-4455-6677-8899-aabbccddeeff", 1));
        EventLayout layout = now.streams.at(0).events.at(static_cast<std::uint32_t>(event.kId));
        layout.fields.resize(layout.fields.size() - added_fields);
        const EventPlan plan = plan_for(layout);
        EXPECT_FALSE(plan.packed);
        std::mt19937_64 random(5);
        testing::RecordFiller filler(random);
        for_each_field(event, filler);
        std::vector<unsigned char> bytes;
        testing::WireWriter writer(bytes);
        for_each_field(event, writer);
        const unsigned char* end = bytes.data() + bytes.size() - added_bytes;
        decltype(event) back;
        back.passage = 1;
        ASSERT_EQ(decode(plan, bytes.data(), end, back), end);
        EXPECT_EQ(back.passage, 0);
        EXPECT_EQ(back.waiter, event.waiter);
        EXPECT_EQ(back.site, event.site);
    };
    check(record::lock_wait{}, 2, sizeof(std::uint32_t) + sizeof(std::uint8_t));
    check(record::signal_wait{}, 1, sizeof(std::uint8_t));
}

TEST(EventPlan, NarrowSignedNumbersKeepTheirSign) {
    EventLayout layout;
    layout.name = "latchkey:io";
    layout.fields = {{"result", EventField::Form::integer, 2, 0, true}};
    const unsigned char bytes[] = {0xfe, 0xff};
    record::io event;
    ASSERT_NE(decode(plan_for(layout), bytes, bytes + 2, event), nullptr);
    EXPECT_EQ(event.result, -2);
}

TEST(EventPlan, OtherProvidersAreNotOurs) {
    EventLayout layout;
    layout.name = "lttng_ust_statedump:lock_acquired";
    EXPECT_EQ(plan_for(layout).id, EventId::count);
    layout.name = "latchkey:of_another_version";
    EXPECT_EQ(plan_for(layout).id, EventId::count);
}

}  // namespace
}  // namespace latchkey
