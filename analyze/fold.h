// SPDX-License-Identifier: Apache-2.0
//
// Folding of the models' tables into database rows: lock or signal rows instead of records, roles instead
// of threads, sites instead of addresses. Of each group the costliest are kept, the rest is one row.
#pragma once

#include <cstdint>
#include <vector>

#include "analyze/store.h"
#include "analyze/tally.h"

namespace latchkey {

/// Something that happened at a place, ready for a row of lock_sites or signal_sites.
struct PlaceRow {
    std::uint32_t group = 0;  // row of locks or signals
    std::uint32_t side = 0;
    std::uint32_t site = 0;
    std::uint32_t stack = 0;
    std::uint32_t role = 0;
    Tally tally;
};

/// `groups[key.record]` is the row of a record, `processes[key.record]` its process (for places whose
/// thread is not known). Sorted by group, side and falling time.
std::vector<PlaceRow> fold_places(Results& results, const BoundedTable<PlaceKey, Tally>& places,
                                  const std::vector<std::uint32_t>& groups,
                                  const std::vector<std::uint32_t>& processes);

/// The waiter's stack with the longest sum, per record: what names an object by its use.
struct CostliestStack {
    std::uint32_t process = 0, stack = 0;
    std::uint64_t ns = 0;
};
std::vector<CostliestStack> costliest_stacks(const Results& results,
                                             const BoundedTable<PlaceKey, Tally>& places,
                                             std::size_t records);

/// Gives each record the row of its group. Groups are ordered by weight; those behind `limit` share the
/// last row. Returns the row per record, from 1; `order[row - 1]` lists a row's records.
struct Grouping {
    std::vector<std::uint32_t> row_of;
    std::vector<std::vector<std::uint32_t>> order;
    bool is_cut = false;  // the last row stands for all others
};
Grouping group_records(const std::vector<std::string>& names, const std::vector<std::uint64_t>& weights,
                       std::size_t limit);

}  // namespace latchkey
