// SPDX-License-Identifier: Apache-2.0
#include "analyze/roles.h"

#include <cctype>
#include <set>
#include <sstream>

#include "analyze/naming.h"

namespace latchkey {

namespace {

constexpr std::size_t kCommLength = 15;

std::string base_name(const std::string& path) {
    return path.substr(path.rfind('/') + 1);
}
std::string comm_of(const Process& process) {
    return base_name(process.exe).substr(0, kCommLength);
}

bool is_digit(char c) {
    return std::isdigit(static_cast<unsigned char>(c)) != 0;
}
bool is_address(const std::string& word) {
    return (is_digit(word[0]) && word.find('.') != std::string::npos) || word.find('(') != std::string::npos;
}

}  // namespace

std::string fold_indexes(std::string_view name) {
    std::string out;
    for (std::size_t i = 0; i < name.size();) {
        std::size_t end = i;
        while (end < name.size() && is_digit(name[end])) ++end;
        const bool is_index =
            end > i && (end == name.size() || !std::isalnum(static_cast<unsigned char>(name[end])));
        if (is_index) {
            out.push_back('*');
            i = end;
        } else {
            const std::size_t stop = end > i ? end : i + 1;
            out += name.substr(i, stop - i);
            i = stop;
        }
    }
    return out;
}

Roles::Roles(const World& world, Places& places)
    : world_(world), places_(places), threads_per_process_(world.processes().size()) {
    std::set<std::string> executables;
    for (const Process& process : world.processes())
        if (!process.exe.empty()) executables.insert(base_name(process.exe));
    prefix_executables_ = executables.size() > 1;
    for (const Thread& thread : world.threads()) {
        ++threads_per_process_[thread.process];
        by_tid_[{thread.process, thread.tid}] = thread.index;
    }
    for (const Thread& thread : world.threads()) {
        of_thread_.push_back(intern(name_of(thread)));
        ++roles_[of_thread_.back() - 1].threads;
    }
}

std::uint32_t Roles::of(std::uint32_t thread) {
    if (thread == kOther) return intern("(other threads)");
    return thread < of_thread_.size() ? of_thread_[thread] : 0;
}

std::uint32_t Roles::intern(const std::string& name) {
    const auto [found, fresh] = by_name_.emplace(name, static_cast<std::uint32_t>(roles_.size() + 1));
    if (fresh) roles_.push_back({name, 0});
    return found->second;
}

std::string Roles::name_of(const Thread& thread) const {
    const Process& process = world_.processes()[thread.process];
    const std::string prefix =
        prefix_executables_ && !process.exe.empty() ? base_name(process.exe) + "/" : "";
    if (thread.tid == process.pid) {
        const std::string title = title_of(process);
        return prefix + (title.empty() ? "main" : title);
    }
    if (has_own_name(thread)) return prefix + fold_indexes(thread.name);
    const std::uint32_t start = places_.entry_site(thread.process, thread.start_routine);
    if (start != 0) {
        const Site& site = places_.at(start);
        if (!site.function.empty() && !is_lock_wrapper(site.function, site.module))
            return prefix + site.function;
    }
    const std::string creator = creator_of(thread);
    return prefix + (creator.empty() ? "thread" : creator);
}

/// A title that tells this process from its parent, if the process has one thread; else empty.
std::string Roles::title_of(const Process& process) const {
    const Process* parent = world_.parent_of(process);
    if (parent == nullptr || threads_per_process_[process.index] != 1) return {};
    if (process.title.empty() || process.title == parent->title || process.exe != parent->exe) return {};
    std::istringstream words(process.title);
    std::string role, word;
    while (words >> word) {
        if (word == base_name(process.exe) + ":") continue;
        if (!role.empty()) role.push_back(' ');
        // Behind a client's address stands what it does just now.
        if (is_address(word)) return role + "*";
        if (word == "[local]") return role + word;
        role += fold_indexes(word);
    }
    return role;
}

/// The process's comm or the creator's name is inherited, not chosen.
bool Roles::has_own_name(const Thread& thread) const {
    if (thread.name.empty()) return false;
    if (thread.named_itself) return true;
    const Process& process = world_.processes()[thread.process];
    if (thread.name == comm_of(process)) return false;
    const auto creator = by_tid_.find({thread.process, thread.creator});
    return creator == by_tid_.end() || world_.threads()[creator->second].name != thread.name;
}

/// The function that called pthread_create, seen through std::thread and wrappers of it; in stripped code the
/// first place in the executable itself.
std::string Roles::creator_of(const Thread& thread) const {
    std::vector<std::uint32_t> frames = places_.frames(thread.process, thread.create_stack);
    if (const std::uint32_t site = places_.call_site(thread.process, thread.create_site))
        frames.push_back(site);
    for (const std::uint32_t frame : frames) {
        const Site& site = places_.at(frame);
        if (!site.function.empty() && !is_lock_wrapper(site.function, site.module)) return site.function;
    }
    const std::string executable = base_name(world_.processes()[thread.process].exe);
    for (const std::uint32_t frame : frames)
        if (places_.at(frame).module == executable) return places_.at(frame).name;
    return {};
}

}  // namespace latchkey
