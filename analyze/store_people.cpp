// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "analyze/calls.h"
#include "analyze/choices.h"
#include "analyze/open_waits.h"
#include "analyze/store.h"

namespace latchkey {

namespace {

constexpr std::size_t kMaxThreads = 10'000;
constexpr std::size_t kMaxThreadCounters = 60'000;
constexpr std::uint8_t kRuntimeOwn = 1;
static_assert(choice("runtime", kRuntimeOwn) == "own");
constexpr std::uint32_t kFirstIoObject = 100;  // CurrentWait::object of I/O: this plus the group

/// A class of role_time: which counters are its time and its count.
struct TimeClass {
    const char* name;
    std::vector<const char*> time;
    std::vector<const char*> count;
    std::vector<std::string_view> call_groups;  // whose calls are its count
};

const std::vector<TimeClass>& time_classes() {
    static const std::vector<TimeClass> kClasses{
        {"lock",
         {"mutex_wait_ns", "rwlock_wait_ns", "spin_wait_ns"},
         {"mutex_contended", "rwlock_contended", "spin_contended"},
         {}},
        {"cond",
         {"cond_wait_ns"},
         {"calls.pthread_cond_wait", "calls.pthread_cond_timedwait", "calls.pthread_cond_clockwait",
          "calls.cnd_wait", "calls.cnd_timedwait"},
         {}},
        {"semaphore", {"sem_wait_ns"}, {"sem_contended"}, {}},
        {"futex", {"futex_wait_ns"}, {"futex_waits"}, {}},
        {"barrier", {"barrier_wait_ns"}, {"calls.pthread_barrier_wait"}, {}},
        {"join",
         {"join_wait_ns"},
         {"calls.pthread_join", "calls.pthread_timedjoin_np", "calls.pthread_clockjoin_np",
          "calls.thrd_join"},
         {}},
        {"file_read", {"read_ns"}, {}, {"read"}},
        {"file_write", {"write_ns"}, {}, {"write"}},
        {"sync", {"sync_ns"}, {}, {"sync"}},
        {"space", {"space_ns"}, {}, {"space"}},
        {"open", {"open_ns"}, {}, {"open"}},
        {"file_lock", {"file_lock_ns"}, {}, {"file_lock"}},
        {"network", {"recv_ns", "send_ns"}, {}, {"recv", "send"}},
        {"poll", {"poll_ns"}, {}, {"poll"}},
        {"sleep", {"sleep_ns"}, {}, {"sleep"}},
        {"aio", {"aio_ns"}, {}, {"aio"}},
    };
    return kClasses;
}

/// The groups of I/O calls in the order of symbols.def: what 100 + n in a thread's wait_object means.
std::string_view io_group(std::uint32_t index) {
    std::vector<std::string_view> groups;
    for (const Call& call : kCalls)
        if (std::find(groups.begin(), groups.end(), call.group) == groups.end()) groups.push_back(call.group);
    const auto first = std::find(groups.begin(), groups.end(), "read");
    return index < static_cast<std::size_t>(groups.end() - first) ? first[index] : std::string_view{};
}

/// The class of role_time that a current wait belongs to; empty if none.
std::string_view class_of(const CurrentWait& wait) {
    if (wait.object >= kFirstIoObject) {
        const std::string_view group = io_group(wait.object - kFirstIoObject);
        for (const TimeClass& time : time_classes())
            if (std::count(time.call_groups.begin(), time.call_groups.end(), group) != 0) return time.name;
        return {};
    }
    const auto object = static_cast<Object>(wait.object);
    if (object >= Object::mutex && object <= Object::spin) return "lock";
    return object == Object::thread ? "join" : object_name(object);
}

std::string_view group_of(std::string_view call_counter) {
    const std::string_view name = call_counter.substr(std::string_view("calls.").size());
    for (const Call& call : kCalls)
        if (call.name == name) return call.group;
    return {};
}

bool is_call(const std::string& counter) {
    return counter.starts_with("calls.");
}

struct Spent {
    std::uint64_t ns = 0, count = 0;
};
using SpentByClass = std::map<std::string, Spent, std::less<>>;

class PeopleStore {
  public:
    explicit PeopleStore(Results& results)
        : results_(results), world_(results.analysis.world), book_(results.book) {}

    void run() {
        store_processes();
        store_threads();
        store_counters();
        store_calls();
        store_role_time();
        Rows rows(results_.db, "roles", 3);
        const std::vector<Role>& roles = results_.roles.all();
        for (std::size_t i = 0; i < roles.size(); ++i)
            rows(std::uint64_t{i + 1}, roles[i].name, roles[i].threads);
    }

  private:
    void store_processes() {
        Rows rows(results_.db, "processes", 12);
        for (const Process& p : world_.processes())
            rows(std::uint64_t{p.index} + 1, p.pid, p.ppid, p.exe, p.title, p.start_ns, p.end_ns, p.cpu_ns,
                 p.exited ? 1 : 0, static_cast<std::uint32_t>(p.level), choice("runtime", p.runtime),
                 p.runtime == kRuntimeOwn ? std::optional(choice("handoff", p.handoff)) : std::nullopt);
    }

    void store_threads() {
        Rows rows(results_.db, "threads", 11);
        for (const Thread& t : world_.threads()) {
            if (t.index >= kMaxThreads) {
                ++results_.folded_rows;
                continue;
            }
            rows(std::uint64_t{t.index} + 1, std::uint64_t{t.process} + 1, t.tid, t.name,
                 row_or_null(results_.roles.of(t.index)),
                 row_or_null(results_.places.entry_site(t.process, t.start_routine)),
                 row_or_null(results_.places.call_site(t.process, t.create_site)), t.creator, t.start_ns,
                 t.end_ns, cpu_of(t));
        }
    }

    /// A main thread that never exited itself has what the others left of the process's time.
    std::uint64_t cpu_of(const Thread& thread) {
        const Process& process = world_.processes()[thread.process];
        if (thread.cpu_ns != 0 || thread.tid != process.pid) return thread.cpu_ns;
        if (cpu_of_others_.empty()) {
            cpu_of_others_.resize(world_.processes().size());
            for (const Thread& other : world_.threads()) cpu_of_others_[other.process] += other.cpu_ns;
        }
        const std::uint64_t others = cpu_of_others_[thread.process];
        return process.cpu_ns > others ? process.cpu_ns - others : 0;
    }

    void store_counters() {
        std::map<std::uint32_t, std::vector<std::uint64_t>> by_role;
        Rows rows(results_.db, "thread_counters", 5);
        std::size_t stored = 0;
        for (const ThreadCounters& counters : book_.threads) {
            std::vector<std::uint64_t>& sums = by_role[results_.roles.of(counters.thread)];
            sums.resize(book_.names.size());
            for (std::size_t i = 0; i < counters.values.size(); ++i) {
                sums[i] += counters.values[i];
                if (counters.values[i] == 0) continue;
                if (++stored > kMaxThreadCounters) {
                    ++results_.folded_rows;
                    continue;
                }
                const std::optional<std::uint64_t> thread =
                    counters.thread == kNone ? std::nullopt
                                             : std::optional<std::uint64_t>(counters.thread + 1);
                rows(std::uint64_t{counters.process} + 1, thread, book_.names[i].name, book_.names[i].unit,
                     counters.values[i]);
            }
        }
        Rows role_rows(results_.db, "role_counters", 4);
        for (const auto& [role, sums] : by_role)
            for (std::size_t i = 0; i < sums.size(); ++i)
                if (sums[i] != 0)
                    role_rows(row_or_null(role), book_.names[i].name, book_.names[i].unit, sums[i]);
    }

    void store_calls() {
        std::map<std::uint32_t, std::vector<std::uint64_t>> by_process;
        for (const ThreadCounters& counters : book_.threads) {
            std::vector<std::uint64_t>& sums = by_process[counters.process];
            sums.resize(book_.names.size());
            for (std::size_t i = 0; i < counters.values.size(); ++i) sums[i] += counters.values[i];
        }
        Rows rows(results_.db, "symbol_calls", 4);
        for (const auto& [process, sums] : by_process)
            for (std::size_t i = 0; i < sums.size(); ++i)
                if (sums[i] != 0 && is_call(book_.names[i].name))
                    rows(std::uint64_t{process} + 1, book_.names[i].name.substr(6),
                         group_of(book_.names[i].name), sums[i]);
    }

    void store_role_time() {
        std::map<std::uint32_t, SpentByClass> spent;
        for (const Thread& thread : world_.threads()) {
            SpentByClass& role = spent[results_.roles.of(thread.index)];
            role["alive"].ns += thread.end_ns - thread.start_ns;
            ++role["alive"].count;
            role["cpu"].ns += cpu_of(thread);
        }
        for (const ThreadCounters& counters : book_.threads)
            add_counters(counters, spent[results_.roles.of(counters.thread)]);
        Rows rows(results_.db, "role_time", 4);
        for (auto& [role, classes] : spent) {
            split_cond(role, classes);
            for (const auto& [name, time] : classes)
                if (time.ns != 0 || time.count != 0) rows(row_or_null(role), name, time.ns, time.count);
        }
    }

    void add_counters(const ThreadCounters& counters, SpentByClass& role) {
        for (const TimeClass& time : time_classes()) {
            Spent& spent = role[time.name];
            for (const char* name : time.time) spent.ns += book_.value(counters, name);
            for (const char* name : time.count) spent.count += book_.value(counters, name);
            for (std::size_t i = 0; i < counters.values.size(); ++i) {
                if (counters.values[i] == 0 || !is_call(book_.names[i].name)) continue;
                const std::string_view group = group_of(book_.names[i].name);
                if (std::count(time.call_groups.begin(), time.call_groups.end(), group) != 0)
                    spent.count += counters.values[i];
            }
        }
        const std::string_view open = class_of(counters.waiting);
        if (open.empty() || open == "unknown") return;
        role.find(open)->second.ns += open_wait_ns(world_, counters);
    }

    /// The recorded waits say which part of the condvar time was idleness. Without any (level counters), most
    /// of a life spent waiting says the same.
    double idle_share(std::uint32_t role, const Spent& cond, const Spent& alive) const {
        const auto recorded = results_.cond_time.find(role);
        if (recorded != results_.cond_time.end() && recorded->second.all_ns > 0)
            return recorded->second.idle_ns / recorded->second.all_ns;
        return cond.ns > alive.ns / 2 ? 1 : 0;
    }

    void split_cond(std::uint32_t role, SpentByClass& classes) {
        const auto cond = classes.find("cond");
        if (cond == classes.end()) return;
        const Spent all = cond->second;
        classes.erase(cond);
        const double idle = idle_share(role, all, classes["alive"]);
        const auto idle_ns = static_cast<std::uint64_t>(idle * static_cast<double>(all.ns));
        const auto idle_count = static_cast<std::uint64_t>(idle * static_cast<double>(all.count));
        classes["cond_idle"] = {idle_ns, idle_count};
        classes["cond_known"] = {all.ns - idle_ns, all.count - idle_count};
    }

    Results& results_;
    World& world_;
    CounterBook& book_;
    std::vector<std::uint64_t> cpu_of_others_;
};

}  // namespace

void store_people(Results& results) {
    PeopleStore(results).run();
}

}  // namespace latchkey
