// SPDX-License-Identifier: Apache-2.0
//
// Which objects are mapped where. A snapshot of the loader's list serves three uses: module_loaded events,
// telling the tracer's code from the program's, and answering libunwind's dl_iterate_phdr without loader
// locks.
#pragma once

#include "preload/interpose.h"

namespace latchkey {

// Takes a new snapshot and emits what changed since the last. Takes the loader's list lock, so only from the
// constructor, at main's start, after fork, in dlclose, or while the thread holds none of the program's
// locks: no order between that lock and the program's own must come from us. Must run in an Inside scope.
void refresh_modules(ThreadRecord* record);

// dlopen was called since the last snapshot.
bool are_modules_stale();

// After fork: the child's trace knows no modules yet.
void forget_modules();

}  // namespace latchkey
