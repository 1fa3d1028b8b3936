// SPDX-License-Identifier: Apache-2.0
//
// Modules of processes that still run, from /proc: a live look at a run has no events yet that name them.
#pragma once

#include "analyze/world.h"

namespace latchkey {

/// Gives each process without modules those that /proc/PID/maps shows, if the process is the one that was
/// recorded and still runs.
void add_live_modules(World& world);

}  // namespace latchkey
