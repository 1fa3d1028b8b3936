// SPDX-License-Identifier: Apache-2.0
#include "preload/thread.h"

#include <string.h>
#include <sys/syscall.h>

#include "preload/counters_file.h"
#include "preload/emit.h"
#include "preload/family.h"
#include "preload/last_thread.h"
#include "preload/loader.h"
#include "preload/process.h"
#include "preload/real.h"
#include "preload/say.h"
#include "preload/stack.h"
#include "preload/text.h"
#include "preload/wait.h"
#include "runtime/wake_table.h"

namespace latchkey {

thread_local constinit Self self{};
constinit bool is_fast_allowed = false;

namespace {

constexpr uint32_t kFreshFirst = 512;  // so many threads get records of their own before any is used again
constexpr uint32_t kTidSlots = 16384;
constexpr size_t kSmallStack = 64 * 1024;  // bytes; below it no stack is walked

constinit std::atomic<bool> claim_lock{
    false};  // leaf; held for a search, never across a system call but tgkill
constinit std::atomic<uint32_t> next_record{1};
constinit uint32_t reuse_cursor = 1;  // under claim_lock

// tid -> record index. Direct mapped: a later thread may overwrite an entry; then the lookup misses. A reader
// checks the record's own tid.
constinit std::atomic<uint32_t> record_by_tid[kTidSlots];

class ClaimLock {
  public:
    ClaimLock() {
        while (claim_lock.exchange(true, std::memory_order_acquire)) real::sched_yield();
    }
    ~ClaimLock() { claim_lock.store(false, std::memory_order_release); }
};

bool is_gone(uint32_t tid) {
    return real::syscall(SYS_tgkill, getpid(), tid, 0, 0, 0, 0) != 0 && errno == ESRCH;
}

// Adds a record's sums to record 0 before another thread gets it.
void retire(ThreadRecord& record) {
    ThreadRecord& total = counters_file.threads[0];
    for (uint32_t i = 0; i < kCounterCount; i++) total.counters[i] += record.counters[i];
    for (uint32_t i = 0; i < kCallCount; i++) total.calls[i] += record.calls[i];
    total.cpu_ns += record.cpu_ns;
}

ThreadRecord* claim_exited() {
    const uint32_t end = next_record.load(std::memory_order_relaxed);
    for (uint32_t n = 1; n < end; n++) {
        reuse_cursor = reuse_cursor + 1 < end ? reuse_cursor + 1 : 1;
        ThreadRecord& record = counters_file.threads[reuse_cursor];
        const uint32_t tid = record.tid.load(std::memory_order_relaxed);
        if (record.state.load(std::memory_order_acquire) != kThreadExited ||
            (tid != 0 && is_gone(tid) == false))
            continue;
        retire(record);
        return &record;
    }
    return nullptr;
}

ThreadRecord* claim_fresh() {
    const uint32_t i = next_record.load(std::memory_order_relaxed);
    if (i >= CountersFile::kThreads || !reserve_threads(i + 1)) return nullptr;
    next_record.store(i + 1, std::memory_order_release);
    return &counters_file.threads[i];
}

// A cleared record in state alive, not yet bound to a kernel thread; null when there is none.
ThreadRecord* claim_record() {
    const ClaimLock lock;
    const bool is_fresh_first = next_record.load(std::memory_order_relaxed) < kFreshFirst;
    ThreadRecord* record = is_fresh_first ? claim_fresh() : claim_exited();
    if (record == nullptr) record = is_fresh_first ? claim_exited() : claim_fresh();
    if (record == nullptr) {
        counters_file.process->threads_unobserved.fetch_add(1, std::memory_order_relaxed);
        return nullptr;
    }
    memset(static_cast<void*>(record), 0, sizeof *record);
    record->wake_entry = WakeTable::kNone;
    record->state.store(kThreadAlive, std::memory_order_release);
    counters_file.process->threads_started.fetch_add(1, std::memory_order_relaxed);
    return record;
}

// Binds the calling kernel thread to a record.
void bind(ThreadRecord& record) {
    const auto tid = static_cast<uint32_t>(gettid());
    self.tid = static_cast<int32_t>(tid);
    self.mark = family::mutex_mark();
    record.start_ns = now_ns();
    record.tid.store(tid, std::memory_order_relaxed);
    real::prctl(PR_GET_NAME, reinterpret_cast<long>(record.name), 0, 0, 0);
    const auto index = static_cast<uint32_t>(&record - counters_file.threads);
    record_by_tid[tid % kTidSlots].store(index, std::memory_order_release);
    self.record = &record;
}

void emit_started(ThreadRecord& record) {
    EMIT(&record, thread_started, .tid = record.tid, .creator = record.creator,
         .start_routine = record.start_routine, .site = record.create_site, .stack = record.create_stack,
         .name = record.name);
}

void close_record(ThreadRecord& record) {
    const Inside inside;
    abandon_wait(record);
    timespec cpu;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &cpu);
    record.cpu_ns = static_cast<uint64_t>(cpu.tv_sec) * 1000000000u + static_cast<uint64_t>(cpu.tv_nsec);
    record.end_ns = now_ns();
    EMIT(&record, thread_exited, .tid = record.tid, .cpu_ns = record.cpu_ns);
    self.is_ended = true;
    record.state.store(kThreadExited, std::memory_order_release);
}

void end_thread(void* argument) {
    close_record(*static_cast<ThreadRecord*>(argument));
    family::end_thread();
    thread_is_gone();
}

void begin_thread(ThreadRecord& record) {
    const Inside inside;
    family::begin_thread();
    bind(record);
    if (record.stack_readiness == kStackTooSmall) return;
    if (is_tracing()) prepare_stacks(record);
    emit_started(record);
}

// Runs the routine of a new thread with its record. A macro pair, not a destructor: it must also run when the
// thread is cancelled or calls pthread_exit, and the library is built without exceptions.
template <class Result>
Result run_thread_routine(void* argument) {
    auto& record = *static_cast<ThreadRecord*>(argument);
    begin_thread(record);
    Result result;
    pthread_cleanup_push(end_thread, argument);
    const auto start = reinterpret_cast<Result (*)(void*)>(record.start_routine);
    result = start(reinterpret_cast<void*>(record.start_argument));
    pthread_cleanup_pop(1);
    return result;
}

// What pthread_create and thrd_create start instead of the program's routine.
void* run_thread(void* argument) {
    return run_thread_routine<void*>(argument);
}
int run_c11_thread(void* argument) {
    return run_thread_routine<int>(argument);
}

// The tracer's own threads: never observed. A few at a time are created, so a small pool hands over their
// routine.
struct QuietStart {
    std::atomic<bool> is_taken;
    void* (*start)(void*);
    void* argument;
};
constinit QuietStart quiet_starts[16];

void* run_quiet_thread(void* argument) {
    self.is_quiet = true;
    auto& entry = *static_cast<QuietStart*>(argument);
    const auto start = entry.start;
    void* start_argument = entry.argument;
    entry.is_taken.store(false, std::memory_order_release);
    return start(start_argument);
}

int create_quiet(pthread_t* thread, const pthread_attr_t* attributes, void* (*start)(void*), void* argument) {
    for (QuietStart& entry : quiet_starts) {
        if (entry.is_taken.exchange(true, std::memory_order_acquire)) continue;
        entry.start = start;
        entry.argument = argument;
        const int result = real::pthread_create(thread, attributes, run_quiet_thread, &entry);
        if (result != 0) entry.is_taken.store(false, std::memory_order_release);
        return result;
    }
    return real::pthread_create(thread, attributes, start, argument);
}

bool has_small_stack(const pthread_attr_t* attributes) {
    size_t bytes;
    return attributes != nullptr && pthread_attr_getstacksize(attributes, &bytes) == 0 && bytes < kSmallStack;
}

// A record for the thread that is about to be created, or null.
ThreadRecord* announce_thread(ThreadRecord& creator, uint64_t start, void* argument, Site site,
                              bool is_small) {
    const Inside inside;
    ThreadRecord* record = claim_record();
    if (record == nullptr) {
        thread_is_unseen();
        return nullptr;
    }
    thread_is_coming();
    record->creator = creator.tid;
    record->start_routine = start;
    record->start_argument = reinterpret_cast<uint64_t>(argument);
    record->create_site = site;
    record->create_stack = capture_stack(creator, site);
    record->stack_readiness = is_small ? kStackTooSmall : kStackUntouched;
    return record;
}

// The thread could not be created after all.
void discard_record(ThreadRecord& record) {
    record.state.store(kThreadExited, std::memory_order_release);
    thread_is_gone();
}

void note_name(ThreadRecord& caller, uint32_t tid, const char* name) {
    const Inside inside;
    ThreadRecord* named = tid == caller.tid ? &caller : find_thread(tid);
    if (named == nullptr) return;
    copy_text(named->name, name);
    EMIT(&caller, thread_named, .tid = tid, .name = named->name);
}

}  // namespace

uint32_t tid_of(pthread_t thread) {
    clockid_t clock;
    return pthread_getcpuclockid(thread, &clock) == 0 ? static_cast<uint32_t>(~(clock >> 3)) : 0;
}

ThreadRecord* find_thread(uint32_t tid) {
    const uint32_t i = record_by_tid[tid % kTidSlots].load(std::memory_order_acquire);
    if (i == 0) return nullptr;
    ThreadRecord& record = counters_file.threads[i];
    return record.tid.load(std::memory_order_relaxed) == tid ? &record : nullptr;
}

uint32_t used_thread_records() {
    return next_record.load(std::memory_order_acquire);
}

// A thread that pthread_create did not announce: the main thread, one created before us or by clone().
ThreadRecord* attach_thread() {
    if (!is_observing() || self.is_quiet) return nullptr;
    const Inside inside;
    if (gettid() != getpid()) thread_is_unseen();
    ThreadRecord* record = claim_record();
    if (record == nullptr) {
        static constinit std::atomic<bool> said{false};
        say_once(said, "no room for more threads: the newest ones are not observed");
        self.is_quiet = true;
        return nullptr;
    }
    bind(*record);
    emit_started(*record);
    return record;
}

bool attach_main_thread() {
    if (self.record != nullptr) return true;
    ThreadRecord* record = claim_record();
    if (record == nullptr) return false;
    bind(*record);
    return true;
}

void end_main_thread() {
    if (self.record != nullptr && !self.is_ended) close_record(*self.record);
    thread_is_gone();
}

void announce_main_thread() {
    prepare_stacks(*self.record);
    emit_started(*self.record);
}

void reset_threads_in_child(const HeldLocks& held) {
    claim_lock.store(false, std::memory_order_relaxed);
    reset_last_thread_in_child();
    next_record.store(1, std::memory_order_relaxed);
    reuse_cursor = 1;
    for (QuietStart& entry : quiet_starts) entry.is_taken.store(false, std::memory_order_relaxed);
    self.record = nullptr;
    ThreadRecord* record = claim_record();
    if (record == nullptr) return;
    bind(*record);
    memcpy(static_cast<void*>(&record->held), static_cast<const void*>(&held), sizeof held);
}

}  // namespace latchkey

using namespace latchkey;

INTERPOSE(int, pthread_create,
          (pthread_t * thread, const pthread_attr_t* attributes, void* (*start)(void*), void* argument)) {
    const Site site = CALLER;
    if (self.depth != 0 || self.is_quiet || tracer_code.contains(site))
        return create_quiet(thread, attributes, start, argument);
    ThreadRecord* record = observed(site);
    if (record == nullptr) return real::pthread_create(thread, attributes, start, argument);
    record->calls[kCall_pthread_create]++;
    ThreadRecord* created = announce_thread(*record, reinterpret_cast<uint64_t>(start), argument, site,
                                            has_small_stack(attributes));
    if (created == nullptr) return real::pthread_create(thread, attributes, start, argument);
    const int result = real::pthread_create(thread, attributes, run_thread, created);
    if (result != 0) discard_record(*created);
    return result;
}

INTERPOSE(void, pthread_exit, (void* result)) {
    if (ThreadRecord* record = observed(CALLER); record != nullptr) record->calls[kCall_pthread_exit]++;
    real::pthread_exit(result);
    __builtin_unreachable();
}

INTERPOSE(int, pthread_setname_np, (pthread_t thread, const char* name)) {
    const int result = real::pthread_setname_np(thread, name);
    ThreadRecord* record = observed(CALLER);
    if (record == nullptr) return result;
    record->calls[kCall_pthread_setname_np]++;
    if (result == 0) note_name(*record, tid_of(thread), name);
    return result;
}

INTERPOSE(int, prctl, (int option, long a, long b, long c, long d)) {
    const int result = real::prctl(option, a, b, c, d);
    ThreadRecord* record = observed(CALLER);
    if (record == nullptr) return result;
    record->calls[kCall_prctl]++;
    if (option == PR_SET_NAME && result == 0)
        note_name(*record, record->tid, reinterpret_cast<const char*>(a));
    return result;
}

// glibc's thrd_create calls its internal pthread_create, so the thread comes through here only.
INTERPOSE(int, thrd_create, (thrd_t * thread, thrd_start_t start, void* argument)) {
    const Site site = CALLER;
    ThreadRecord* record = observed(site);
    if (record == nullptr) return real::thrd_create(thread, start, argument);
    record->calls[kCall_thrd_create]++;
    ThreadRecord* created =
        announce_thread(*record, reinterpret_cast<uint64_t>(start), argument, site, false);
    if (created == nullptr) return real::thrd_create(thread, start, argument);
    const int result = real::thrd_create(thread, run_c11_thread, created);
    if (result != thrd_success) discard_record(*created);
    return result;
}

INTERPOSE(void, thrd_exit, (int result)) {
    if (ThreadRecord* record = observed(CALLER); record != nullptr) record->calls[kCall_thrd_exit]++;
    real::thrd_exit(result);
    __builtin_unreachable();
}
