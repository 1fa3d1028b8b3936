// SPDX-License-Identifier: Apache-2.0
#include "analyze/fold.h"
#include "analyze/naming.h"
#include "analyze/store.h"

namespace latchkey {

namespace {

constexpr std::size_t kMaxRows = 2000;
constexpr std::size_t kMaxPairs = 20'000;
constexpr const char* kSideNames[] = {"waiter", "holder", "release"};

/// pthread_mutex_t's kind in words: "recursive robust shared"; empty if not known or not a mutex.
std::string kind_text(const Lock& lock) {
    if (!lock.has_kind) return {};
    constexpr const char* kTypes[] = {"normal", "recursive", "errorcheck", "adaptive"};
    std::string text = kTypes[lock.kind & 3];
    if (lock.kind & 16) text += " robust";
    if (lock.kind & 32) text += " inherit";
    if (lock.kind & 64) text += " protect";
    if (lock.kind & 128) text += " shared";
    return text;
}

class LockStore {
  public:
    explicit LockStore(Results& results) : results_(results), model_(results.analysis.locks) {}

    void run() {
        name_records();
        grouping_ = group_records(keys_, weights_, kMaxRows);
        results_.lock_rows = grouping_.row_of;
        Rows rows(results_.db, "locks", 36);
        for (std::uint32_t row = 1; row <= grouping_.order.size(); ++row) store_row(rows, row);
        store_places();
        store_pairs();
    }

  private:
    const Lock& lock_of(std::uint32_t record) const { return *model_.stats()[record].lock; }

    void name_records() {
        const auto stacks = costliest_stacks(results_, model_.places(), model_.stats().size());
        for (std::uint32_t i = 0; i < model_.stats().size(); ++i) {
            const LockStats& stats = model_.stats()[i];
            const Lock& lock = lock_of(i);
            names_.push_back(name_of(results_.places, {lock.process, lock.address, lock.init_site, lock.site,
                                                       stacks[i].process, stacks[i].stack}));
            keys_.push_back(names_.back().name + '\n' + std::string(object_name(stats.object)));
            weights_.push_back(stats.wait_ns + stats.hold_ns / 1024 + stats.io_ns / 1024);
            processes_.push_back(lock.process);
        }
    }

    /// The sum of a row's records; the busiest gives address, init site and kind.
    struct Sum {
        LockStats stats;
        std::uint32_t busiest = 0;
        std::uint64_t instances = 0;
        bool one_process = true;
        bool is_full = false;
    };

    Sum sum_of(const std::vector<std::uint32_t>& records) {
        Sum sum;
        sum.busiest = records.front();
        for (const std::uint32_t i : records) {
            const LockStats& stats = model_.stats()[i];
            add(sum.stats, stats);
            sum.instances += lock_of(i).instances;
            const LockStats& most = model_.stats()[sum.busiest];
            if (std::tuple(stats.wait_ns, stats.hold_ns, stats.acquired) >
                std::tuple(most.wait_ns, most.hold_ns, most.acquired))
                sum.busiest = i;
            sum.one_process = sum.one_process && lock_of(i).process == lock_of(records.front()).process;
            sum.is_full = sum.is_full || results_.analysis.world.processes()[lock_of(i).process].level == 2;
        }
        return sum;
    }

    void add(LockStats& to, const LockStats& from) {
        to.acquired += from.acquired, to.failed += from.failed, to.contended += from.contended;
        to.timeouts += from.timeouts, to.open_waits += from.open_waits;
        to.wait_ns += from.wait_ns, to.wait_max_ns = std::max(to.wait_max_ns, from.wait_max_ns);
        to.holds += from.holds, to.hold_ns += from.hold_ns;
        to.hold_max_ns = std::max(to.hold_max_ns, from.hold_max_ns);
        to.io_ns += from.io_ns, to.io_calls += from.io_calls;
        to.passages.merge(from.passages);
        to.waits.merge(model_.pool(), from.waits);
        to.hold_times.merge(model_.pool(), from.hold_times);
    }

    void store_row(Rows& rows, std::uint32_t row) {
        const std::vector<std::uint32_t>& records = grouping_.order[row - 1];
        const Sum sum = sum_of(records);
        const LockStats& s = sum.stats;
        const Lock& lock = lock_of(sum.busiest);
        const bool is_rest = grouping_.is_cut && row == grouping_.order.size();
        const HistogramPool& pool = model_.pool();
        const auto maybe = [](bool known, std::uint64_t value) {
            return known ? std::optional<std::uint64_t>(value) : std::nullopt;
        };
        rows(row, maybe(sum.one_process, std::uint64_t{lock.process} + 1),
             object_name(model_.stats()[sum.busiest].object), kind_text(lock),
             is_rest ? "(other locks)" : names_[sum.busiest].name,
             is_rest ? "address" : names_[sum.busiest].source, lock.address, sum.instances,
             row_or_null(results_.places.call_site(lock.process, lock.init_site)),
             maybe(sum.is_full, s.acquired), s.contended, s.failed, s.timeouts, s.open_waits,  //
             s.wait_ns, s.wait_max_ns, s.waits.quantile(pool, .5), s.waits.quantile(pool, .9),
             s.waits.quantile(pool, .99), Blob{s.waits.blob(pool)},  //
             s.holds, s.hold_ns, s.hold_max_ns, s.hold_times.quantile(pool, .5),
             s.hold_times.quantile(pool, .9), s.hold_times.quantile(pool, .99), Blob{s.hold_times.blob(pool)},
             s.io_ns, s.io_calls,  //
             s.passages.spun, s.passages.woken, s.passages.handed, s.passages.requeued, s.passages.queued,
             s.passages.queue_sum, s.passages.queue_max);
    }

    void store_places() {
        Rows rows(results_.db, "lock_sites", 8);
        for (const PlaceRow& place : fold_places(results_, model_.places(), grouping_.row_of, processes_))
            rows(place.group, kSideNames[place.side], row_or_null(place.site), row_or_null(place.stack),
                 row_or_null(place.role), place.tally.count, place.tally.ns, place.tally.max_ns);
    }

    void store_pairs() {
        std::map<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>, Tally> pairs;
        model_.pairs().for_each([&](const PairKey& key, const Tally& tally) {
            pairs[{grouping_.row_of[key.record], results_.roles.of(key.waiter),
                   results_.roles.of(key.provider)}]
                .merge(tally);
        });
        std::vector<std::pair<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>, Tally>> kept(
            pairs.begin(), pairs.end());
        std::stable_sort(kept.begin(), kept.end(),
                         [](const auto& a, const auto& b) { return a.second.ns > b.second.ns; });
        results_.folded_rows += kept.size() - std::min(kept.size(), kMaxPairs);
        kept.resize(std::min(kept.size(), kMaxPairs));
        Rows rows(results_.db, "lock_pairs", 6);
        for (const auto& [key, tally] : kept) {
            const auto [row, waiter, holder] = key;
            rows(row, row_or_null(waiter), row_or_null(holder), tally.count, tally.ns, tally.max_ns);
        }
    }

    Results& results_;
    LockModel& model_;
    std::vector<ObjectName> names_;
    std::vector<std::string> keys_;
    std::vector<std::uint64_t> weights_;
    std::vector<std::uint32_t> processes_;
    Grouping grouping_;
};

}  // namespace

void store_locks(Results& results) {
    LockStore(results).run();
}

}  // namespace latchkey
