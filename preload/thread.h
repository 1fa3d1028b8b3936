// SPDX-License-Identifier: Apache-2.0
//
// The life of a thread record: claimed when a thread is created (or first seen), marked exited when its start
// routine ends, used again only when the kernel thread is gone. So a thread is observed up to its last thread
// specific data destructor, and no pthread key is needed.
#pragma once

#include <pthread.h>

#include "preload/interpose.h"

namespace latchkey {

// The kernel thread id of a living pthread_t: its CPU clock's id holds it (the kernel's
// MAKE_THREAD_CPUCLOCK). 0 if the thread has ended.
uint32_t tid_of(pthread_t thread);

// The living thread `tid`'s record, or null.
ThreadRecord* find_thread(uint32_t tid);

// Records [1, end) may be in use.
uint32_t used_thread_records();

// The main thread, or the only thread of a fork child: gets its record (false: there is none), and later,
// when the modules are known, its event and its stacks. Must run in an Inside scope.
bool attach_main_thread();
void announce_main_thread();

// main has ended by pthread_exit or cancellation. Ends the process if that was the program's last thread.
void end_main_thread();

// In a fork child, after the counters file was replaced: all records are free again. `held` is what the
// forking thread held; it still does.
void reset_threads_in_child(const HeldLocks& held);

}  // namespace latchkey
