// SPDX-License-Identifier: Apache-2.0
#include "analyze/pipeline.h"

#include <cstdio>
#include <optional>
#include <string>

#include "analyze/analysis.h"
#include "analyze/bt_reader.h"
#include "analyze/counters.h"
#include "analyze/dump.h"
#include "analyze/live.h"
#include "analyze/lives.h"
#include "analyze/open_waits.h"
#include "analyze/reader.h"
#include "analyze/result_db.h"
#include "analyze/run_info.h"
#include "analyze/store.h"

namespace latchkey {

namespace fs = std::filesystem;

namespace {

int fail(int status, const std::string& message) {
    std::fprintf(stderr, "latchkey-analyze: %s\n", message.c_str());
    return status;
}

/// What reading the trace told besides its events.
struct ReadReport {
    std::vector<Unreadable> unreadable;
    std::vector<fs::path> truncated, damaged;
    std::uint64_t lost = 0, foreign = 0, assumed = 0;
};

void note_health(const StreamCursor& stream, ReadReport& report) {
    const StreamHealth& health = stream.health();
    report.lost += health.lost;
    report.foreign += health.foreign;
    if (health.packets == 0 && health.bad_packets != 0)
        report.unreadable.push_back({stream.path(), "holds no packet of its trace"});
    else if (health.bad_packets != 0)
        report.damaged.push_back(stream.path());
    if (health.truncated) report.truncated.push_back(stream.path());
}

/// Reads through libbabeltrace2; `ours[i]` says why our decoder did not read that folder, if it was asked to.
void read_foreign(std::vector<BtFolder>& folders, const std::vector<std::string>& ours, RecordSink& sink,
                  ReadReport& report) {
    read_with_babeltrace(folders, sink);
    for (std::size_t i = 0; i < folders.size(); ++i) {
        report.lost += folders[i].lost;
        report.foreign += folders[i].foreign;
        if (!folders[i].problem.empty())
            report.unreadable.push_back({folders[i].path, ours[i].empty() ? folders[i].problem : ours[i]});
    }
}

/// Reads all folders: in one merged sequence by our decoder, those it does not support by libbabeltrace2.
template <typename Handler>
ReadReport read_trace(const fs::path& directory, ReaderChoice choice, World& world, Handler& handler) {
    TraceSet set = find_traces(directory);
    ReadReport report;
    Merger merger;
    std::vector<BtFolder> foreign;
    std::vector<std::string> problems;
    for (std::size_t i = 0; i < set.folders.size(); ++i) {
        const TraceFolder& folder = set.folders[i];
        const std::uint32_t number = world.add_folder();
        const std::string& problem = folder.layout.problem;
        if (choice == ReaderChoice::own && !problem.empty()) {
            report.unreadable.push_back({folder.path, problem});
        } else if (choice == ReaderChoice::babeltrace2 || !problem.empty()) {
            foreign.push_back({folder.path});
            foreign.back().source.folder = number;
            problems.push_back(problem);
        } else {
            report.assumed += folder.layout.is_assumed;
            merger.add(folder, number, set.streams[i], report.unreadable);
        }
    }
    SinkFor<Handler> sink(handler);
    read_foreign(foreign, problems, sink, report);
    merger.run(handler);
    merger.for_each_stream([&](const StreamCursor& stream) { note_health(stream, report); });
    return report;
}

int dump(const Options& options) {
    World world;
    Dump handler(stdout);
    const ReadReport report = read_trace(options.run / "trace", options.reader, world, handler);
    for (const Unreadable& stream : report.unreadable)
        std::fprintf(stderr, "latchkey-analyze: skipped %s: %s\n", stream.path.c_str(), stream.why.c_str());
    if (std::fflush(stdout) != 0) return fail(kUnusable, "cannot write the dump");
    return kOk;
}

std::string run_name(const fs::path& run) {
    std::error_code error;
    const fs::path full = fs::canonical(run, error);
    return (error ? run : full).filename().string();
}

}  // namespace

int analyze(const Options& options) {
    std::string why;
    const std::optional<RunInfo> run = read_run_info(options.run, why);
    if (!run) return fail(kUsage, "not a run directory: " + why + "; give one that `latchkey record` wrote");
    if (options.dump) return dump(options);

    Analysis analysis;
    ReadReport report = read_trace(options.run / "trace", options.reader, analysis.world, analysis);
    CounterBook book = join_counters(options.run / "counters", analysis.world, analysis.io.files());
    if (analysis.events == 0 && book.processes == 0)
        return fail(kUnusable, "nothing to analyse in " + options.run.string() +
                                   ": no readable counters file and no event; did the program start?");
    link_parents(analysis.world);
    close_lives(analysis.world, book, *run);
    if (!run->finished) add_live_facts(analysis.world);
    add_open_waits(analysis, book);
    analysis.finish();

    ResultFile file(options.output.empty() ? options.run / "result.db" : options.output);
    Places places(analysis.world);
    Roles roles(analysis.world, places);
    Results results{analysis, book, *run, run_name(options.run), places, roles, file.db()};
    results.unreadable = std::move(report.unreadable);
    results.unreadable.insert(results.unreadable.end(), book.unreadable.begin(), book.unreadable.end());
    results.truncated = std::move(report.truncated);
    results.damaged = std::move(report.damaged);
    results.lost_events = report.lost;
    results.foreign_events = report.foreign;
    results.assumed_layouts = report.assumed;
    store_all(results);
    if (!file.commit(why)) return fail(kUnusable, "cannot write " + file.path().string() + ": " + why);
    return kOk;
}

}  // namespace latchkey
