// SPDX-License-Identifier: Apache-2.0
#include "preload/last_thread.h"

#include <stdlib.h>

#include <atomic>

#include "preload/process.h"

namespace latchkey {
namespace {

constexpr int kNeverLast = 1 << 20;

constinit std::atomic<int> living{1};  // the main thread

}  // namespace

void thread_is_coming() { living.fetch_add(1, std::memory_order_relaxed); }

void thread_is_unseen() { living.fetch_add(kNeverLast, std::memory_order_relaxed); }

void thread_is_gone() {
    if (living.fetch_sub(1, std::memory_order_acq_rel) == 1 && has_tracer_threads()) exit(0);
}

void reset_last_thread_in_child() { living.store(1, std::memory_order_relaxed); }

}  // namespace latchkey
