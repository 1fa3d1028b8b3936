// SPDX-License-Identifier: Apache-2.0
//
// run.json, as far as the analysis needs it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace latchkey {

struct RunInfo {
    std::string version, command, level, host;
    std::string runtime;  // asked for; empty: written by a version without the option
    std::optional<std::int64_t> cpus;
    std::optional<std::int64_t> started_ns;   // since 1970
    std::optional<std::int64_t> duration_ns;  // empty: still going, or its launcher died
    std::int64_t lost_events = 0;             // as the session daemon counted
    bool finished = false;
};

/// Reads DIRECTORY/run.json. Empty, and `why` is set, if it is not there or is not a run of Latchkey.
std::optional<RunInfo> read_run_info(const std::filesystem::path& directory, std::string& why);

}  // namespace latchkey
