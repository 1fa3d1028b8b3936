// SPDX-License-Identifier: Apache-2.0
//
// From when to when processes and threads lived, and who descends from whom, once events and counters have
// been joined. Shares of a life (idle or not, role_time) stand on this.
#pragma once

#include "analyze/counters.h"
#include "analyze/run_info.h"
#include "analyze/world.h"

namespace latchkey {

/// Gives processes that only counters tell of their parents.
void link_parents(World& world);

/// Gives every process and thread an end: the recorded one; else the next exec, the end of the run, this
/// moment if it still runs, or the last sign of life.
void close_lives(World& world, const CounterBook& book, const RunInfo& run);

}  // namespace latchkey
