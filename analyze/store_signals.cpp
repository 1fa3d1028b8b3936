// SPDX-License-Identifier: Apache-2.0
#include <set>

#include "analyze/fold.h"
#include "analyze/naming.h"
#include "analyze/signal_class.h"
#include "analyze/store.h"

namespace latchkey {

namespace {

constexpr std::size_t kMaxRows = 1000;
constexpr std::size_t kMaxPairs = 20'000;
constexpr const char* kSideNames[] = {"waiter", "waker"};
constexpr const char* kNetworkCalls[] = {
    "calls.recv",   "calls.recvfrom",   "calls.recvmsg",     "calls.poll",    "calls.ppoll",
    "calls.select", "calls.epoll_wait", "calls.epoll_pwait", "calls.accept4", "calls.accept"};

class SignalStore {
  public:
    explicit SignalStore(Results& results) : results_(results), model_(results.analysis.signals) {}

    void run() {
        name_records();
        grouping_ = group_records(keys_, weights_, kMaxRows);
        results_.signal_rows = grouping_.row_of;
        fold_pairs();
        collect_facts();
        Rows rows(results_.db, "signals", 23);
        for (std::uint32_t row = 1; row <= grouping_.order.size(); ++row) store_row(rows, row);
        store_places();
        store_pairs();
    }

  private:
    using RoleKey = std::pair<std::uint32_t, std::uint32_t>;  // row, waiter's role

    struct PairRow {
        std::uint32_t row = 0, waiter = 0, waker = 0;
        SignalPair sums;
    };

    void name_records() {
        const auto stacks = costliest_stacks(results_, model_.places(), model_.signals().size());
        for (std::uint32_t i = 0; i < model_.signals().size(); ++i) {
            const Signal& s = model_.signals()[i];
            // A join is named by its place alone: its address is that place.
            const std::uint64_t address = s.object == Object::thread ? 0 : s.address;
            names_.push_back(name_of(results_.places, {s.process, address, s.init_site, s.site,
                                                       stacks[i].process, stacks[i].stack}));
            keys_.push_back(names_.back().name + '\n' + std::string(object_name(s.object)));
            weights_.push_back(s.wait_ns);
            processes_.push_back(s.process);
        }
    }

    void fold_pairs() {
        std::map<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>, SignalPair> pairs;
        model_.pairs().for_each([&](const PairKey& key, const SignalPair& pair) {
            const std::uint32_t row = grouping_.row_of[key.record];
            const std::uint32_t waiter = results_.roles.of(key.waiter);
            SignalPair& sums = pairs[{row, waiter, results_.roles.of(key.provider)}];
            sums.waits.merge(pair.waits);
            sums.timeouts += pair.timeouts;
            waiters_[{row, waiter}].insert(key.waiter);
        });
        for (const auto& [key, sums] : pairs) {
            const auto [row, waiter, waker] = key;
            pairs_.push_back({row, waiter, waker, sums});
        }
    }

    /// Adds up what classify() wants to know, per row and waiting role, and judges.
    void collect_facts() {
        std::map<std::uint32_t, std::uint64_t> network;
        for (const ThreadCounters& counters : results_.book.threads)
            for (const char* call : kNetworkCalls)
                network[counters.thread] += results_.book.value(counters, call);
        for (const PairRow& pair : pairs_) {
            WaitFacts& facts = facts_[{pair.row, pair.waiter}];
            facts.object = model_.signals()[grouping_.order[pair.row - 1].front()].object;
            facts.waits += pair.sums.waits.count;
            facts.timeouts += pair.sums.timeouts;
            facts.wait_ns += pair.sums.waits.ns;
            if (pair.waker != 0)
                (pair.waker == pair.waiter ? facts.ended_by_peers_ns : facts.ended_by_others_ns) +=
                    pair.sums.waits.ns;
        }
        const auto& threads = results_.analysis.world.threads();
        const std::map<RoleKey, int> depths = costliest_depths();
        for (auto& [key, facts] : facts_) {
            if (const auto depth = depths.find(key); depth != depths.end()) facts.depth = depth->second;
            for (const std::uint32_t thread : waiters_[key]) {
                if (thread >= threads.size()) continue;
                facts.life_ns += threads[thread].end_ns - threads[thread].start_ns;
                facts.network_calls += network.contains(thread) ? network[thread] : 0;
            }
            verdicts_[key] = classify(facts);
            Results::CondTime& time = results_.cond_time[key.second];
            if (facts.object != Object::cond) continue;
            time.all_ns += static_cast<double>(facts.wait_ns);
            if (verdicts_[key].wait_class == WaitClass::idle)
                time.idle_ns += static_cast<double>(facts.wait_ns);
        }
    }

    /// How deep in the program each role waits, by its costliest stack per row.
    std::map<RoleKey, int> costliest_depths() {
        struct Best {
            std::uint64_t ns = 0;
            std::uint32_t process = 0, stack = 0;
        };
        std::map<RoleKey, Best> best;
        const auto& threads = results_.analysis.world.threads();
        model_.places().for_each([&](const PlaceKey& key, const Tally& tally) {
            if (key.stack == 0 || key.side != 0 || key.thread >= threads.size()) return;
            Best& so_far = best[{grouping_.row_of[key.record], results_.roles.of(key.thread)}];
            if (tally.ns >= so_far.ns) so_far = {tally.ns, threads[key.thread].process, key.stack};
        });
        std::map<RoleKey, int> depths;
        for (const auto& [key, stack] : best)
            depths[key] = depth_of(results_.places, stack.process, stack.stack);
        return depths;
    }

    /// The verdict of the role that waited longest stands for the row.
    Verdict verdict_of(std::uint32_t row) const {
        Verdict verdict;
        std::uint64_t longest = 0;
        for (auto it = facts_.lower_bound({row, 0}); it != facts_.end() && it->first.first == row; ++it) {
            if (it->second.wait_ns < longest) continue;
            longest = it->second.wait_ns;
            verdict = verdicts_.at(it->first);
        }
        return verdict;
    }

    void store_row(Rows& rows, std::uint32_t row) {
        const std::vector<std::uint32_t>& records = grouping_.order[row - 1];
        Signal s;
        std::uint32_t busiest = records.front();
        std::uint64_t instances = 0;
        bool one_process = true;
        for (const std::uint32_t i : records) {
            const Signal& from = model_.signals()[i];
            s.waits += from.waits, s.timeouts += from.timeouts, s.open_waits += from.open_waits,
                s.wakes += from.wakes;
            s.wait_ns += from.wait_ns, s.wakeup_ns += from.wakeup_ns;
            s.spun += from.spun, s.requeued += from.requeued;
            s.wait_max_ns = std::max(s.wait_max_ns, from.wait_max_ns);
            s.times.merge(results_.analysis.locks.pool(), from.times);
            instances += from.instances;
            if (from.wait_ns > model_.signals()[busiest].wait_ns) busiest = i;
            one_process =
                one_process && from.one_process && from.process == model_.signals()[records.front()].process;
        }
        const Signal& best = model_.signals()[busiest];
        const bool is_rest = grouping_.is_cut && row == grouping_.order.size();
        const Verdict verdict = verdict_of(row);
        const HistogramPool& pool = results_.analysis.locks.pool();
        rows(row, one_process ? std::optional<std::uint64_t>(best.process + 1) : std::nullopt,
             object_name(best.object), is_rest ? "(other signals)" : names_[busiest].name,
             is_rest ? "address" : names_[busiest].source, best.address, instances,
             row_or_null(results_.places.call_site(best.process, best.init_site)),
             name_of(verdict.wait_class), verdict.why, s.waits, s.timeouts, s.open_waits, s.wakes, s.wait_ns,
             s.wait_max_ns, s.times.quantile(pool, .5), s.times.quantile(pool, .9),
             s.times.quantile(pool, .99), Blob{s.times.blob(pool)}, s.wakeup_ns, s.spun, s.requeued);
    }

    void store_places() {
        Rows rows(results_.db, "signal_sites", 8);
        for (const PlaceRow& place : fold_places(results_, model_.places(), grouping_.row_of, processes_))
            rows(place.group, kSideNames[place.side], row_or_null(place.site), row_or_null(place.stack),
                 row_or_null(place.role), place.tally.count, place.tally.ns, place.tally.max_ns);
    }

    void store_pairs() {
        std::stable_sort(pairs_.begin(), pairs_.end(), [](const PairRow& a, const PairRow& b) {
            return a.sums.waits.ns > b.sums.waits.ns;
        });
        results_.folded_rows += pairs_.size() - std::min(pairs_.size(), kMaxPairs);
        pairs_.resize(std::min(pairs_.size(), kMaxPairs));
        Rows rows(results_.db, "signal_pairs", 7);
        for (const PairRow& pair : pairs_)
            rows(pair.row, row_or_null(pair.waiter), row_or_null(pair.waker),
                 name_of(verdicts_[{pair.row, pair.waiter}].wait_class), pair.sums.waits.count,
                 pair.sums.waits.ns, pair.sums.waits.max_ns);
    }

    Results& results_;
    SignalModel& model_;
    std::vector<ObjectName> names_;
    std::vector<std::string> keys_;
    std::vector<std::uint64_t> weights_;
    std::vector<std::uint32_t> processes_;
    Grouping grouping_;
    std::vector<PairRow> pairs_;
    std::map<RoleKey, std::set<std::uint32_t>> waiters_;
    std::map<RoleKey, WaitFacts> facts_;
    std::map<RoleKey, Verdict> verdicts_;
};

}  // namespace

void store_signals(Results& results) {
    SignalStore(results).run();
}

}  // namespace latchkey
