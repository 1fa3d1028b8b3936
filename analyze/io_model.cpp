// SPDX-License-Identifier: Apache-2.0
#include "analyze/io_model.h"

#include <cctype>

#include "analyze/calls.h"

namespace latchkey {

namespace {

/// Runs of digits become `*`, in the last two components of the path.
std::string pattern_of(std::string_view path) {
    std::size_t tail = path.rfind('/');
    if (tail != std::string_view::npos && tail != 0) tail = path.rfind('/', tail - 1);
    if (tail == std::string_view::npos) tail = 0;
    std::string pattern(path.substr(0, tail));
    for (char c : path.substr(tail)) {
        if (!std::isdigit(static_cast<unsigned char>(c)))
            pattern.push_back(c);
        else if (!pattern.ends_with('*'))
            pattern.push_back('*');
    }
    return pattern;
}

bool moves_bytes(std::string_view group) {
    return group == "read" || group == "write" || group == "recv" || group == "send";
}

}  // namespace

std::uint32_t FileNames::id_of(std::string_view path) {
    if (path.empty()) return 0;
    if (const auto known = paths_.find(path); known != paths_.end()) return known->second;
    std::string pattern = pattern_of(path);
    auto found = patterns_.find(pattern);
    if (found == patterns_.end() && files_.size() >= kMaxClasses) {
        pattern = "(other files)";
        found = patterns_.find(pattern);
    }
    if (found == patterns_.end()) {
        found = patterns_.emplace(pattern, static_cast<std::uint32_t>(files_.size())).first;
        files_.push_back({pattern, std::string(path), 0});
    }
    if (paths_.size() < kMaxPaths) {
        paths_.emplace(path, found->second);
        ++files_[found->second].instances;
    }
    return found->second;
}

std::string FileNames::name(std::uint32_t id) const {
    return files_[id].instances == 1 ? files_[id].sole : files_[id].pattern;
}

std::uint32_t IoModel::file_of(const Process& process, std::uint32_t file) {
    if (file == 0) return 0;
    const std::uint64_t key = std::uint64_t{process.index} << 32 | file;
    if (const std::uint32_t* known = known_files_.find(key)) return *known - 1;
    const std::string_view name = world_.file_name(process, file);
    if (name.empty()) return 0;
    const std::uint32_t id = files_.id_of(name);
    known_files_[key] = id + 1;
    return id;
}

void IoModel::on(const Moment& moment, const record::io& event) {
    const std::uint32_t file = file_of(*moment.process, event.file);
    IoStats& stats = calls_.at({file, moment.thread->index, event.call});
    stats.calls.add(event.duration_ns);
    stats.errors += event.result < 0;
    if (event.result > 0 && moves_bytes(call_of(event.call).group))
        stats.bytes += static_cast<std::uint64_t>(event.result);
    stats.times.add(pool_, event.duration_ns);
    for (std::uint32_t i = 0; i < std::min(event.held.count, kMaxHeld); ++i) {
        const std::uint64_t acquire_site = i < event.held_sites.count ? event.held_sites[i] : 0;
        const std::uint32_t lock = locks_.io_under(moment, event.held[i], acquire_site, event.duration_ns);
        under_locks_.at({{event.site, lock, moment.thread->index, event.stack, 0}, file, event.call})
            .add(event.duration_ns);
    }
}

}  // namespace latchkey
