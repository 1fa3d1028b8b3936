// SPDX-License-Identifier: Apache-2.0
#include "analyze/live.h"

#include <elf.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace latchkey {

namespace {

namespace fs = std::filesystem;

/// What is added to the addresses of a file's symbols when it is mapped from `begin` on.
std::uint64_t bias_of(const std::string& path, std::uint64_t begin) {
    std::array<char, sizeof(Elf64_Ehdr)> bytes{};
    std::ifstream(path, std::ios::binary).read(bytes.data(), bytes.size());
    Elf64_Ehdr header;
    std::memcpy(&header, bytes.data(), sizeof header);
    return header.e_type == ET_EXEC ? 0 : begin;
}

fs::path proc(std::uint32_t pid) {
    return fs::path("/proc") / std::to_string(pid);
}

bool is_same_program(const Process& process) {
    std::error_code error;
    const fs::path exe = fs::read_symlink(proc(process.pid) / "exe", error);
    return !error && exe == process.exe;
}

/// One line: "begin-end perms offset device inode path".
void add_mapping(const std::string& line, Process& process) {
    std::istringstream words(line);
    std::uint64_t begin = 0, end = 0;
    std::string permissions, offset, device, inode, path;
    char dash = 0;
    words >> std::hex >> begin >> dash >> end >> permissions >> offset >> device >> inode >> path;
    if (!words || path.empty() || path.front() != '/') {
        // Uninitialised data lies behind the file's last segment, without a name.
        if (path.empty() && !process.modules.empty() && process.modules.back().end == begin)
            process.modules.back().end = end;
        return;
    }
    if (!process.modules.empty() && process.modules.back().path == path)
        process.modules.back().end = end;
    else
        process.modules.push_back({bias_of(path, begin), begin, end, {}, path});
}

}  // namespace

void add_live_facts(World& world) {
    std::vector<bool> is_live;
    for (Process& process : world.processes()) {
        is_live.push_back(!process.exited && is_same_program(process));
        if (!is_live.back() || !process.modules.empty()) continue;
        std::ifstream maps(proc(process.pid) / "maps");
        for (std::string line; std::getline(maps, line);) add_mapping(line, process);
    }
    for (Thread& thread : world.threads()) {
        if (!is_live[thread.process] || thread.cpu_ns != 0) continue;
        const std::uint32_t pid = world.processes()[thread.process].pid;
        std::ifstream schedule(proc(pid) / "task" / std::to_string(thread.tid) / "schedstat");
        schedule >> thread.cpu_ns;  // its first number; a thread that is gone keeps 0
    }
}

}  // namespace latchkey
