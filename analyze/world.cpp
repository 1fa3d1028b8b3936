// SPDX-License-Identifier: Apache-2.0
#include "analyze/world.h"

namespace latchkey {

namespace {

constexpr std::uint32_t kMaxStackFrames = 255;
constexpr std::size_t kMaxBorders = 1u << 16;

std::uint64_t key(std::uint32_t high, std::uint32_t low) {
    return std::uint64_t{high} << 32 | low;
}

}  // namespace

std::uint32_t World::add_folder() {
    folders_.emplace_back();
    return static_cast<std::uint32_t>(folders_.size() - 1);
}

void World::add_loss(std::uint32_t folder, const LossInterval& loss) {
    Folder& state = folders_[folder];
    if (state.borders.size() >= kMaxBorders) return;
    ++state.borders[loss.begin];
    --state.borders[loss.end + 1];
    state.next_border_ns = state.borders.begin()->first;
}

void World::cross_border(Folder& folder, std::uint64_t ts) {
    while (!folder.borders.empty() && folder.borders.begin()->first <= ts) {
        folder.open_losses += static_cast<std::uint32_t>(folder.borders.begin()->second);
        folder.borders.erase(folder.borders.begin());
        ++folder.epoch;
    }
    folder.next_border_ns = folder.borders.empty() ? UINT64_MAX : folder.borders.begin()->first;
}

Process& World::add_process(std::uint32_t folder, std::uint32_t pid) {
    if (processes_.size() >= kMaxProcesses) {
        ++overflowed_;
        return processes_.back();
    }
    Process& process = processes_.emplace_back();
    process.index = static_cast<std::uint32_t>(processes_.size() - 1);
    process.folder = folder;
    process.pid = pid;
    process.family = process.index;
    latest_[pid] = process.index;
    return process;
}

Thread& World::add_thread(Process& process, std::uint32_t tid) {
    if (threads_.size() >= kMaxThreads) {
        ++overflowed_;
        return threads_.back();
    }
    Thread& thread = threads_.emplace_back();
    thread.index = static_cast<std::uint32_t>(threads_.size() - 1);
    thread.process = process.index;
    thread.tid = tid;
    thread_ids_[key(process.index, tid)] = thread.index;
    tids_[tid] = thread.index;
    ++generation_;
    return thread;
}

void World::find(std::uint32_t folder, std::int32_t vpid, std::int32_t vtid, Source::Entry& entry) {
    const auto pid = static_cast<std::uint32_t>(vpid);
    const auto tid = static_cast<std::uint32_t>(vtid);
    const std::uint32_t* known = process_ids_.find(key(folder, pid));
    Process& process = known != nullptr ? processes_[*known] : add_process(folder, pid);
    process.has_trace = true;
    if (known == nullptr) process_ids_[key(folder, pid)] = process.index;
    const std::uint32_t* thread = thread_ids_.find(key(process.index, tid));
    entry.moment.thread = thread != nullptr ? &threads_[*thread] : &add_thread(process, tid);
    entry.moment.process = &process;
    entry.moment.folder = &folders_[folder];
    entry.vpid = vpid;
    entry.vtid = vtid;
    entry.generation = generation_;
}

/// moment() for a thread that the source does not remember, or at the border of a loss.
const Moment& World::moment_slow(Source& source, std::uint64_t ts, std::int32_t vpid, std::int32_t vtid) {
    Source::Entry& entry = source.entries[static_cast<std::uint32_t>(vtid) % Source::kRemembered];
    find(source.folder, vpid, vtid, entry);
    entry.moment.ts = ts;
    entry.moment.process->last_ns = ts;
    cross_border(*entry.moment.folder, ts);
    return entry.moment;
}

void World::on(const Moment& moment, const record::process_started& event) {
    Process& process = *moment.process;
    process.ppid = event.ppid;
    process.start_ns = event.start_ns;
    process.start_realtime_ns = event.realtime_ns;
    process.level = event.level;
    process.runtime = event.runtime;
    process.handoff = event.handoff;
    process.exe = event.exe;
    process.title = event.cmdline;
    if (const std::uint32_t* parent = latest_.find(event.ppid)) set_parent(process, processes_[*parent]);
}

void World::set_parent(Process& process, const Process& parent) {
    for (const Process* at = &parent; at != nullptr; at = parent_of(*at))
        if (at == &process) return;
    process.parent = parent.index;
    if (parent.exe == process.exe) process.family = parent.family;
}

void World::on(const Moment& moment, const record::process_exited& event) {
    moment.process->exited = true;
    moment.process->end_ns = moment.ts;
    moment.process->cpu_ns = event.cpu_ns;
}

void World::on(const Moment& moment, const record::module_loaded& event) {
    if (modules_ >= kMaxModules) {
        ++overflowed_;
        return;
    }
    ++modules_;
    moment.process->modules.push_back(
        {event.base, event.begin, event.end, std::string(event.build_id), std::string(event.path)});
}

void World::on(const Moment& moment, const record::thread_started& event) {
    const std::uint32_t* known = thread_ids_.find(key(moment.process->index, event.tid));
    const bool fresh = known == nullptr || threads_[*known].started;
    Thread& thread = fresh ? add_thread(*moment.process, event.tid) : threads_[*known];
    thread.started = true;
    thread.creator = event.creator;
    thread.start_routine = event.start_routine;
    thread.create_site = event.site;
    thread.create_stack = event.stack;
    thread.name = event.name;
    thread.start_ns = moment.ts;
}

void World::on(const Moment& moment, const record::thread_named& event) {
    const std::uint32_t* known = thread_ids_.find(key(moment.process->index, event.tid));
    Thread& thread = known != nullptr ? threads_[*known] : add_thread(*moment.process, event.tid);
    thread.name = event.name;
    thread.named_itself = true;
}

void World::on(const Moment& moment, const record::thread_exited& event) {
    const std::uint32_t* known = thread_ids_.find(key(moment.process->index, event.tid));
    if (known == nullptr) return;
    threads_[*known].end_ns = moment.ts;
    threads_[*known].cpu_ns = event.cpu_ns;
}

void World::on(const Moment& moment, const record::stack& event) {
    const std::uint32_t count = std::min(event.frames.count, kMaxStackFrames);
    if (count == 0) return;
    if (frames_.size() + count > kMaxFrames) {
        ++overflowed_;
        return;
    }
    moment.process->stacks[event.id] = std::uint64_t{frames_.size()} << 8 | count;
    for (std::uint32_t i = 0; i < count; ++i) frames_.push_back(event.frames[i]);
}

void World::on(const Moment& moment, const record::file_opened& event) {
    if (files_ >= kMaxFiles) {
        ++overflowed_;
        return;
    }
    ++files_;
    moment.process->files[event.file] = event.path;
}

std::uint32_t World::thread_index(const Process& process, std::uint32_t tid) {
    if (tid == 0) return kNone;
    if (const std::uint32_t* found = thread_ids_.find(key(process.index, tid))) return *found;
    const std::uint32_t* elsewhere = tids_.find(tid);
    return elsewhere != nullptr ? *elsewhere : kNone;
}

const Process* World::parent_of(const Process& process) const {
    return process.parent == kNone ? nullptr : &processes_[process.parent];
}

std::vector<std::uint64_t> World::frames(const Process& process, std::uint32_t stack) {
    if (stack == 0) return {};
    for (const Process* at = &process; at != nullptr; at = parent_of(*at)) {
        const std::uint64_t* found = processes_[at->index].stacks.find(stack);
        if (found == nullptr) continue;
        const auto first = frames_.begin() + static_cast<std::ptrdiff_t>(*found >> 8);
        return {first, first + static_cast<std::ptrdiff_t>(*found & 0xff)};
    }
    return {};
}

std::string_view World::file_name(const Process& process, std::uint32_t file) const {
    for (const Process* at = &process; at != nullptr; at = parent_of(*at))
        if (const auto found = at->files.find(file); found != at->files.end()) return found->second;
    return {};
}

}  // namespace latchkey
