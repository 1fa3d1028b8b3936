// SPDX-License-Identifier: Apache-2.0
//
// What /proc knows of processes that still run and the run directory does not: modules, when no event has
// named them yet, and the CPU time of threads that have not ended.
#pragma once

#include "analyze/world.h"

namespace latchkey {

/// Completes the processes of the world that still run, if they are those that were recorded.
void add_live_facts(World& world);

}  // namespace latchkey
