// SPDX-License-Identifier: Apache-2.0
//
// Who is in the trace: processes, their threads, modules, stacks and files, as the lifecycle events tell.
// The models (locks, signals, I/O) hang their facts on these by index. Everything here is bounded.
//
// Processes and threads appear at their first event even if their start was not recorded. A thread id
// that starts again is a new thread.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "analyze/events.h"
#include "analyze/flat_map.h"
#include "analyze/stream.h"
#include "analyze/tally.h"

namespace latchkey {

struct LockStats;

/// A lock that a thread holds, as far as seen. `epoch`: the folder's, see Folder.
struct Held {
    std::uint64_t address = 0;
    std::uint64_t since_ns = 0;
    LockStats* stats = nullptr;
    std::uint32_t epoch = 0;
    std::uint32_t depth = 1;
};

struct Thread {
    std::uint32_t index = 0;
    std::uint32_t process = 0;
    std::uint32_t tid = 0;
    std::uint32_t creator = 0;
    std::uint64_t start_routine = 0;
    std::uint64_t create_site = 0;
    std::uint32_t create_stack = 0;
    std::string name;
    bool named_itself = false;
    bool started = false;  // its start was recorded
    std::uint64_t start_ns = 0;
    std::uint64_t end_ns = 0;
    std::uint64_t cpu_ns = 0;
    std::vector<Held> held;
};

struct Module {
    std::uint64_t base = 0, begin = 0, end = 0;
    std::string build_id, path;
};

struct Process {
    std::uint32_t index = 0;
    std::uint32_t folder = 0;
    std::uint32_t pid = 0, ppid = 0;
    std::uint32_t parent = kNone;
    std::uint32_t family = 0;  // the oldest known ancestor with the same executable: they share addresses
    std::uint8_t level = 1;
    std::uint8_t runtime = 0, handoff = 0;  // places in the lists of options.def
    bool exited = false;
    bool has_trace = false, has_counters = false;
    std::uint64_t start_ns = 0, start_realtime_ns = 0, end_ns = 0, cpu_ns = 0, last_ns = 0;
    std::string exe, title;
    std::vector<Module> modules;
    std::map<std::uint32_t, std::string> files;
    FlatMap<std::uint64_t, std::uint64_t> stacks;  // id -> offset << 8 | frames in World::frames()
};

/// Per trace folder: the intervals in which the tracer lost events. `epoch` changes at each border of one,
/// so what was acquired in another epoch may since have been released unseen.
struct Folder {
    std::uint32_t epoch = 0;
    std::uint32_t open_losses = 0;
    std::uint64_t next_border_ns = UINT64_MAX;
    std::map<std::uint64_t, std::int32_t> borders;  // time -> change of open_losses

    bool is_certain(std::uint32_t since_epoch) const { return open_losses == 0 && since_epoch == epoch; }
};

/// Where and when an event happened.
struct Moment {
    std::uint64_t ts = 0;
    Process* process = nullptr;
    Thread* thread = nullptr;
    Folder* folder = nullptr;
};

/// One stream's side of the world: its folder, and whose events it delivered lately.
struct Source {
    static constexpr std::size_t kRemembered = 32;  // threads, by the low bits of their ids
    struct Entry {
        std::int32_t vpid = -1, vtid = -1;
        std::uint32_t generation = 0;
        Moment moment;
    };
    std::uint32_t folder = 0;
    std::array<Entry, kRemembered> entries;
};

class World {
  public:
    static constexpr std::size_t kMaxProcesses = 1u << 14;
    static constexpr std::size_t kMaxThreads = 1u << 18;
    static constexpr std::size_t kMaxFrames = 1u << 22;
    static constexpr std::size_t kMaxModules = 1u << 16;
    static constexpr std::size_t kMaxFiles = 1u << 17;

    std::uint32_t add_folder();
    void add_loss(std::uint32_t folder, const LossInterval& loss);

    /// The moment of an event; the pointers stay valid, the reference until the source's next event.
    const Moment& moment(Source& source, std::uint64_t ts, std::int32_t vpid, std::int32_t vtid) {
        Source::Entry& entry = source.entries[static_cast<std::uint32_t>(vtid) % Source::kRemembered];
        if (entry.vtid != vtid || entry.vpid != vpid || entry.generation != generation_ ||
            ts >= entry.moment.folder->next_border_ns) [[unlikely]]
            return moment_slow(source, ts, vpid, vtid);
        entry.moment.ts = ts;
        entry.moment.process->last_ns = ts;
        return entry.moment;
    }

    void on(const Moment& moment, const record::process_started& event);
    void on(const Moment& moment, const record::process_exited& event);
    void on(const Moment& moment, const record::module_loaded& event);
    void on(const Moment& moment, const record::thread_started& event);
    void on(const Moment& moment, const record::thread_named& event);
    void on(const Moment& moment, const record::thread_exited& event);
    void on(const Moment& moment, const record::stack& event);
    void on(const Moment& moment, const record::file_opened& event);

    std::deque<Process>& processes() { return processes_; }
    const std::deque<Process>& processes() const { return processes_; }
    std::deque<Thread>& threads() { return threads_; }
    const std::deque<Thread>& threads() const { return threads_; }

    Process& add_process(std::uint32_t folder, std::uint32_t pid);
    Thread& add_thread(Process& process, std::uint32_t tid);
    /// The thread with that id, first in the process, then in any (locks may be shared); kNone if there is
    /// none.
    std::uint32_t thread_index(const Process& process, std::uint32_t tid);
    /// Return addresses of a stack, innermost first; looks in the parents of a forked process too.
    std::vector<std::uint64_t> frames(const Process& process, std::uint32_t stack);
    /// The file's name, or empty.
    std::string_view file_name(const Process& process, std::uint32_t file) const;
    const Process* parent_of(const Process& process) const;
    /// Makes a process another's child; does nothing if that would close a cycle.
    void set_parent(Process& process, const Process& parent);
    /// Things that found no place within the bounds above.
    std::uint64_t overflowed() const { return overflowed_; }

  private:
    const Moment& moment_slow(Source& source, std::uint64_t ts, std::int32_t vpid, std::int32_t vtid);
    void find(std::uint32_t folder, std::int32_t vpid, std::int32_t vtid, Source::Entry& entry);
    static void cross_border(Folder& folder, std::uint64_t ts);

    std::deque<Folder> folders_;
    std::deque<Process> processes_;
    std::deque<Thread> threads_;
    FlatMap<std::uint64_t, std::uint32_t> process_ids_;  // folder << 32 | pid
    FlatMap<std::uint64_t, std::uint32_t> latest_;       // pid -> the last process that had it
    FlatMap<std::uint64_t, std::uint32_t> thread_ids_;   // process << 32 | tid
    FlatMap<std::uint64_t, std::uint32_t> tids_;         // tid -> the last thread that had it
    std::vector<std::uint64_t> frames_;
    std::size_t modules_ = 0, files_ = 0;
    std::uint32_t generation_ = 1;  // changes when an id gets a new meaning
    std::uint64_t overflowed_ = 0;
};

}  // namespace latchkey
