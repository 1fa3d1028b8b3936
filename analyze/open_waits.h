// SPDX-License-Identifier: Apache-2.0
//
// Waits that have not ended. A process that ends in order reports them as events (result 255); of one that
// was killed, or still runs, the counters file tells what each thread waits for. Those become the same
// events here, so that a hang is seen where it hangs.
#pragma once

#include "analyze/analysis.h"
#include "analyze/counters.h"

namespace latchkey {

/// Feeds the current waits of processes without an orderly end to the models. Call after close_lives() and
/// before Analysis::finish().
void add_open_waits(Analysis& analysis, const CounterBook& book);

/// How long the thread had been waiting at its process's end; 0 if it was not.
std::uint64_t open_wait_ns(const World& world, const ThreadCounters& counters);

}  // namespace latchkey
