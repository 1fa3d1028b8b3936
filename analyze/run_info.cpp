// SPDX-License-Identifier: Apache-2.0
#include "analyze/run_info.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "analyze/sqlite.h"

namespace latchkey {

namespace {

constexpr std::int64_t kFormat = 1;

}  // namespace

std::optional<RunInfo> read_run_info(const std::filesystem::path& directory, std::string& why) {
    const std::filesystem::path path = directory / "run.json";
    std::ifstream file(path);
    if (!file) {
        why = path.string() + ": " + std::strerror(errno);
        return std::nullopt;
    }
    std::ostringstream text;
    text << file.rdbuf();
    Database json(":memory:");
    Statement read(json, R"(SELECT j->>'format', j->>'version', j->>'level', j->>'host', j->>'cpus',
        j->>'started_ns', j->>'duration_ns', j->>'finished', j->'lttng'->>'lost_events',
        (SELECT group_concat(value, ' ') FROM json_each(j, '$.command')), j->'options'->>'runtime'
        FROM (SELECT CASE WHEN json_valid(?1) THEN ?1 ELSE '{}' END AS j))");
    read.bind(1, text.str());
    if (!read.step() || read.number(0) != kFormat) {
        why = path.string() + ": not the run.json of a Latchkey run" +
              (json.ok() ? "" : " (" + json.error() + ")");
        return std::nullopt;
    }
    RunInfo run;
    run.version = read.text(1).value_or("");
    run.level = read.text(2).value_or("");
    run.host = read.text(3).value_or("");
    run.cpus = read.number(4);
    run.started_ns = read.number(5);
    run.duration_ns = read.number(6);
    run.finished = read.text(7).has_value();
    run.lost_events = read.number(8).value_or(0);
    run.command = read.text(9).value_or("");
    run.runtime = read.text(10).value_or("");
    return run;
}

}  // namespace latchkey
