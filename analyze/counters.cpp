// SPDX-License-Identifier: Apache-2.0
#include "analyze/counters.h"

#include <algorithm>

#include "analyze/counters_file.h"

namespace latchkey {

namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kSameStartNs = 2'000'000'000;  // a start seen by event and by counters
constexpr const char* kFileKinds[] = {"file", "socket", "pipe", "event", "other"};

constexpr std::pair<const char*, std::uint64_t FileCounters::*> kFileSums[] = {
    {"reads", &FileCounters::reads},
    {"read_bytes", &FileCounters::read_bytes},
    {"read_ns", &FileCounters::read_ns},
    {"writes", &FileCounters::writes},
    {"write_bytes", &FileCounters::write_bytes},
    {"write_ns", &FileCounters::write_ns},
    {"syncs", &FileCounters::syncs},
    {"sync_ns", &FileCounters::sync_ns},
    {"others", &FileCounters::others},
    {"other_ns", &FileCounters::other_ns},
    {"under_lock_calls", &FileCounters::under_lock_calls},
    {"under_lock_ns", &FileCounters::under_lock_ns},
};

std::uint64_t distance(std::uint64_t a, std::uint64_t b) {
    return a > b ? a - b : b - a;
}

/// Fields of a thread record that describe it and do not count anything.
bool is_description(const CountersFile::Field& field) {
    static const char* const kDescriptions[] = {"held_count", "start_ns", "end_ns", "cpu_ns"};
    return field.is_text || field.unit == "-" || field.unit == "address" || field.name.starts_with("wait_") ||
           std::find(std::begin(kDescriptions), std::end(kDescriptions), field.name) !=
               std::end(kDescriptions);
}

}  // namespace

class CounterReader {
  public:
    CounterReader(World& world, FileNames& files, CounterBook& book)
        : world_(world), files_(files), book_(book) {}

    void read(const fs::path& path) {
        const CountersFile file(path);
        if (!file.problem().empty()) {
            book_.unreadable.push_back({path, file.problem()});
            return;
        }
        const CountersFile::Section& section = file.section("process");
        if (file.number(section, 0, "pid") == 0) {
            book_.unreadable.push_back({path, "its process never started"});
            return;
        }
        ++book_.processes;
        Process& process = join_process(file, section);
        read_threads(file, process);
        read_files(file);
    }

  private:
    Process& join_process(const CountersFile& file, const CountersFile::Section& section) {
        const auto number = [&](const char* field) { return file.number(section, 0, field); };
        Process& process = find_process(static_cast<std::uint32_t>(number("pid")), number("start_ns"));
        claimed_.push_back(process.index);
        process.has_counters = true;
        process.ppid = static_cast<std::uint32_t>(number("ppid"));
        process.start_ns = number("start_ns");
        process.start_realtime_ns = number("start_realtime_ns");
        process.end_ns = std::max(process.end_ns, number("end_ns"));
        process.exited = process.exited || number("end_ns") != 0;
        process.cpu_ns = std::max(process.cpu_ns, number("cpu_ns"));
        process.level = static_cast<std::uint8_t>(number("level"));
        process.runtime = static_cast<std::uint8_t>(number("runtime"));
        process.handoff = static_cast<std::uint8_t>(number("handoff"));
        process.exe = file.text(section, 0, "exe");
        if (const std::string title = file.text(section, 0, "title"); !title.empty()) process.title = title;
        book_.processes_without_trace += !process.has_trace;
        book_.threads_unobserved += number("threads_unobserved");
        book_.files_overflow += number("files_overflow");
        book_.locks_full += number("locks_full");
        book_.stacks_full += number("stacks_full");
        book_.bypass_io_uring += number("bypass_io_uring");
        book_.min_wait_ns = number("min_wait_ns");
        book_.min_io_ns = number("min_io_ns");
        book_.has_thresholds = true;
        return process;
    }

    /// The traced process with that pid that started nearest to then, if it is not another file's.
    Process& find_process(std::uint32_t pid, std::uint64_t start_ns) {
        Process* best = nullptr;
        for (Process& process : world_.processes()) {
            if (process.pid != pid || std::count(claimed_.begin(), claimed_.end(), process.index) != 0)
                continue;
            const bool near = process.start_ns == 0 || distance(process.start_ns, start_ns) < kSameStartNs;
            if (near && (best == nullptr ||
                         distance(process.start_ns, start_ns) < distance(best->start_ns, start_ns)))
                best = &process;
        }
        return best != nullptr ? *best : world_.add_process(no_folder(), pid);
    }

    std::uint32_t no_folder() {
        if (no_folder_ == kNone) no_folder_ = world_.add_folder();
        return no_folder_;
    }

    void read_threads(const CountersFile& file, Process& process) {
        const CountersFile::Section& section = file.section("thread");
        std::vector<std::pair<const CountersFile::Field*, std::size_t>> columns;
        for (const CountersFile::Field& field : section.fields)
            if (!is_description(field)) columns.emplace_back(&field, index_of(field));
        for (std::uint64_t i = 0; i < section.count; ++i) {
            if (file.is_hole(section, i)) continue;
            if (i != 0 && file.number(section, i, "state") == 0) continue;
            ThreadCounters counters;
            counters.process = process.index;
            counters.values.resize(book_.names.size());
            std::uint64_t any = 0;
            for (const auto& [field, index] : columns)
                any |= counters.values[index] = file.number(section, i, *field);
            if (i == 0 && any == 0) continue;
            if (i != 0) counters.thread = join_thread(file, section, i, process);
            if (i != 0) counters.waiting = current_wait(file, section, i);
            book_.threads.push_back(std::move(counters));
        }
    }

    std::uint32_t join_thread(const CountersFile& file, const CountersFile::Section& section, std::uint64_t i,
                              Process& process) {
        const auto number = [&](const char* field) { return file.number(section, i, field); };
        Thread& thread = find_thread(process, static_cast<std::uint32_t>(number("tid")), number("start_ns"));
        thread.start_ns = number("start_ns");
        thread.end_ns = std::max(thread.end_ns, number("end_ns"));
        thread.cpu_ns = std::max(thread.cpu_ns, number("cpu_ns"));
        if (thread.creator == 0) thread.creator = static_cast<std::uint32_t>(number("creator"));
        if (thread.start_routine == 0) thread.start_routine = number("start_routine");
        if (thread.create_site == 0) thread.create_site = number("create_site");
        if (const std::string name = file.text(section, i, "name"); !name.empty()) thread.name = name;
        return thread.index;
    }

    Thread& find_thread(Process& process, std::uint32_t tid, std::uint64_t start_ns) {
        if (threads_of_.first != process.index) index_threads(process);
        Thread* best = nullptr;
        const auto [begin, end] = threads_of_.second.equal_range(tid);
        for (auto it = begin; it != end; ++it) {
            Thread& thread = world_.threads()[it->second];
            const bool near = thread.start_ns == 0 || distance(thread.start_ns, start_ns) < kSameStartNs;
            if (near &&
                (best == nullptr || distance(thread.start_ns, start_ns) < distance(best->start_ns, start_ns)))
                best = &thread;
        }
        return best != nullptr ? *best : world_.add_thread(process, tid);
    }

    void index_threads(const Process& process) {
        threads_of_ = {process.index, {}};
        for (const Thread& thread : world_.threads())
            if (thread.process == process.index) threads_of_.second.emplace(thread.tid, thread.index);
    }

    static CurrentWait current_wait(const CountersFile& file, const CountersFile::Section& section,
                                    std::uint64_t i) {
        const auto number = [&](const char* field) { return file.number(section, i, field); };
        CurrentWait wait;
        if (number("state") != 1) return wait;
        wait.object = static_cast<std::uint32_t>(number("wait_object"));
        wait.owner = static_cast<std::uint32_t>(number("wait_owner"));
        wait.address = number("wait_address");
        wait.since_ns = number("wait_since_ns");
        wait.site = number("wait_site");
        wait.mutex = number("wait_mutex");
        return wait;
    }

    std::size_t index_of(const CountersFile::Field& field) {
        const auto [found, fresh] = book_.index_.emplace(field.name, book_.names.size());
        if (fresh) book_.names.push_back({field.name, field.unit});
        return found->second;
    }

    void read_files(const CountersFile& file) {
        const CountersFile::Section& section = file.section("file");
        for (std::uint64_t i = 0; i < section.count; ++i) {
            if (file.is_hole(section, i) || file.number(section, i, "state") == 0) continue;
            const auto number = [&](const char* field) { return file.number(section, i, field); };
            const std::string path = file.text(section, i, "path");
            FileCounters& sums = book_.files[files_.id_of(path.empty() ? "(other files)" : path)];
            sums.kind = kFileKinds[std::min<std::uint64_t>(number("class"), 4)];
            for (const auto& [field, sum] : kFileSums) sums.*sum += number(field);
            sums.max_ns = std::max(sums.max_ns, number("max_ns"));
        }
    }

    World& world_;
    FileNames& files_;
    CounterBook& book_;
    std::uint32_t no_folder_ = kNone;
    std::vector<std::uint32_t> claimed_;
    std::pair<std::uint32_t, std::multimap<std::uint32_t, std::uint32_t>> threads_of_{kNone, {}};
};

std::uint64_t CounterBook::value(const ThreadCounters& thread, const std::string& name) const {
    const auto found = index_.find(name);
    return found == index_.end() || found->second >= thread.values.size() ? 0 : thread.values[found->second];
}

CounterBook join_counters(const fs::path& directory, World& world, FileNames& files) {
    CounterBook book;
    CounterReader reader(world, files, book);
    std::error_code error;
    std::vector<fs::path> paths;
    for (fs::directory_iterator it(directory, error), end; !error && it != end; it.increment(error))
        if (it->is_regular_file(error)) paths.push_back(it->path());
    std::sort(paths.begin(), paths.end());
    for (const fs::path& path : paths) reader.read(path);
    return book;
}

}  // namespace latchkey
