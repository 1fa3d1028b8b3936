// SPDX-License-Identifier: Apache-2.0
//
// Addresses of the traced processes -> places in the program (rows of `sites` and `stacks`). A place is
// named once for all processes that map the same file.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "analyze/lines.h"
#include "analyze/symbols.h"
#include "analyze/world.h"

namespace latchkey {

struct Site {
    std::string name;      // "function+0x1c", or "module+0x1234" without a symbol
    std::string function;  // empty: no symbol
    std::string module;    // base name of the file
    std::uint64_t offset = 0;
    std::uint64_t heat = 0;  // ns, orders the look-up of lines
    std::optional<SourceLine> line;
    std::uint32_t file = 0;  // index of the ELF file
};

class Places {
  public:
    explicit Places(World& world) : world_(world) {}

    /// The site of a return address; 0: none (address 0 or kOtherSite have their own meaning, see below).
    std::uint32_t call_site(std::uint32_t process, std::uint64_t address) {
        return site(process, address, true);
    }
    /// The site of a function's entry.
    std::uint32_t entry_site(std::uint32_t process, std::uint64_t address) {
        return site(process, address, false);
    }
    /// Sites of a stack's frames, innermost first, without Latchkey's own frames.
    std::vector<std::uint32_t> frames(std::uint32_t process, std::uint32_t stack);
    /// The row of a stack; 0: none.
    std::uint32_t stack(std::uint32_t process, std::uint32_t stack);
    /// "symbol" or "symbol+0x8" of an address in a module's data, if it lies in one.
    struct Variable {
        std::string name;
        bool has_symbol = false;
    };
    std::optional<Variable> variable(std::uint32_t process, std::uint64_t address);

    const Site& at(std::uint32_t site) const { return sites_[site - 1]; }
    std::size_t size() const { return sites_.size(); }
    void heat(std::uint32_t site, std::uint64_t ns);
    const std::vector<std::string>& stacks() const { return stacks_; }
    /// Looks up lines of the hottest sites whose files have debug information.
    void find_lines();

    std::uint64_t unresolved_sites() const;
    std::uint64_t unresolved_stacks() const { return unresolved_stacks_; }
    /// Files that are not what ran (missing, or another build id).
    std::vector<std::string> mismatched() const;

  private:
    struct File {
        std::string path;
        std::unique_ptr<ElfSymbols> symbols;
    };

    std::uint32_t site(std::uint32_t process, std::uint64_t address, bool is_return);
    std::uint32_t other_site();
    const Module* module_at(std::uint32_t process, std::uint64_t address) const;
    std::uint32_t file_of(const Module& module);
    std::uint32_t intern(Site site);

    World& world_;
    std::vector<Site> sites_;
    std::map<std::string, std::uint32_t> by_name_;  // module and name -> site
    FlatMap<std::uint64_t, std::uint32_t> known_;   // process, address, kind -> site
    std::vector<File> files_;
    std::map<std::string, std::uint32_t> file_ids_;  // path and build id
    std::vector<std::string> stacks_;                // site ids joined by commas
    std::map<std::string, std::uint32_t> stack_ids_;
    FlatMap<std::uint64_t, std::uint32_t> known_stacks_;
    std::uint64_t unresolved_stacks_ = 0;
};

}  // namespace latchkey
