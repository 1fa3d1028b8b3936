// SPDX-License-Identifier: Apache-2.0
//
// INV-BLAME on random schedules: waited == charged + unowned + open, always; and on an undisturbed schedule
// each holder is charged exactly the integral of the number of waiters over its holds.
//
// The simulation plays what the preload library would report: waits when they end, contended releases some
// time after the release. Disturbances: coarse clocks (equal time stamps), late and inverted reports, lost
// events, a recording that starts late, addresses used again, time-outs, threads that vanish while waiting.
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <random>

#include "tests/analyze/feed.h"

namespace latchkey {
namespace {

using testing::acquired;
using testing::charged_to;
using testing::contended_release;
using testing::Feed;
using testing::released;

struct Disturbances {
    std::uint64_t clock_step_ns = 1;     // time stamps are multiples of this
    std::uint64_t report_jitter_ns = 0;  // a report comes up to so much later
    double loses = 0;                    // share of the reports that are lost
    double times_out = 0;                // share of the waits that give up
    double stays_open = 0;               // share of the waits that never end
    std::uint64_t recording_starts_ns = 0;
    bool reuses_addresses = false;
};

constexpr std::uint64_t kLocks = 3;
constexpr std::uint32_t kThreads = 12;

std::uint64_t site_of(std::uint32_t thread) {
    return 0x1000 * thread;
}

/// One run of threads over locks, first come first served.
class Schedule {
  public:
    Schedule(std::uint64_t seed, const Disturbances& disturbances)
        : random_(seed), disturbances_(disturbances) {
        for (std::uint32_t thread = 1; thread <= kThreads; ++thread) ready_[thread] = random_() % 100;
    }

    /// The reports in the order in which a merged trace delivers them.
    void play(Feed& feed) {
        while (now_ns_ < 200'000) step();
        ready_.clear();  // nobody wants a lock any more: the queues run empty
        is_ending_ = true;
        while (std::any_of(std::begin(mutexes_), std::end(mutexes_),
                           [](const Mutex& m) { return m.owner != 0; }))
            step();
        std::stable_sort(reports_.begin(), reports_.end(),
                         [](const Report& a, const Report& b) { return a.ts < b.ts; });
        for (const Report& report : reports_)
            if (report.ts >= disturbances_.recording_starts_ns && !happens(disturbances_.loses))
                deliver(feed, report);
        feed.analysis.finish();
    }

    /// True waiting time caused by each thread's holds.
    const std::map<std::uint32_t, std::uint64_t>& caused() const { return caused_; }
    /// How the waits that were delivered ended; queue_max is that of any lock.
    const Passages& ended() const { return ended_; }

  private:
    struct Report {
        std::uint64_t ts = 0;
        std::uint32_t thread = 0;
        record::lock_wait wait;
        record::lock_contended_release release;
        bool is_wait = false;
    };
    struct Waiter {
        std::uint32_t thread = 0;
        std::uint64_t since_ns = 0;
        std::uint32_t owner = 0;
        std::uint32_t ahead = 0;  // waiters that were there before it
    };
    struct Mutex {
        std::uint32_t owner = 0;
        std::uint64_t since_ns = 0, until_ns = 0, generation = 0;
        std::deque<Waiter> queue;
    };

    bool happens(double share) { return std::uniform_real_distribution<>(0, 1)(random_) < share; }
    std::uint64_t stamp(std::uint64_t ns) const {
        return ns / disturbances_.clock_step_ns * disturbances_.clock_step_ns;
    }
    std::uint64_t late(std::uint64_t ns) {
        return stamp(ns) +
               (disturbances_.report_jitter_ns == 0 ? 0 : random_() % disturbances_.report_jitter_ns);
    }
    std::uint64_t address(std::uint64_t lock) const {
        return disturbances_.reuses_addresses ? 0x40 : 0x40 * (lock + 1);
    }

    /// The next thing that happens: a release, or a thread that wants a lock.
    void step() {
        std::uint64_t next_release = UINT64_MAX, which = 0;
        for (std::uint64_t i = 0; i < kLocks; ++i)
            if (mutexes_[i].owner != 0 && mutexes_[i].until_ns < next_release)
                next_release = mutexes_[which = i].until_ns;
        const auto next = std::min_element(ready_.begin(), ready_.end(),
                                           [](const auto& a, const auto& b) { return a.second < b.second; });
        if (next != ready_.end() && next->second < next_release) {
            now_ns_ = next->second;
            const std::uint32_t thread = next->first;
            ready_.erase(next);
            request(mutexes_[random_() % kLocks], thread);
        } else {
            now_ns_ = next_release;
            release(which);
        }
    }

    void request(Mutex& mutex, std::uint32_t thread) {
        if (mutex.owner != 0)
            return mutex.queue.push_back(
                {thread, now_ns_, mutex.owner, static_cast<std::uint32_t>(mutex.queue.size())});
        take(mutex, thread);
    }

    void take(Mutex& mutex, std::uint32_t thread) {
        mutex.owner = thread;
        mutex.since_ns = now_ns_;
        mutex.until_ns = now_ns_ + 1 + random_() % 500;
    }

    void release(std::uint64_t lock) {
        Mutex& mutex = mutexes_[lock];
        const std::uint32_t thread = mutex.owner;
        for (const Waiter& waiter : mutex.queue)
            caused_[thread] += now_ns_ - std::max(mutex.since_ns, waiter.since_ns);
        const bool has_waiters = !mutex.queue.empty();
        mutex.owner = 0;
        if (!is_ending_) ready_[thread] = now_ns_ + 1 + random_() % 2000;
        if (!has_waiters) return;
        Report report;
        report.ts = late(now_ns_ + 1);
        report.thread = thread;
        report.release = contended_release(address(lock), stamp(now_ns_),
                                           stamp(now_ns_) - stamp(mutex.since_ns), site_of(thread));
        reports_.push_back(report);
        const Waiter first = mutex.queue.front();
        mutex.queue.pop_front();
        end_wait(lock, first);
    }

    void end_wait(std::uint64_t lock, const Waiter& waiter) {
        Report report;
        report.is_wait = true;
        report.ts = stamp(now_ns_);
        report.thread = waiter.thread;
        report.wait = testing::waited(address(lock), stamp(now_ns_) - stamp(waiter.since_ns), waiter.owner,
                                      site_of(waiter.owner));
        if (disturbances_.reuses_addresses) report.wait.init_site = 0x77 + lock;
        if (happens(disturbances_.stays_open)) {
            report.wait.result = 255;
            report.wait.waiter = waiter.thread;
        } else if (happens(disturbances_.times_out)) {
            report.wait.result = ETIMEDOUT;
        }
        pass(report.wait, waiter.ahead);
        reports_.push_back(report);
        if (report.wait.result == 0)
            take(mutexes_[lock], waiter.thread);
        else if (report.wait.result == ETIMEDOUT && !is_ending_)
            ready_[waiter.thread] = now_ns_ + 1;
        if (report.wait.result != 0 && !mutexes_[lock].queue.empty()) {
            const Waiter next = mutexes_[lock].queue.front();
            mutexes_[lock].queue.pop_front();
            end_wait(lock, next);
        }
    }

    /// Who is first may spin; who gave up has no passage; the others slept in the queue.
    void pass(record::lock_wait& wait, std::uint32_t ahead) {
        const std::uint64_t kind = passed_++ % 3;
        wait.queue = ahead;
        Passage passage = kind == 1 ? Passage::kWoken : Passage::kHanded;
        if (kind == 0 && ahead == 0) passage = Passage::kSpun;
        if (wait.result != 0) passage = Passage::kUnknown;
        wait.passage = static_cast<std::uint8_t>(passage);
    }

    void deliver(Feed& feed, const Report& report) {
        if (report.is_wait) {
            const auto passage = static_cast<Passage>(report.wait.passage);
            ended_.spun += passage == Passage::kSpun;
            ended_.woken += passage == Passage::kWoken;
            ended_.handed += passage == Passage::kHanded;
            ended_.queue_sum += report.wait.queue;
            ended_.queue_max = std::max<std::uint64_t>(ended_.queue_max, report.wait.queue);
        }
        if (report.is_wait)
            feed.emit(report.ts, static_cast<std::int32_t>(report.thread), report.wait);
        else
            feed.emit(report.ts, static_cast<std::int32_t>(report.thread), report.release);
    }

    std::mt19937_64 random_;
    Disturbances disturbances_;
    std::uint64_t now_ns_ = 0;
    bool is_ending_ = false;
    std::map<std::uint32_t, std::uint64_t> ready_;  // thread -> when it wants its next lock
    Mutex mutexes_[kLocks];
    std::vector<Report> reports_;
    std::map<std::uint32_t, std::uint64_t> caused_;
    Passages ended_;
    std::uint64_t passed_ = 0;
};

/// The law in the totals and, per lock, in what becomes rows of the database.
void expect_conserved(const Feed& feed, std::uint64_t seed) {
    const LockModel& locks = feed.analysis.locks;
    const LockModel::Totals& t = locks.totals();
    ASSERT_GT(t.waited_ns, 0u) << "seed " << seed;
    ASSERT_EQ(t.waited_ns, t.charged_ns + t.unowned_ns + t.open_ns) << "seed " << seed;
    std::vector<std::uint64_t> charged(locks.stats().size()), paired(locks.stats().size());
    locks.places().for_each([&](const PlaceKey& key, const Tally& tally) {
        if (key.side == static_cast<std::uint32_t>(LockSide::holder)) charged[key.record] += tally.ns;
    });
    locks.pairs().for_each([&](const PairKey& key, const Tally& tally) { paired[key.record] += tally.ns; });
    for (const LockStats& stats : locks.stats()) {
        ASSERT_EQ(stats.wait_ns, charged[stats.index]) << "seed " << seed;
        ASSERT_EQ(stats.wait_ns, paired[stats.index]) << "seed " << seed;
    }
}

/// However waits are divided among locks, each is counted once in the way it ended.
void expect_passages(const Feed& feed, const Passages& ended, std::uint64_t seed) {
    Passages sum;
    for (const LockStats& stats : feed.analysis.locks.stats()) {
        const Passages& own = stats.passages;
        ASSERT_LE(own.spun + own.woken + own.handed, stats.contended) << "seed " << seed;
        ASSERT_LE(own.woken + own.handed, own.queued) << "seed " << seed;
        ASSERT_LE(own.queue_sum, own.queued * own.queue_max) << "seed " << seed;
        sum.merge(own);
    }
    ASSERT_EQ(std::tuple(sum.spun, sum.woken, sum.handed, sum.queue_sum, sum.queue_max),
              std::tuple(ended.spun, ended.woken, ended.handed, ended.queue_sum, ended.queue_max))
        << "seed " << seed;
    ASSERT_LT(sum.queue_max, kThreads) << "seed " << seed;
}

class BlameProperty : public ::testing::TestWithParam<Disturbances> {};

TEST_P(BlameProperty, WaitedIsChargedPlusUnownedPlusOpen) {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        Feed feed;
        Schedule schedule(seed, GetParam());
        schedule.play(feed);
        expect_conserved(feed, seed);
        expect_passages(feed, schedule.ended(), seed);
        if (HasFatalFailure()) return;
    }
}

INSTANTIATE_TEST_SUITE_P(
    Schedules, BlameProperty,
    ::testing::Values(Disturbances{}, Disturbances{.clock_step_ns = 100},
                      Disturbances{.report_jitter_ns = 3000},
                      Disturbances{.clock_step_ns = 64, .report_jitter_ns = 500, .loses = 0.3},
                      Disturbances{.loses = 0.9}, Disturbances{.times_out = 0.3},
                      Disturbances{.stays_open = 0.005}, Disturbances{.recording_starts_ns = 90'000},
                      Disturbances{.reuses_addresses = true},
                      Disturbances{.clock_step_ns = 7,
                                   .report_jitter_ns = 900,
                                   .loses = 0.1,
                                   .times_out = 0.1,
                                   .stays_open = 0.002,
                                   .recording_starts_ns = 20'000,
                                   .reuses_addresses = true}));

TEST(Blame, IsTheIntegralOfTheWaitersOverEachHold) {
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        Feed feed;
        Schedule schedule(seed, {.report_jitter_ns = 2000});
        schedule.play(feed);
        for (const auto& [thread, ns] : schedule.caused())
            ASSERT_EQ(charged_to(feed.analysis.locks, site_of(thread)), ns)
                << "seed " << seed << " thread " << thread;
        ASSERT_EQ(feed.analysis.locks.totals().unowned_ns, 0u);
    }
}

}  // namespace
}  // namespace latchkey
