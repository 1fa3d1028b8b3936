// SPDX-License-Identifier: Apache-2.0
//
// Processes and threads, from events and from counters files.
#include "analyze/world.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "analyze/counters.h"
#include "analyze/counters_file.h"
#include "analyze/live.h"
#include "analyze/lives.h"
#include "analyze/open_waits.h"
#include "analyze/places.h"
#include "tests/analyze/feed.h"
#include "tests/analyze/run_writer.h"

namespace latchkey {
namespace {

using testing::Feed;

record::thread_started started(std::uint32_t tid, const char* name) {
    record::thread_started event;
    event.tid = tid;
    event.name = name;
    return event;
}

TEST(World, ThreadIdThatStartsAgainIsAnotherThread) {
    Feed feed;
    feed.emit(10, 7, started(7, "first"));
    record::thread_exited exited;
    exited.tid = 7;
    feed.emit(20, 7, exited);
    feed.emit(30, 7, started(7, "second"));
    feed.emit(40, 7, testing::acquired(1, 1));
    ASSERT_EQ(feed.analysis.world.threads().size(), 2u);
    EXPECT_EQ(feed.analysis.world.threads()[0].end_ns, 20u);
    EXPECT_TRUE(feed.analysis.world.threads()[0].held.empty());
    EXPECT_EQ(feed.analysis.world.threads()[1].held.size(), 1u);
}

TEST(World, ThreadSeenBeforeItsStartIsTheSame) {
    Feed feed;
    feed.emit(10, 7, testing::acquired(1, 1));
    feed.emit(11, 7, started(7, "late"));
    ASSERT_EQ(feed.analysis.world.threads().size(), 1u);
    EXPECT_EQ(feed.analysis.world.threads()[0].name, "late");
}

TEST(World, ForkedChildFindsItsParentsStacksAndFiles) {
    Feed feed;
    const std::vector<std::uint64_t> frames{0x11, 0x22};
    record::stack stack;
    stack.id = 5;
    stack.frames.data = reinterpret_cast<const unsigned char*>(frames.data());
    stack.frames.count = 2;
    record::file_opened file;
    file.file = 3;
    file.path = "/data";
    feed.emit_in(100, 1, 100, stack);
    feed.emit_in(100, 2, 100, file);
    record::process_started child;
    child.ppid = 100;
    feed.emit_in(200, 3, 200, child);
    World& world = feed.analysis.world;
    EXPECT_EQ(world.frames(world.processes()[1], 5), frames);
    EXPECT_EQ(world.file_name(world.processes()[1], 3), "/data");
    EXPECT_EQ(world.frames(world.processes()[1], 6), std::vector<std::uint64_t>{});
}

TEST(World, AncestryHasNoCycle) {
    Feed feed;
    record::process_started event;
    event.ppid = 200;
    feed.emit_in(100, 1, 100, event);
    event.ppid = 100;
    feed.emit_in(200, 2, 200, event);
    event.ppid = 200;
    feed.emit_in(100, 3, 100, event);
    World& world = feed.analysis.world;
    EXPECT_EQ(world.parent_of(world.processes()[0]), nullptr);
    EXPECT_EQ(world.parent_of(world.processes()[1]), &world.processes()[0]);
}

TEST(World, ThreadsAreBounded) {
    Feed feed;
    for (std::int32_t tid = 1; tid <= static_cast<std::int32_t>(World::kMaxThreads) + 10; ++tid)
        feed.emit(static_cast<std::uint64_t>(tid), tid, testing::acquired(1, 1));
    EXPECT_EQ(feed.analysis.world.threads().size(), World::kMaxThreads);
    EXPECT_EQ(feed.analysis.world.overflowed(), 10u);
}

/// The test's own process stands for one that is being recorded.
TEST(Live, ModulesAndCpuTimeComeFromProc) {
    static int variable = 1;
    Feed feed;
    const auto pid = static_cast<std::int32_t>(getpid());
    record::process_started event;
    const std::string exe = std::filesystem::read_symlink("/proc/self/exe").string();
    event.exe = exe;
    feed.emit_in(pid, 1, pid, event);
    event.exe = "/bin/another";
    feed.emit_in(pid + 1, 2, pid + 1, event);
    World& world = feed.analysis.world;
    add_live_facts(world);
    Places places(world);
    const auto found = places.variable(0, reinterpret_cast<std::uint64_t>(&variable));
    ASSERT_TRUE(found);
    EXPECT_TRUE(found->name.find("variable") != std::string::npos) << found->name;
    EXPECT_FALSE(places.variable(0, 16));
    EXPECT_GT(world.threads()[0].cpu_ns, 0u);
    EXPECT_TRUE(world.processes()[1].modules.empty()) << "not the program that was recorded";
}

class CountersTest : public ::testing::Test {
  protected:
    static testing::CountersWriter process(std::uint64_t pid, std::uint64_t start_ns) {
        testing::CountersWriter writer;
        writer.set("process", 0, "pid", pid);
        writer.set("process", 0, "start_ns", start_ns);
        writer.set("process", 0, "start_realtime_ns", 1'700'000'000'000'000'000 + start_ns);
        writer.set("process", 0, "exe", "/usr/bin/program");
        return writer;
    }
    static void add_thread(testing::CountersWriter& writer, std::uint64_t record, std::uint64_t tid,
                           std::uint64_t start_ns) {
        writer.set("thread", record, "state", 1);
        writer.set("thread", record, "tid", tid);
        writer.set("thread", record, "start_ns", start_ns);
        writer.set("thread", record, "mutex_wait_ns", 1000 * tid);
    }
    CounterBook join() {
        return join_counters(directory_.path(), feed_.analysis.world, feed_.analysis.io.files());
    }

    testing::TemporaryDirectory directory_;
    Feed feed_;
};

TEST_F(CountersTest, JoinTheProcessAndThreadsOfTheTrace) {
    record::process_started event;
    event.start_ns = 5'000'000'000;
    feed_.emit(5'000'000'100, 100, event);
    feed_.emit(6'000'000'000, 101, started(101, "worker"));
    testing::CountersWriter writer = process(Feed::kPid, 5'000'000'000);
    add_thread(writer, 1, 100, 5'000'000'000);
    add_thread(writer, 2, 101, 5'999'999'000);
    writer.write(directory_.path() / "100");
    process(Feed::kPid, 50'000'000'000).write(directory_.path() / "100.1");  // the pid came again
    const CounterBook book = join();
    World& world = feed_.analysis.world;
    ASSERT_EQ(world.processes().size(), 2u);
    EXPECT_EQ(world.threads().size(), 2u);
    EXPECT_EQ(world.processes()[0].exe, "/usr/bin/program");
    EXPECT_TRUE(world.processes()[0].has_trace);
    EXPECT_EQ(book.processes_without_trace, 1u);
    ASSERT_EQ(book.threads.size(), 2u);
    EXPECT_EQ(book.threads[1].thread, 1u);
    EXPECT_EQ(book.value(book.threads[1], "mutex_wait_ns"), 101'000u);
    EXPECT_EQ(book.value(book.threads[1], "no such counter"), 0u);
}

TEST_F(CountersTest, BadFilesAreNamedAndTheOthersRead) {
    std::ofstream(directory_.path() / "1") << "not a counters file at all";
    std::ofstream(directory_.path() / "2") << "LATCHKC1";
    std::ofstream(directory_.path() / "3").flush();
    std::ofstream(directory_.path() / "4")
        << std::string("LATCHKC1\x40\0\0\0\xff\xff\xff\x7f", 16) << "short";
    process(9, 1).write(directory_.path() / "9");
    const CounterBook book = join();
    EXPECT_EQ(book.processes, 1u);
    ASSERT_EQ(book.unreadable.size(), 4u);
    EXPECT_EQ(book.unreadable[3].why, "truncated before the end of its schema");
}

TEST_F(CountersTest, ShortFileReadsAsZero) {
    testing::CountersWriter writer = process(9, 77);
    add_thread(writer, 1, 9, 77);
    const std::filesystem::path path = directory_.path() / "9";
    writer.write(path);
    std::filesystem::resize_file(path, std::filesystem::file_size(path) - 4);
    const CountersFile file(path);
    EXPECT_EQ(file.problem(), "");
    EXPECT_EQ(file.number(file.section("process"), 0, "start_ns"), 77u);
    const std::uint64_t beyond = file.section("thread").count + 1000;
    EXPECT_EQ(file.number(file.section("thread"), beyond, "tid"), 0u);
    EXPECT_EQ(file.text(file.section("thread"), beyond, "name"), "");
}

/// exec: the old image leaves its counters without a word, the new one begins under the same pid.
TEST_F(CountersTest, ImageThatExecsEndsWhereTheNextBegins) {
    process(9, 1'000'000'000).write(directory_.path() / "9");
    process(9, 3'000'000'000).write(directory_.path() / "9.1");
    testing::CountersWriter child = process(5, 4'000'000'000);
    child.set("process", 0, "ppid", 9);
    child.write(directory_.path() / "5");
    const CounterBook book = join();
    World& world = feed_.analysis.world;
    link_parents(world);
    RunInfo run;
    run.finished = true;
    run.started_ns = 1'700'000'001'000'000'000;
    run.duration_ns = 9'000'000'000;
    close_lives(world, book, run);
    ASSERT_EQ(world.processes().size(), 3u);
    EXPECT_EQ(world.processes()[1].end_ns, 3'000'000'000u);
    EXPECT_EQ(world.processes()[2].end_ns, 10'000'000'000u);
    EXPECT_EQ(world.parent_of(world.processes()[0]), &world.processes()[2])
        << "the image that ran when it forked";
}

/// A killed program: its counters file tells what each thread was waiting for.
TEST_F(CountersTest, WaitsOfAKilledProcessAreOpenWaits) {
    testing::CountersWriter writer = process(9, 1'000'000'000);
    add_thread(writer, 1, 9, 1'000'000'000);
    writer.set("thread", 1, "wait_object", static_cast<std::uint64_t>(Object::mutex));
    writer.set("thread", 1, "wait_address", 0x4000);
    writer.set("thread", 1, "wait_since_ns", 2'000'000'000);
    writer.set("thread", 1, "wait_owner", 10);
    add_thread(writer, 2, 10, 1'000'000'000);
    writer.set("thread", 2, "wait_object", static_cast<std::uint64_t>(Object::cond));
    writer.set("thread", 2, "wait_address", 0x5000);
    writer.set("thread", 2, "wait_since_ns", 3'000'000'000);
    writer.write(directory_.path() / "9");
    const CounterBook book = join();
    RunInfo run;
    run.finished = true;
    run.started_ns = 1'700'000'001'000'000'000;
    run.duration_ns = 9'000'000'000;
    close_lives(feed_.analysis.world, book, run);
    add_open_waits(feed_.analysis, book);
    feed_.analysis.finish();
    EXPECT_EQ(feed_.analysis.world.processes()[0].end_ns, 10'000'000'000u);
    ASSERT_EQ(feed_.analysis.locks.stats().size(), 1u);
    EXPECT_EQ(feed_.analysis.locks.stats()[0].open_waits, 1u);
    EXPECT_EQ(feed_.analysis.locks.stats()[0].wait_ns, 8'000'000'000u);
    bool blamed = false;
    feed_.analysis.locks.pairs().for_each([&](const PairKey& key, const Tally&) {
        blamed = feed_.analysis.world.threads()[key.provider].tid == 10;
    });
    EXPECT_TRUE(blamed) << "the owner that the waiter saw";
    EXPECT_EQ(feed_.analysis.signals.signals()[0].open_waits, 1u);
    EXPECT_EQ(feed_.analysis.signals.signals()[0].wait_ns, 7'000'000'000u);
}

}  // namespace
}  // namespace latchkey
