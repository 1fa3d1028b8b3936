// SPDX-License-Identifier: Apache-2.0
//
// What to doubt in this run, one sentence a finding; and the run's own facts.
#include <algorithm>

#include "analyze/choices.h"
#include "analyze/store.h"

namespace latchkey {

namespace {

class QualityStore {
  public:
    explicit QualityStore(Results& results) : results_(results), rows_(results.db, "quality", 4) {}

    void run() {
        loss();
        streams();
        names();
        bounds();
        coverage();
        if (stored_ == 0) row("all", "ok", 0, "nothing lost, nothing unreadable");
    }

  private:
    void row(const char* key, const char* severity, std::uint64_t value, const std::string& text) {
        ++stored_;
        rows_(key, severity, value, text);
    }
    /// A row if there is anything to say; `%` in the text stands for the number.
    void count(const char* key, const char* severity, std::uint64_t value, std::string text) {
        if (value == 0) return;
        const std::size_t at = text.find('%');
        if (at != std::string::npos) text.replace(at, 1, std::to_string(value));
        row(key, severity, value, text);
    }

    /// What is nothing to worry about while the run is still going.
    const char* unless_open(const char* severity) const { return results_.run.finished ? severity : "note"; }

    void loss() {
        const auto told = static_cast<std::uint64_t>(std::max<std::int64_t>(results_.run.lost_events, 0));
        const LockModel::Totals& totals = results_.analysis.locks.totals();
        count("lost_events", "warning", std::max(results_.lost_events, told),
              "% events were lost because the trace buffers were full; holds across the gaps are left out");
        count("uncertain_holds", "note", totals.uncertain_holds,
              "% holds have no length because events were lost meanwhile");
        count("orphans", "note", totals.orphan_releases,
              "% releases of locks whose acquisition was not recorded (taken before recording, or by another "
              "thread)");
        count("impossible_waits", "warning",
              totals.impossible_waits + results_.analysis.signals.impossible_waits(),
              "% waits were longer than the clock had run and are left out");
    }

    void streams() {
        for (const Unreadable& stream : results_.unreadable)
            row("unreadable_streams", unless_open("warning"), 1,
                "skipped " + shown(stream.path) + ": " + stream.why);
        for (const std::filesystem::path& path : results_.truncated)
            row("truncated_streams", unless_open("warning"), 1,
                shown(path) + " ends inside a packet; what was there is used");
        for (const std::filesystem::path& path : results_.damaged)
            row("damaged_streams", "warning", 1,
                shown(path) + " has packets that make no sense; they were left out in part");
        count("assumed_layouts", "note", results_.assumed_layouts,
              "% traces have no metadata (LTTng writes it at the end): this version's layout was assumed");
        count("foreign_events", "note", results_.foreign_events,
              "% events of other providers or versions were passed over");
    }

    void names() {
        count("unresolved_sites", "note", results_.places.unresolved_sites(),
              "% of " + std::to_string(results_.places.size()) +
                  " places have no symbol (static functions of stripped files)");
        count("unresolved_stacks", "note", results_.places.unresolved_stacks(),
              "% call stacks are not in the trace");
        for (const std::string& path : results_.places.mismatched())
            row("modules_without_symbols", "note", 1,
                "no names from " + path + ": missing, or not the file that ran");
    }

    void bounds() {
        const Analysis& a = results_.analysis;
        count("held_overflow", "note", a.locks.totals().forgotten_holds + counter_sum("held_overflow"),
              "% times a thread held more locks than are followed");
        count("lock_table_full", "note", results_.book.locks_full,
              "% locks were initialised unseen: the table was full");
        count("locks_folded", "note", a.locks.folded_locks() + a.signals.folded_signals(),
              "% uses of locks beyond the bound are summed up by the place that initialised them");
        count("rows_folded", "note",
              results_.folded_rows + a.locks.places().folded() + a.locks.pairs().folded() +
                  a.signals.places().folded() + a.signals.pairs().folded() + a.io.calls().folded() +
                  a.io.under_locks().folded(),
              "% details are summed up with others to keep this file small");
        count("world_full", "warning", a.world.overflowed(),
              "% threads, files or modules are beyond the bounds");
    }

    void coverage() {
        const CounterBook& book = results_.book;
        count("runtime_refused", "warning", unlike_asked(),
              "% processes run on other locks than --runtime=" + results_.run.runtime + " asks for");
        count("threads_unobserved", "warning", book.threads_unobserved,
              "% threads found no record and were not observed");
        count("files_overflow", "note", book.files_overflow,
              "% files are summed up in one: the table was full");
        count("stacks_full", "note", book.stacks_full, "% call stacks found no place in the table");
        count("bypass_io_uring", "warning", book.bypass_io_uring,
              "% io_uring calls were made directly: their I/O is not seen");
        if (results_.run.level != "counters")
            count("processes_without_trace", unless_open("warning"), book.processes_without_trace,
                  "% processes left counters but no events");
        if (!results_.run.finished)
            row("open_run", "note", 1, "the run was still going, or its launcher died");
    }

    /// Processes with a counters file whose runtime is not the one that was asked for.
    std::uint64_t unlike_asked() const {
        if (results_.run.runtime.empty()) return 0;
        const auto& processes = results_.analysis.world.processes();
        return static_cast<std::uint64_t>(
            std::count_if(processes.begin(), processes.end(), [&](const Process& process) {
                return process.has_counters && choice("runtime", process.runtime) != results_.run.runtime;
            }));
    }

    std::uint64_t counter_sum(const char* name) const {
        std::uint64_t sum = 0;
        for (const ThreadCounters& counters : results_.book.threads)
            sum += results_.book.value(counters, name);
        return sum;
    }

    /// The last two components: folder and stream.
    static std::string shown(const std::filesystem::path& path) {
        return (path.parent_path().filename() / path.filename()).string();
    }

    Results& results_;
    Rows rows_;
    std::size_t stored_ = 0;
};

}  // namespace

void store_quality(Results& results) {
    QualityStore(results).run();
}

void store_meta(Results& results) {
    Rows rows(results.db, "meta", 2);
    const RunInfo& run = results.run;
    const auto number = [](std::optional<std::int64_t> value) {
        return value ? std::to_string(*value) : std::string{};
    };
    rows("schema_version", "2");
    rows("latchkey_version", run.version);
    rows("run_name", results.run_name);
    rows("command", run.command);
    rows("level", run.level);
    if (results.book.has_thresholds) {
        rows("min_wait_ns", std::to_string(results.book.min_wait_ns));
        rows("min_io_ns", std::to_string(results.book.min_io_ns));
    }
    rows("host", run.host);
    rows("cpus", number(run.cpus));
    rows("started_realtime_ns", number(run.started_ns));
    if (run.duration_ns) rows("duration_ns", number(run.duration_ns));
    rows("events", std::to_string(results.analysis.events));
    rows("finished", run.finished ? "1" : "0");
}

}  // namespace latchkey
