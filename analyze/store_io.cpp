// SPDX-License-Identifier: Apache-2.0
#include "analyze/calls.h"
#include "analyze/store.h"

namespace latchkey {

namespace {

constexpr std::size_t kMaxFiles = 2000;
constexpr std::size_t kMaxCalls = 10'000;
constexpr std::size_t kMaxUnderLock = 5000;

/// The words of role_time for the groups of symbols.def.
std::string_view class_of(std::string_view group) {
    if (group == "read") return "file_read";
    if (group == "write") return "file_write";
    if (group == "recv" || group == "send") return "network";
    return group;
}

/// Sorts by falling time and cuts; adds what was cut to the results' count.
template <typename Row>
void keep_costliest(Results& results, std::vector<Row>& rows, std::size_t limit) {
    std::stable_sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.ns() > b.ns(); });
    results.folded_rows += rows.size() - std::min(rows.size(), limit);
    rows.resize(std::min(rows.size(), limit));
}

void store_files(Results& results) {
    const FileNames& names = results.analysis.io.files();
    Rows rows(results.db, "files", 17);
    for (std::uint32_t id = 1; id < names.size() && id <= kMaxFiles; ++id) {
        const auto found = results.book.files.find(id);
        const FileCounters f = found == results.book.files.end() ? FileCounters{} : found->second;
        rows(id, names.name(id), f.kind.empty() ? "file" : f.kind, names.instances(id), f.reads, f.read_bytes,
             f.read_ns, f.writes, f.write_bytes, f.write_ns, f.syncs, f.sync_ns, f.others, f.other_ns,
             f.max_ns, f.under_lock_ns, f.under_lock_calls);
    }
}

struct CallRow {
    std::uint32_t file = 0, call = 0, role = 0;
    IoStats stats;
    std::uint64_t ns() const { return stats.calls.ns; }
};

void store_calls(Results& results) {
    HistogramPool& pool = results.analysis.locks.pool();
    std::map<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>, IoStats> folded;
    results.analysis.io.calls().for_each([&](const IoKey& key, const IoStats& from) {
        IoStats& to = folded[{key.file, key.call, results.roles.of(key.thread)}];
        to.calls.merge(from.calls);
        to.errors += from.errors;
        to.bytes += from.bytes;
        to.times.merge(pool, from.times);
    });
    std::vector<CallRow> kept;
    for (const auto& [key, stats] : folded)
        kept.push_back({std::get<0>(key), std::get<1>(key), std::get<2>(key), stats});
    keep_costliest(results, kept, kMaxCalls);
    Rows rows(results.db, "io_calls", 12);
    for (const CallRow& row : kept) {
        const IoStats& s = row.stats;
        rows(row_or_null(row.file), call_of(row.call).name, class_of(call_of(row.call).group),
             row_or_null(row.role), s.calls.count, s.errors, s.bytes, s.calls.ns, s.calls.max_ns,
             s.times.quantile(pool, .5), s.times.quantile(pool, .99), Blob{s.times.blob(pool)});
    }
}

struct UnderLockRow {
    std::uint32_t lock = 0, call = 0, file = 0, site = 0, process = 0, stack = 0, role = 0;
    Tally tally;
    std::uint64_t ns() const { return tally.ns; }
};

void store_under_locks(Results& results) {
    std::map<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t, std::uint32_t, std::uint32_t,
                        std::uint32_t, std::uint32_t>,
             Tally>
        folded;
    const auto& threads = results.analysis.world.threads();
    results.analysis.io.under_locks().for_each([&](const UnderLockKey& key, const Tally& tally) {
        const std::uint32_t thread = key.place.thread;
        const std::uint32_t process = thread < threads.size() ? threads[thread].process : 0;
        folded[{results.lock_rows[key.place.record], key.call, key.file,
                results.places.call_site(process, key.place.site), process, key.place.stack,
                results.roles.of(thread)}]
            .merge(tally);
    });
    std::vector<UnderLockRow> kept;
    for (const auto& [key, tally] : folded) {
        const auto [lock, call, file, site, process, stack, role] = key;
        kept.push_back({lock, call, file, site, process, stack, role, tally});
    }
    keep_costliest(results, kept, kMaxUnderLock);
    Rows rows(results.db, "io_under_lock", 9);
    for (const UnderLockRow& row : kept) {
        results.places.heat(row.site, row.tally.ns);
        rows(row.lock, call_of(row.call).name, row_or_null(row.file), row_or_null(row.site),
             row_or_null(results.places.stack(row.process, row.stack)), row_or_null(row.role),
             row.tally.count, row.tally.ns, row.tally.max_ns);
    }
}

}  // namespace

void store_io(Results& results) {
    store_files(results);
    store_calls(results);
    store_under_locks(results);
}

}  // namespace latchkey
