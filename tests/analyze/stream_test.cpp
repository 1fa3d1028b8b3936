// SPDX-License-Identifier: Apache-2.0
//
// Reading of stream files: packets, time, merging, loss; and what is left of damaged ones.
#include "analyze/stream.h"

#include <gtest/gtest.h>

#include <fstream>

#include "analyze/reader.h"
#include "tests/analyze/feed.h"
#include "tests/analyze/run_writer.h"
#include "tests/analyze/trace_writer.h"

namespace latchkey {
namespace {

using testing::acquired;

/// Collects what a Merger delivers.
struct Collector {
    struct Event {
        std::uint64_t ts = 0, lock = 0;
        std::int32_t vpid = 0, vtid = 0;
    };
    std::vector<Event> events;
    std::vector<LossInterval> losses;

    template <typename Record>
    void event(Source&, std::uint64_t ts, std::int32_t vpid, std::int32_t vtid, const Record& record) {
        if constexpr (requires { record.lock; }) events.push_back({ts, record.lock, vpid, vtid});
    }
    void loss(std::uint32_t, const LossInterval& loss) { losses.push_back(loss); }
};

class StreamTest : public ::testing::Test {
  protected:
    static constexpr std::uint64_t kStart = 5'000'000'000'000;

    std::filesystem::path folder() const { return directory_.path() / "trace" / "p-1"; }
    std::filesystem::path stream(int i) const { return folder() / ("events_" + std::to_string(i)); }

    /// 100 events in each of the streams, taking turns in time.
    void write(std::size_t streams, std::uint64_t step_ns = 10) {
        testing::TraceWriter writer(folder(), streams, 1, 1000);
        for (std::uint64_t i = 0; i < 100 * streams; ++i)
            writer.emit(i % streams, kStart + i * step_ns, 1, 2, acquired(i, 7));
    }

    void read() {
        set_ = find_traces(directory_.path());
        for (std::size_t i = 0; i < set_.folders.size(); ++i)
            merger_.add(set_.folders[i], static_cast<std::uint32_t>(i), set_.streams[i], unreadable_);
        merger_.run(collector_);
    }

    StreamHealth health() const {
        StreamHealth sum;
        merger_.for_each_stream([&](const StreamCursor& stream) {
            sum.events += stream.health().events;
            sum.lost += stream.health().lost;
            sum.bad_packets += stream.health().bad_packets;
            sum.packets += stream.health().packets;
            sum.foreign += stream.health().foreign;
            sum.truncated = sum.truncated || stream.health().truncated;
        });
        return sum;
    }

    void overwrite(const std::filesystem::path& path, std::streamoff at, std::uint8_t byte) {
        std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(at);
        file.put(static_cast<char>(byte));
    }

    testing::TemporaryDirectory directory_;
    TraceSet set_;
    Merger merger_;
    Collector collector_;
    std::vector<Unreadable> unreadable_;
};

TEST_F(StreamTest, ManyStreamsComeInTimeOrder) {
    write(7);
    read();
    ASSERT_EQ(collector_.events.size(), 700u);
    for (std::uint64_t i = 0; i < 700; ++i) {
        ASSERT_EQ(collector_.events[i].lock, i);
        ASSERT_EQ(collector_.events[i].ts, kStart + i * 10);
        ASSERT_EQ(collector_.events[i].vtid, 2);
    }
    EXPECT_GT(health().packets, 14u);
    EXPECT_EQ(health().bad_packets, 0u);
}

TEST_F(StreamTest, TimeRunsOnWhenItsLow32BitsWrap) {
    write(1, 1'000'000'000);  // 100 s: 23 wraps
    read();
    ASSERT_EQ(collector_.events.size(), 100u);
    EXPECT_EQ(collector_.events.back().ts, kStart + 99'000'000'000);
}

TEST_F(StreamTest, CutFileGivesTheEventsBeforeTheCut) {
    write(1);
    std::filesystem::resize_file(stream(0), std::filesystem::file_size(stream(0)) - 3500);
    read();
    EXPECT_TRUE(health().truncated);
    EXPECT_GT(collector_.events.size(), 70u);
    EXPECT_LT(collector_.events.size(), 100u);
}

TEST_F(StreamTest, EventThatMakesNoSenseEndsItsPacketOnly) {
    write(1);
    overwrite(stream(0), 4096 + 84 + 22 + 18 + 1, 0x77);  // the second event's id in the second packet
    read();
    EXPECT_EQ(health().bad_packets, 1u);
    EXPECT_GT(collector_.events.size(), 60u);
    EXPECT_EQ(collector_.events.back().lock, 99u) << "later packets are read";
}

TEST_F(StreamTest, PacketWithABadHeaderIsSteppedOver) {
    write(1);
    overwrite(stream(0), 4096, 0);  // the second packet's magic
    read();
    EXPECT_EQ(health().bad_packets, 1u);
    EXPECT_EQ(collector_.events.back().lock, 99u);
}

TEST_F(StreamTest, EventAfterItsPacketsEndIsDamage) {
    write(1);
    overwrite(stream(0), 84 + 22 + 18 + 5, 0xff);  // high byte of the second event's time
    read();
    EXPECT_EQ(health().bad_packets, 1u);
    for (const Collector::Event& event : collector_.events) EXPECT_LT(event.ts, kStart + 1000);
}

TEST_F(StreamTest, LossIsCountedAndToldBeforeItsTime) {
    {
        testing::TraceWriter writer(folder(), 1, 1, 1000);
        writer.emit(0, kStart, 1, 2, acquired(1, 7));
        writer.emit(0, kStart + 50, 1, 2, acquired(2, 7));
        writer.lose(0, 17);
        writer.emit(0, kStart + 900, 1, 2, acquired(3, 7));
    }
    read();
    EXPECT_EQ(health().lost, 17u);
    ASSERT_EQ(collector_.losses.size(), 1u);
    EXPECT_EQ(collector_.losses[0].begin, kStart + 50);
    EXPECT_EQ(collector_.losses[0].end, kStart + 900);
}

TEST_F(StreamTest, CountOfLostEventsThatRunsBackwardsCountsForward) {
    write(1);
    for (const auto& [packet, count] : {std::pair{0, 9}, {1, 0}, {2, 9}, {3, 12}})
        overwrite(stream(0), packet * 4096 + 72, count);
    read();
    EXPECT_EQ(health().lost, 12u);
    EXPECT_EQ(collector_.events.size(), 100u);
}

TEST_F(StreamTest, StreamOfAnotherTraceIsNotRead) {
    write(2);
    overwrite(stream(0), 4, 0xee);  // its uuid
    read();
    for (const Collector::Event& event : collector_.events)
        EXPECT_TRUE(event.lock % 2 == 1 || event.lock > 40);
    EXPECT_EQ(health().bad_packets, 1u);
}

TEST_F(StreamTest, EmptyAndMissingFilesAreNoEvents) {
    write(1);
    std::ofstream(folder() / "events_9");
    std::filesystem::create_directory(folder() / "index");
    std::ofstream(folder() / "index" / "events_0.idx") << "not a stream";
    read();
    EXPECT_EQ(collector_.events.size(), 100u);
    EXPECT_EQ(health().bad_packets, 0u);
    EXPECT_TRUE(unreadable_.empty());
}

/// LTTng writes a process's metadata when tracing stops; the streams of a run that goes on have data before.
TEST_F(StreamTest, EmptyMetadataIsAssumedToBeThisVersions) {
    write(2);
    std::filesystem::resize_file(folder() / "metadata", 0);
    read();
    EXPECT_TRUE(set_.folders[0].layout.is_assumed);
    ASSERT_EQ(collector_.events.size(), 200u);
    EXPECT_EQ(collector_.events[123].lock, 123u);
    EXPECT_EQ(collector_.events[123].vtid, 2);
    EXPECT_EQ(health().bad_packets, 0u);
}

TEST_F(StreamTest, FolderWithoutUsableMetadataSaysWhy) {
    write(1);
    std::ofstream(folder() / "metadata") << "trace { byte_order = be; };";
    set_ = find_traces(directory_.path());
    EXPECT_EQ(set_.folders[0].layout.problem, "byte order");
}

}  // namespace
}  // namespace latchkey
