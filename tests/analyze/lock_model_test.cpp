// SPDX-License-Identifier: Apache-2.0
#include "analyze/lock_model.h"

#include <gtest/gtest.h>

#include "tests/analyze/feed.h"

namespace latchkey {
namespace {

using testing::acquired;
using testing::charged_to;
using testing::contended_release;
using testing::Feed;
using testing::released;
using testing::waited;

constexpr std::uint64_t kLock = 0x1000;

const LockStats& only_stats(const Feed& feed) {
    EXPECT_EQ(feed.analysis.locks.stats().size(), 1u);
    return feed.analysis.locks.stats().front();
}

TEST(LockModel, WaitWithoutAReleaseIsChargedToTheOwnerTheWaiterSaw) {
    Feed feed;
    feed.emit(1000, 2, waited(kLock, 400, 1, 0x10));
    feed.analysis.finish();
    EXPECT_EQ(charged_to(feed.analysis.locks, 0x10), 400u);
    EXPECT_EQ(feed.analysis.locks.totals().charged_ns, 400u);
}

TEST(LockModel, UnknownOwnerIsNobody) {
    Feed feed;
    feed.emit(1000, 2, waited(kLock, 400, 0, 0));
    feed.analysis.finish();
    EXPECT_EQ(charged_to(feed.analysis.locks, 0), 400u);
    EXPECT_EQ(feed.analysis.locks.totals().unowned_ns, 400u);
}

/// Threads 1, 2, 3 hold in turn while 4 waits: the first holder must not be charged for the others' time.
TEST(LockModel, ConvoyIsDividedAmongItsHolders) {
    Feed feed;
    feed.emit(400, 1, contended_release(kLock, 300, 300, 0x10));
    feed.emit(700, 2, contended_release(kLock, 600, 290, 0x20));   // took it 10 ns after 1 let go
    feed.emit(1000, 4, waited(kLock, 900, 1, 0x10));               // waited from 100 to 1000
    feed.emit(1100, 3, contended_release(kLock, 980, 380, 0x30));  // reported after the wait that it ended
    feed.analysis.finish();
    EXPECT_EQ(charged_to(feed.analysis.locks, 0x10), 200u + 10u) << "its hold and the hand-over after it";
    EXPECT_EQ(charged_to(feed.analysis.locks, 0x20), 290u);
    EXPECT_EQ(charged_to(feed.analysis.locks, 0x30), 380u + 20u);
    EXPECT_EQ(feed.analysis.locks.totals().charged_ns, 900u);
}

TEST(LockModel, ReadersThatOverlapShareTheWritersWait) {
    Feed feed;
    const Object read = Object::rwlock_read, write = Object::rwlock_write;
    feed.emit(510, 1, contended_release(kLock, 500, 400, 0x10, read));  // held 100..500
    feed.emit(910, 2, contended_release(kLock, 900, 700, 0x20, read));  // held 200..900
    feed.emit(920, 3, waited(kLock, 620, 0, 0, write));                 // waited 300..920
    feed.analysis.finish();
    EXPECT_EQ(charged_to(feed.analysis.locks, 0x10), 100u);
    EXPECT_EQ(charged_to(feed.analysis.locks, 0x20), 100u + 400u + 20u);
}

TEST(LockModel, OpenWaitIsItsWaitersNotItsReporters) {
    Feed feed;
    feed.emit(10, 7, acquired(0x2000, 1));  // makes thread 7 known
    record::lock_wait open = waited(kLock, 500, 7, 0x70);
    open.result = 255;
    open.waiter = 7;
    feed.emit(1000, 1, open);
    feed.analysis.finish();
    const LockModel& locks = feed.analysis.locks;
    EXPECT_EQ(locks.totals().open_ns, 500u);
    EXPECT_EQ(locks.totals().charged_ns, 0u);
    bool found = false;
    locks.places().for_each([&](const PlaceKey& key, const Tally&) {
        found = found || (key.side == 0 && feed.analysis.world.threads()[key.thread].tid == 7);
    });
    EXPECT_TRUE(found);
}

TEST(LockModel, HoldsAreMeasuredPerThread) {
    Feed feed;
    feed.emit(100, 1, acquired(kLock, 1));
    feed.emit(150, 2, acquired(kLock, 1));  // inverted time stamps: before the release below
    feed.emit(160, 1, released(kLock));
    feed.emit(180, 2, released(kLock));
    const LockStats& stats = only_stats(feed);
    EXPECT_EQ(stats.acquired, 2u);
    EXPECT_EQ(stats.holds, 2u);
    EXPECT_EQ(stats.hold_ns, 60u + 30u);
}

TEST(LockModel, RecursiveHoldLastsToItsLastRelease) {
    Feed feed;
    feed.emit(100, 1, acquired(kLock, 1));
    feed.emit(110, 1, acquired(kLock, 1));
    feed.emit(120, 1, released(kLock));
    feed.emit(190, 1, released(kLock));
    EXPECT_EQ(only_stats(feed).holds, 1u);
    EXPECT_EQ(only_stats(feed).hold_ns, 90u);
}

TEST(LockModel, CondvarWaitGivesTheMutexBack) {
    Feed feed;
    feed.emit(100, 1, acquired(kLock, 1));
    feed.emit(130, 1, released(kLock));
    record::signal_wait wait;
    wait.address = 0x5000;
    wait.mutex = kLock;
    wait.wait_ns = 870;
    wait.object = static_cast<std::uint8_t>(Object::cond);
    feed.emit(1000, 1, wait);
    feed.emit(1001, 1, acquired(kLock, 1));
    feed.emit(1011, 1, released(kLock));
    EXPECT_EQ(only_stats(feed).holds, 2u);
    EXPECT_EQ(only_stats(feed).hold_ns, 30u + 10u);
}

TEST(LockModel, FailuresAreNoAcquisitions) {
    Feed feed;
    feed.emit(100, 1, acquired(kLock, 1, Object::mutex, EBUSY));
    record::lock_wait timeout = waited(kLock, 50, 2, 0x20);
    timeout.result = ETIMEDOUT;
    feed.emit(200, 1, timeout);
    feed.emit(210, 1, acquired(kLock, 1, Object::mutex, EOWNERDEAD));
    feed.emit(220, 1, released(kLock));
    const LockStats& stats = only_stats(feed);
    EXPECT_EQ(stats.failed, 2u);
    EXPECT_EQ(stats.timeouts, 1u);
    EXPECT_EQ(stats.acquired, 1u);
    EXPECT_EQ(stats.holds, 1u);
    EXPECT_EQ(stats.wait_ns, 50u) << "time spent is time spent";
}

TEST(LockModel, ReleaseOfAnUnseenAcquisitionIsAnOrphan) {
    Feed feed;
    feed.emit(100, 1, released(kLock));
    EXPECT_EQ(feed.analysis.locks.totals().orphan_releases, 1u);
    EXPECT_TRUE(feed.analysis.locks.stats().empty());
}

/// The tracer lost events between 200 and 400: a hold across that may have ended and begun again unseen.
TEST(LockModel, HoldAcrossALossHasNoLength) {
    Feed feed;
    feed.lose(200, 400);
    feed.emit(100, 1, acquired(kLock, 1));
    feed.emit(300, 2, acquired(0x2000, 1));
    feed.emit(320, 2, released(0x2000));
    feed.emit(500, 1, released(kLock));
    feed.emit(600, 1, acquired(kLock, 1));
    feed.emit(650, 1, released(kLock));
    EXPECT_EQ(feed.analysis.locks.totals().uncertain_holds, 2u);
    EXPECT_EQ(feed.analysis.locks.stats().front().holds, 1u);
    EXPECT_EQ(feed.analysis.locks.stats().front().hold_ns, 50u);
}

TEST(LockModel, AddressReusedByAnotherLockIsAnotherLock) {
    Feed feed;
    record::lock_created created;
    created.lock = kLock;
    created.site = 0x111;
    created.object = static_cast<std::uint8_t>(Object::mutex);
    feed.emit(10, 1, created);
    feed.emit(20, 1, acquired(kLock, 1));
    feed.emit(30, 1, released(kLock));
    created.site = 0x222;  // no destroy call in between
    feed.emit(40, 1, created);
    feed.emit(50, 1, acquired(kLock, 1));
    feed.emit(55, 1, released(kLock));
    feed.emit(60, 1, acquired(kLock, 1, Object::spin));  // and now a spin lock
    EXPECT_EQ(feed.analysis.locks.stats().size(), 3u);
    EXPECT_EQ(feed.analysis.locks.stats()[0].hold_ns, 10u);
    EXPECT_EQ(feed.analysis.locks.stats()[1].hold_ns, 5u);
}

TEST(LockModel, LockBornAgainAtTheSameSiteIsTheSameClass) {
    Feed feed;
    record::lock_created created;
    created.lock = kLock;
    created.site = 0x111;
    created.object = static_cast<std::uint8_t>(Object::mutex);
    record::lock_destroyed destroyed;
    destroyed.lock = kLock;
    destroyed.object = created.object;
    for (int i = 0; i < 3; ++i) {
        feed.emit(10, 1, created);
        feed.emit(20, 1, acquired(kLock, 1));
        feed.emit(30, 1, released(kLock));
        feed.emit(40, 1, destroyed);
    }
    EXPECT_EQ(only_stats(feed).acquired, 3u);
}

/// More locks than records: totals stay whole.
TEST(LockModel, LocksBeyondTheBoundShareRecords) {
    Feed feed;
    const std::uint64_t count = LockTable::kMaxLocks + 20'000;
    record::lock_created created;
    created.object = static_cast<std::uint8_t>(Object::mutex);
    created.site = 0x111;
    for (std::uint64_t i = 0; i < count; ++i) {
        created.lock = 0x10000 + 64 * i;
        feed.emit(i + 1, 1, created);
        feed.emit(i + 1, 1, acquired(created.lock, 1));
        feed.emit(i + 2, 1, released(created.lock));
    }
    std::uint64_t acquisitions = 0, holds = 0, instances = 0;
    for (const LockStats& stats : feed.analysis.locks.stats()) {
        acquisitions += stats.acquired;
        holds += stats.holds;
        instances += stats.lock->instances;
    }
    EXPECT_EQ(acquisitions, count);
    EXPECT_EQ(holds, count);
    EXPECT_EQ(instances, count);
    EXPECT_LE(feed.analysis.locks.stats().size(), LockTable::kMaxLocks + 10);
    EXPECT_GT(feed.analysis.locks.folded_locks(), 0u);
}

TEST(LockModel, WaitsEndInTheirWayAndTheQueueIsOfThoseThatSlept) {
    Feed feed;
    record::lock_wait wait = waited(kLock, 50, 1, 0x10);
    const auto emit = [&](Passage passage, std::uint32_t queue, std::uint8_t result = 0) {
        wait.passage = static_cast<std::uint8_t>(passage);
        wait.queue = queue;
        wait.result = result;
        feed.emit(1000, 2, wait);
    };
    emit(Passage::kSpun, 0);
    emit(Passage::kWoken, 0);
    emit(Passage::kHanded, 4);
    emit(Passage::kUnknown, 7, ETIMEDOUT);  // gave up in the queue
    emit(Passage::kUnknown, 0);             // the C library's
    emit(static_cast<Passage>(200), 0);     // of no version that is known
    const Passages& passages = only_stats(feed).passages;
    EXPECT_EQ(passages.spun, 1u);
    EXPECT_EQ(passages.woken, 1u);
    EXPECT_EQ(passages.handed, 1u);
    EXPECT_EQ(passages.requeued, 0u);
    EXPECT_EQ(passages.queued, 4u) << "those that slept, whoever was before them, and what has a queue";
    EXPECT_EQ(passages.queue_sum, 11u);
    EXPECT_EQ(passages.queue_max, 7u);
    EXPECT_EQ(only_stats(feed).contended, 6u);
}

TEST(LockModel, RequeuedWaitersOfACondvarCountForItsMutex) {
    Feed feed;
    record::signal_wait wait;
    wait.address = 0x5000;
    wait.mutex = kLock;
    wait.wait_ns = 100;
    wait.object = static_cast<std::uint8_t>(Object::cond);
    for (const Passage passage : {Passage::kUnknown, Passage::kSpun, Passage::kWoken, Passage::kHanded})
        wait.passage = static_cast<std::uint8_t>(passage), feed.emit(1000, 1, wait);
    EXPECT_TRUE(feed.analysis.locks.stats().empty()) << "none of these stood in the mutex's queue";
    for (const Passage passage :
         {Passage::kRequeuedWoken, Passage::kRequeuedHanded, Passage::kRequeuedHanded})
        wait.passage = static_cast<std::uint8_t>(passage), feed.emit(1000, 1, wait);
    const LockStats& stats = only_stats(feed);
    EXPECT_EQ(stats.lock->address, kLock);
    EXPECT_EQ(stats.passages.woken, 1u);
    EXPECT_EQ(stats.passages.handed, 2u);
    EXPECT_EQ(stats.passages.requeued, 3u);
    EXPECT_EQ(stats.contended, 0u) << "the waits are the condvar's";
    const Signal& signal = feed.analysis.signals.signals().front();
    EXPECT_EQ(signal.spun, 1u);
    EXPECT_EQ(signal.requeued, 3u);
}

TEST(LockModel, WaitLongerThanTheClockHasRunIsLeftOut) {
    Feed feed;
    feed.emit(1000, 2, waited(kLock, 2000, 1, 0x10));
    feed.analysis.finish();
    EXPECT_EQ(feed.analysis.locks.totals().impossible_waits, 1u);
    EXPECT_EQ(feed.analysis.locks.totals().waited_ns, 0u);
}

}  // namespace
}  // namespace latchkey
