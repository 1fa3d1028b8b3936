// SPDX-License-Identifier: Apache-2.0
//
// File and line of an address, from DWARF. Opening a module's debug information costs up to a second, so
// this is asked for hot places only.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace latchkey {

struct SourceLine {
    std::string file;
    int line = 0;
};

class LineTable {
  public:
    explicit LineTable(const std::filesystem::path& path);
    ~LineTable();
    /// The line of an address relative to the load bias.
    std::optional<SourceLine> find(std::uint64_t address);

  private:
    struct Handle;
    std::unique_ptr<Handle> handle_;
};

}  // namespace latchkey
