// SPDX-License-Identifier: Apache-2.0
#include "analyze/lines.h"

#include <elfutils/libdw.h>
#include <fcntl.h>
#include <unistd.h>

namespace latchkey {

struct LineTable::Handle {
    int fd = -1;
    Dwarf* dwarf = nullptr;
};

LineTable::LineTable(const std::filesystem::path& path) : handle_(std::make_unique<Handle>()) {
    handle_->fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (handle_->fd >= 0) handle_->dwarf = dwarf_begin(handle_->fd, DWARF_C_READ);
}

LineTable::~LineTable() {
    dwarf_end(handle_->dwarf);
    if (handle_->fd >= 0) close(handle_->fd);
}

std::optional<SourceLine> LineTable::find(std::uint64_t address) {
    Dwarf_Die unit;
    if (handle_->dwarf == nullptr || dwarf_addrdie(handle_->dwarf, address, &unit) == nullptr)
        return std::nullopt;
    Dwarf_Line* line = dwarf_getsrc_die(&unit, address);
    int number = 0;
    const char* file = line != nullptr ? dwarf_linesrc(line, nullptr, nullptr) : nullptr;
    if (file == nullptr || dwarf_lineno(line, &number) != 0) return std::nullopt;
    return SourceLine{file, number};
}

}  // namespace latchkey
