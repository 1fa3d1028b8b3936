// SPDX-License-Identifier: Apache-2.0
//
// Names of addresses inside one ELF file: an index of .symtab and .dynsym, sorted once, searched by
// bisection (0.1 us per address; libdwfl takes 150 us). Separate debug files in the usual place are used
// too. Lines come from DWARF only when asked for (lines.h).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace latchkey {

class ElfSymbols {
  public:
    struct Symbol {
        std::uint64_t begin = 0, end = 0;
        std::uint32_t name = 0;  // offset in names_
        bool is_function = false;
        std::uint8_t rank = 0;  // lower is the better name for the same place
    };

    /// Reads the file's symbols. A missing or foreign file (other build id) leaves it empty: see is_match().
    ElfSymbols(const std::filesystem::path& path, const std::string& build_id);

    /// False: there is no such file, or not the one that ran.
    bool is_match() const { return match_; }
    /// The file that has the DWARF: the ELF file itself or its separate debug file.
    const std::filesystem::path& debug_path() const { return debug_path_; }

    /// The symbol that covers the address (relative to the load bias), or null.
    const Symbol* function_at(std::uint64_t address) const { return find(functions_, address); }
    const Symbol* object_at(std::uint64_t address) const { return find(objects_, address); }
    /// The symbol's name as the linker knows it.
    const char* name(const Symbol& symbol) const { return names_.data() + symbol.name; }

  private:
    static const Symbol* find(const std::vector<Symbol>& symbols, std::uint64_t address);
    bool add_file(const std::filesystem::path& path, const std::string& build_id);
    void sort();

    std::vector<Symbol> functions_, objects_;
    std::string names_;
    std::filesystem::path debug_path_;
    bool match_ = false;
};

/// Demangles and shortens: no arguments, no template arguments, no return type.
/// "std::vector<int>::push_back(int&&)" -> "std::vector::push_back".
std::string short_name(const std::string& linker_name);

}  // namespace latchkey
