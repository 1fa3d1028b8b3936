// SPDX-License-Identifier: Apache-2.0
//
// The life of the process: constructor, start of main, fork, exit.
#pragma once

#include "preload/interpose.h"

namespace latchkey {

// The constructor has run and this process is to be observed.
bool is_observing();

// Small duties that wait for a slow moment: the process title is copied to the counters file (at most every 100 ms),
// a stale module list is read again when the thread holds no lock. Must run in an Inside scope.
void keep_house(ThreadRecord& record, uint64_t now);

}  // namespace latchkey
