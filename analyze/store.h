// SPDX-License-Identifier: Apache-2.0
//
// From the models to the rows of result.db (schema.sql). Each function fills some tables; rows are folded
// by name and role, and bounded: what exceeds a bound is summed up in one row and said in `quality`.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "analyze/analysis.h"
#include "analyze/counters.h"
#include "analyze/places.h"
#include "analyze/reader.h"
#include "analyze/roles.h"
#include "analyze/run_info.h"
#include "analyze/sqlite.h"

namespace latchkey {

/// All that is known when the last event has been read.
struct Results {
    Analysis& analysis;
    CounterBook& book;
    const RunInfo& run;
    std::string run_name;
    Places& places;
    Roles& roles;
    Database& db;

    std::vector<Unreadable> unreadable{};
    std::vector<std::filesystem::path> truncated{}, damaged{};
    std::uint64_t lost_events = 0, foreign_events = 0, assumed_layouts = 0;
    std::uint64_t folded_rows = 0;

    /// Row of locks by index of LockModel::stats(); row of signals by index of SignalModel::signals().
    std::vector<std::uint32_t> lock_rows{}, signal_rows{};
    /// Of each role's recorded condvar time, the idle and the whole part.
    struct CondTime {
        double idle_ns = 0, all_ns = 0;
    };
    std::map<std::uint32_t, CondTime> cond_time{};
};

void store_locks(Results& results);
void store_signals(Results& results);
void store_io(Results& results);
void store_people(Results& results);   // processes, threads, roles, counters, role_time
void store_program(Results& results);  // modules, sites, stacks, priorities; last but quality
void store_quality(Results& results);
void store_meta(Results& results);

/// NULL for 0: row ids begin at 1.
inline std::optional<std::int64_t> row_or_null(std::uint32_t row) {
    return row == 0 ? std::nullopt : std::optional<std::int64_t>(row);
}

}  // namespace latchkey
