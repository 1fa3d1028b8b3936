// SPDX-License-Identifier: Apache-2.0
//
// Call stacks by libunwind's unw_backtrace, each distinct one emitted once per process.
//
// libunwind is loaded with dlopen and RTLD_LOCAL: its _Unwind_* must not take the place of libgcc's in C++
// programs. Its first walk through new code looks up modules with dl_iterate_phdr, which takes loader locks;
// our wrapper of that function answers from a snapshot instead (loader.cpp), so a capture takes no lock the
// program could hold. Its first use in a thread may allocate thread data, hence prepare_stacks at a safe
// moment.
#pragma once

#include "preload/interpose.h"

namespace latchkey {

// Loads libunwind; without it all stack ids are 0, said once.
void load_unwinder();

// Lets libunwind touch its thread data. Must not be called while the program may hold an allocator's locks:
// at the start of a thread or of main. Must run in an Inside scope.
void prepare_stacks(ThreadRecord& record);

// The id of the calling thread's stack from `site`, the wrapper's caller, outwards; or 0. Emits a `stack`
// event for a new one. Must run in an Inside scope. Costs about 0.3 us; a new call site some 200 us, once.
uint32_t capture_stack(ThreadRecord& record, Site site);

// After fork: the child's trace has no stacks yet.
void forget_stacks();

// Around fork: libunwind must not be at work in another thread. A child made while it was (a walk that does
// not end, a fork in a signal handler amid a walk) takes no stacks.
void hold_walks();
void release_walks();
void release_walks_in_child();

}  // namespace latchkey
