// SPDX-License-Identifier: Apache-2.0
#include "preload/last_thread.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/syscall.h>

#include <atomic>

#include "preload/interpose.h"
#include "preload/process.h"
#include "preload/real.h"

namespace latchkey {
namespace {

constinit std::atomic<int> living{1};  // the main thread
constinit std::atomic<bool> has_unseen{false};

// A thread of our own: ends the process when the last thread of the program, whose kernel id is given, is
// through with its thread specific data.
void* end_process_after(void* last) {
    constexpr timespec kPause{0, 100 * 1000};
    self.is_quiet = true;
    const auto tid = reinterpret_cast<long>(last);
    while (real::syscall(SYS_tgkill, getpid(), tid, 0, 0, 0, 0) == 0) real::nanosleep(&kPause, nullptr);
    exit(0);
}

void end_process() {
    const long tid = gettid();
    pthread_t thread;
    // The main thread's kernel id stays taken as long as the process lives: nothing to wait for.
    if (tid == getpid() ||
        real::pthread_create(&thread, nullptr, end_process_after, reinterpret_cast<void*>(tid)) != 0)
        exit(0);
}

}  // namespace

void thread_is_coming() {
    living.fetch_add(1, std::memory_order_relaxed);
}

void thread_is_unseen() {
    has_unseen.store(true, std::memory_order_relaxed);
}

void thread_is_gone() {
    if (living.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    if (has_tracer_threads() && !has_unseen.load(std::memory_order_relaxed)) end_process();
}

void reset_last_thread_in_child() {
    living.store(1, std::memory_order_relaxed);
    has_unseen.store(false, std::memory_order_relaxed);
}

}  // namespace latchkey
