// SPDX-License-Identifier: Apache-2.0
//
// The life of the process: constructor, start of main, fork, exit.
#pragma once

#include "preload/interpose.h"

namespace latchkey {

// The constructor has run and this process is to be observed.
bool is_observing();

// LTTng is loaded, with its listener threads.
bool has_tracer_threads();

// A small duty that waits for slow moments: the process title is copied to the counters file, at most every
// 100 ms.
void keep_house(uint64_t now);

}  // namespace latchkey
