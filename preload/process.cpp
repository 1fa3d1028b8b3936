// SPDX-License-Identifier: Apache-2.0
//
// Start reading here. In order: initialise() runs before every other constructor (-z initfirst), resolves the
// real functions, reads the options and maps the counters; __libc_start_main starts tracing when main is
// about to run, after all constructors of libraries; fork children begin again; on_exit() closes the books.
#include "preload/process.h"

#include <stdlib.h>
#include <string.h>

#include "preload/counters_file.h"
#include "preload/descriptors.h"
#include "preload/emit.h"
#include "preload/family.h"
#include "preload/kernel_pi.h"
#include "preload/loader.h"
#include "preload/mutex.h"
#include "preload/real.h"
#include "preload/say.h"
#include "preload/stack.h"
#include "preload/text.h"
#include "preload/thread.h"
#include "preload/wait.h"

extern "C" int __cxa_atexit(void (*)(void*), void*, void*) noexcept;

namespace latchkey {

constinit std::atomic<const events::Table*> event_table{nullptr};

namespace {

constexpr uint64_t kTitlePeriodNs = 100 * 1000 * 1000;

constinit bool observing = false;
constinit const events::Table* loaded_table = nullptr;  // what event_table holds while events are emitted
constinit const char* title = nullptr;                  // argv[0]: setproctitle overwrites it in place
constinit std::atomic<uint64_t> next_title_ns{0};

uint64_t clock_ns(clockid_t clock) {
    timespec t;
    clock_gettime(clock, &t);
    return static_cast<uint64_t>(t.tv_sec) * 1000000000u + static_cast<uint64_t>(t.tv_nsec);
}

void fill_process_record() {
    ProcessRecord& process = *counters_file.process;
    process.pid = static_cast<uint32_t>(getpid());
    process.ppid = static_cast<uint32_t>(getppid());
    process.start_ns = now_ns();
    process.start_realtime_ns = clock_ns(CLOCK_REALTIME);
    process.level = static_cast<uint32_t>(config.level);
    process.min_wait_ns = config.min_wait_ns;
    process.min_io_ns = config.min_io_ns;
    process.held_entry_bytes = sizeof(HeldLock);
    process.runtime = static_cast<uint32_t>(config.runtime);
    process.handoff = static_cast<uint32_t>(config.handoff);
    memcpy(process.exe, config.exe, sizeof process.exe);
    copy_text(process.version, LATCHKEY_VERSION);
}

void copy_title() {
    if (title != nullptr) copy_text(counters_file.process->title, title);
}

// The first NUL-separated arguments joined by spaces.
void read_command_line(char* out, size_t size) {
    out[0] = '\0';
    const int fd = real::open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0) return;
    const ssize_t n = real::read(fd, out, size - 1);
    real::close(fd);
    out[n > 0 ? n - (out[n - 1] == '\0') : 0] = '\0';
    for (ssize_t i = 0; i + 1 < n; i++)
        if (out[i] == '\0') out[i] = ' ';
}

void emit_process_started() {
    const ProcessRecord& process = *counters_file.process;
    char command_line[256];
    read_command_line(command_line, sizeof command_line);
    EMIT(self.record, process_started, .pid = process.pid, .ppid = process.ppid, .start_ns = process.start_ns,
         .realtime_ns = process.start_realtime_ns, .level = static_cast<uint8_t>(process.level),
         .min_wait_ns = process.min_wait_ns, .min_io_ns = process.min_io_ns, .version = process.version,
         .exe = process.exe, .cmdline = command_line, .runtime = static_cast<uint8_t>(process.runtime),
         .handoff = static_cast<uint8_t>(process.handoff));
}

void load_events_library() {
    if (config.level == Level::kCounters || config.events_lib == nullptr) return;
    void* library = real::dlopen(config.events_lib, RTLD_NOW | RTLD_LOCAL);
    if (library != nullptr)
        loaded_table = static_cast<const events::Table*>(dlsym(library, events::kTableSymbol));
    if (loaded_table != nullptr) return;
    static constinit std::atomic<bool> said{false};
    say_once(said, "no events, counters only: ", dlerror());
}

// The calling thread is alone or the only one observed. Must run in an Inside scope.
void begin_trace() {
    event_table.store(loaded_table, std::memory_order_release);
    if (!attach_main_thread()) return;
    emit_process_started();
    refresh_modules(self.record);
    announce_main_thread();
}

void on_exit() {
    if (!observing) return;
    const Inside inside;
    is_fast_allowed = false;  // the tracer's destructors follow
    copy_title();
    ProcessRecord& process = *counters_file.process;
    process.cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    process.end_ns = now_ns();
    stop_tracing();
}

// Runs first in every child, however glibc forked: the records and tables of the parent are not ours. Events
// stay off until LTTng has given the child buffers of its own (the fork wrapper says so).
void on_fork_child() {
    family::restart_in_child();
    if (!observing) return;
    const Inside inside;
    event_table.store(nullptr, std::memory_order_relaxed);
    alignas(HeldLocks) char held[sizeof(HeldLocks)] = {};
    if (self.record != nullptr) memcpy(held, static_cast<const void*>(&self.record->held), sizeof held);
    if (!open_counters_file(config.directory)) {
        observing = false;
        self.record = nullptr;
        return;
    }
    fill_process_record();
    reset_waits_in_child();
    forget_stacks();
    forget_modules();
    forget_descriptors();
    reset_threads_in_child(*reinterpret_cast<const HeldLocks*>(held));
    copy_title();
}

// No thread is inside EMIT any more; or 100 ms have passed: exit is not held up by a thread that does not
// run.
void wait_for_emissions() {
    constexpr timespec kPause{0, 100 * 1000};
    constexpr int kMostPauses = 1000;
    int pauses = 0;
    for (uint32_t i = 1; i < used_thread_records(); i++)
        while (counters_file.threads[i].is_emitting.load(std::memory_order_seq_cst) != 0 &&
               pauses++ < kMostPauses)
            real::nanosleep(&kPause, nullptr);
}

[[gnu::constructor]] void initialise(int, char**, char** environment) {
    real::resolve_all();
    read_config(environment);
    if (config.is_passive) return;
    choose_mutex_path();
    family::take_over();
    pthread_atfork(hold_walks, release_walks, release_walks_in_child);
    pthread_atfork(nullptr, nullptr, on_fork_child);
    if (!open_counters_file(config.directory)) return;
    fill_process_record();
    const Inside inside;
    refresh_modules(nullptr);
    observing = true;
}

}  // namespace

bool is_observing() {
    return observing;
}

bool has_tracer_threads() {
    return loaded_table != nullptr;
}

void start_tracing() {
    if (!observing) return;
    const Inside inside;
    // Not earlier: the fast path does not look at its caller, and the tracer's constructors have just locked
    // a lot. Nor with kernel-pi: the first lock of each mutex decides about it.
    is_fast_allowed = config.level != Level::kFull && is_mutex_layout_known() && !kernel_pi::is_active;
    copy_title();
    load_events_library();
    if (loaded_table == nullptr) return;
    load_unwinder();
    begin_trace();
}

void restart_tracing_in_child() {
    if (!observing || loaded_table == nullptr) return;
    const Inside inside;
    begin_trace();
}

void stop_tracing() {
    if (self.record != nullptr && is_tracing()) {
        const uint64_t now = now_ns();
        for (uint32_t i = 1; i < used_thread_records(); i++)
            emit_open_wait(*self.record, counters_file.threads[i], now);
        EMIT(self.record, process_exited, .cpu_ns = counters_file.process->cpu_ns,
             .threads = static_cast<uint32_t>(
                 counters_file.process->threads_started.load(std::memory_order_relaxed)));
    }
    event_table.store(nullptr, std::memory_order_seq_cst);  // [E]
    wait_for_emissions();
}

void keep_house(uint64_t now) {
    uint64_t due = next_title_ns.load(std::memory_order_relaxed);
    if (now >= due &&
        next_title_ns.compare_exchange_strong(due, now + kTitlePeriodNs, std::memory_order_relaxed))
        copy_title();
}

}  // namespace latchkey

using namespace latchkey;

namespace {

int (*program_main)(int, char**, char**);

// Exit handlers run last in, first out: registered here, ours comes after the program's and before the
// loader's, which runs LTTng's destructors.
void on_program_start() {
    if (is_observing()) __cxa_atexit([](void*) { on_exit(); }, nullptr, nullptr);
}

// main may end with pthread_exit or be cancelled; a return from it needs nothing from us.
int run_main(int argc, char** argv, char** environment) {
    on_program_start();
    int status;
    pthread_cleanup_push([](void*) { end_main_thread(); }, nullptr);
    status = program_main(argc, argv, environment);
    pthread_cleanup_pop(0);
    return status;
}

template <class F>
int through_tracer(F real_call) {
    const ThroughTracer through;
    return real_call();
}

}  // namespace

INTERPOSE(int, __libc_start_main,
          (int (*main)(int, char**, char**), int argc, char** argv, void (*init)(), void (*fini)(),
           void (*rtld_fini)(), void* stack_end)) {
    title = argc > 0 ? argv[0] : nullptr;
    start_tracing();
    program_main = main;
    return real::__libc_start_main(run_main, argc, argv, init, fini, rtld_fini, stack_end);
}

INTERPOSE(pid_t, fork, ()) {
    if (ThreadRecord* record = observed(CALLER); record != nullptr) record->calls[kCall_fork]++;
    const pid_t child = through_tracer([] { return real::fork(); });
    if (child == 0) restart_tracing_in_child();
    return child;
}

// glibc's _Fork runs no fork handlers; it is async-signal-safe, and so is what we do in the child.
INTERPOSE(pid_t, _Fork, ()) {
    if (ThreadRecord* record = observed(CALLER); record != nullptr) record->calls[kCall__Fork]++;
    const pid_t child = real::_Fork();
    if (child == 0) on_fork_child();
    return child;
}

INTERPOSE(int, daemon, (int keeps_directory, int keeps_stdio)) {
    if (ThreadRecord* record = observed(CALLER); record != nullptr) record->calls[kCall_daemon]++;
    const int result = through_tracer([&] { return real::daemon(keeps_directory, keeps_stdio); });
    if (result == 0) restart_tracing_in_child();
    return result;
}
