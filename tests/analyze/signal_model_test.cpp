// SPDX-License-Identifier: Apache-2.0
#include "analyze/signal_model.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "analyze/signal_class.h"
#include "tests/analyze/feed.h"

namespace latchkey {
namespace {

using testing::Feed;

constexpr std::uint64_t kAddress = 0x5000;

record::signal_wait wait_of(Object object, std::uint64_t wait_ns) {
    record::signal_wait event;
    event.address = kAddress;
    event.site = 0x500;
    event.wait_ns = wait_ns;
    event.object = static_cast<std::uint8_t>(object);
    return event;
}

record::wake wake_of(Object object) {
    record::wake event;
    event.address = kAddress;
    event.site = 0x600;
    event.object = static_cast<std::uint8_t>(object);
    return event;
}

record::process_started child_of(std::uint32_t parent, const char* exe) {
    record::process_started event;
    event.ppid = parent;
    event.exe = exe;
    return event;
}

/// Who ended the waits: pid of the waker's process, 0 for nobody.
std::map<std::uint32_t, std::uint64_t> waits_by_waker(const Feed& feed) {
    std::map<std::uint32_t, std::uint64_t> waits;
    const World& world = feed.analysis.world;
    feed.analysis.signals.pairs().for_each([&](const PairKey& key, const SignalPair& pair) {
        const bool known = key.provider < world.threads().size();
        waits[known ? world.processes()[world.threads()[key.provider].process].pid : 0] += pair.waits.count;
    });
    return waits;
}

TEST(SignalModel, WakerInTheEventCounts) {
    Feed feed;
    feed.emit(10, 8, wake_of(Object::cond));
    record::signal_wait wait = wait_of(Object::cond, 700);
    wait.waker = 8;
    wait.waker_ns = 900;
    wait.waker_site = 0x600;
    feed.emit(1000, 9, wait);
    feed.analysis.finish();
    const Signal& signal = feed.analysis.signals.signals().front();
    EXPECT_EQ(signal.waits, 1u);
    EXPECT_EQ(signal.wakes, 1u);
    EXPECT_EQ(signal.wakeup_ns, 100u);
    EXPECT_EQ(waits_by_waker(feed), (std::map<std::uint32_t, std::uint64_t>{{Feed::kPid, 1}}));
}

class ForkedFamily : public ::testing::Test {
  protected:
    ForkedFamily() {
        feed_.emit_in(100, 1, 100, child_of(1, "/bin/server"));
        feed_.emit_in(200, 2, 200, child_of(100, "/bin/server"));
        feed_.emit_in(300, 3, 300, child_of(100, "/bin/server"));
        feed_.emit_in(400, 4, 400, child_of(100, "/bin/client"));  // another image: other addresses
    }
    Feed feed_;
};

TEST_F(ForkedFamily, LastWakeBeforeTheReturnIsTheWaker) {
    feed_.emit_in(300, 500, 300, wake_of(Object::semaphore));
    feed_.emit_in(100, 900, 100, wake_of(Object::semaphore));
    feed_.emit_in(200, 1000, 200, wait_of(Object::semaphore, 700));
    feed_.emit_in(300, 1100, 300, wake_of(Object::semaphore));
    feed_.analysis.finish();
    EXPECT_EQ(waits_by_waker(feed_), (std::map<std::uint32_t, std::uint64_t>{{100, 1}}));
    EXPECT_EQ(feed_.analysis.signals.signals().size(), 1u) << "one semaphore for all of the family";
    EXPECT_FALSE(feed_.analysis.signals.signals().front().one_process);
}

TEST_F(ForkedFamily, WakeReportedLateCountsIfNoneCameInTime) {
    feed_.emit_in(200, 1000, 200, wait_of(Object::semaphore, 700));
    feed_.emit_in(300, 1200, 300, wake_of(Object::semaphore));
    feed_.emit_in(100, 1300, 100, wake_of(Object::semaphore));
    feed_.analysis.finish();
    EXPECT_EQ(waits_by_waker(feed_), (std::map<std::uint32_t, std::uint64_t>{{300, 1}}));
}

TEST_F(ForkedFamily, WakesBeforeTheWaitBeganOrOfAnotherImageAreNotItsCause) {
    feed_.emit_in(300, 200, 300, wake_of(Object::semaphore));
    feed_.emit_in(400, 900, 400, wake_of(Object::semaphore));
    feed_.emit_in(200, 1000, 200, wait_of(Object::semaphore, 700));
    feed_.analysis.finish();
    EXPECT_EQ(waits_by_waker(feed_), (std::map<std::uint32_t, std::uint64_t>{{0, 1}}));
}

TEST(SignalModel, TimeoutsHaveNoWaker) {
    Feed feed;
    record::signal_wait wait = wait_of(Object::cond, 700);
    wait.result = ETIMEDOUT;
    wait.waker = 8;
    feed.emit(1000, 9, wait);
    feed.analysis.finish();
    EXPECT_EQ(feed.analysis.signals.signals().front().timeouts, 1u);
    EXPECT_EQ(waits_by_waker(feed), (std::map<std::uint32_t, std::uint64_t>{{0, 1}}));
}

TEST(SignalModel, JoinsAreToldApartByTheirPlace) {
    Feed feed;
    record::signal_wait join = wait_of(Object::thread, 10);
    join.address = 0;
    feed.emit(1000, 9, join);
    join.site = 0x999;
    feed.emit(1001, 9, join);
    feed.analysis.finish();
    EXPECT_EQ(feed.analysis.signals.signals().size(), 2u);
}

TEST(SignalModel, SignalsBeyondTheBoundShareRecords) {
    Feed feed;
    const std::uint64_t count = SignalModel::kMaxSignals + 5000;
    for (std::uint64_t i = 0; i < count; ++i) {
        record::signal_wait wait = wait_of(Object::cond, 1);
        wait.address = 0x10000 + 8 * i;
        feed.emit(1000 + i, 9, wait);
    }
    feed.analysis.finish();
    std::uint64_t waits = 0;
    for (const Signal& signal : feed.analysis.signals.signals()) waits += signal.waits;
    EXPECT_EQ(waits, count);
    EXPECT_LE(feed.analysis.signals.signals().size(), SignalModel::kMaxSignals + 2);
}

WaitFacts waits_for(std::uint64_t percent_of_life, int depth) {
    WaitFacts facts;
    facts.waits = 100;
    facts.life_ns = 1'000'000;
    facts.wait_ns = facts.life_ns / 100 * percent_of_life;
    facts.ended_by_others_ns = facts.wait_ns;
    facts.depth = depth;
    return facts;
}

TEST(SignalClass, WorkersAreIdleCallersAreNot) {
    EXPECT_EQ(classify(waits_for(60, 0)).wait_class, WaitClass::idle);
    EXPECT_EQ(classify(waits_for(40, 0)).wait_class, WaitClass::known);
    EXPECT_EQ(classify(waits_for(20, 2)).wait_class, WaitClass::idle) << "near the thread's start: its queue";
    EXPECT_EQ(classify(waits_for(80, 12)).wait_class, WaitClass::known) << "deep inside of a request";
    EXPECT_EQ(classify(waits_for(95, kDeep)).wait_class, WaitClass::idle);
}

TEST(SignalClass, PeersNetworkAndTimersTellMore) {
    WaitFacts peers = waits_for(80, 0);
    peers.ended_by_peers_ns = peers.wait_ns;
    peers.ended_by_others_ns = 0;
    EXPECT_EQ(classify(peers).wait_class, WaitClass::known);
    WaitFacts server = waits_for(80, 0);
    server.network_calls = 200;
    EXPECT_EQ(classify(server).wait_class, WaitClass::known);
    WaitFacts timer = waits_for(1, 0);
    timer.timeouts = 95;
    EXPECT_EQ(classify(timer).wait_class, WaitClass::idle);
    WaitFacts nobody = waits_for(10, 0);
    nobody.ended_by_others_ns = 0;
    EXPECT_EQ(classify(nobody).wait_class, WaitClass::unknown);
    WaitFacts join = waits_for(99, 0);
    join.object = Object::thread;
    EXPECT_EQ(classify(join).wait_class, WaitClass::known);
}

TEST(SignalClass, AlwaysSaysWhy) {
    for (std::uint64_t percent : {0, 5, 50, 100})
        for (int depth : {0, 1, 5, kDeep}) EXPECT_FALSE(classify(waits_for(percent, depth)).why.empty());
}

}  // namespace
}  // namespace latchkey
