// SPDX-License-Identifier: Apache-2.0
#include "analyze/places.h"

#include <algorithm>
#include <cstdio>

namespace latchkey {

namespace {

constexpr std::size_t kHotSites = 200;
constexpr std::string_view kOwnLibrary = "liblatchkey";
constexpr const char* kOtherName = "(other places)";

std::string base_name(const std::string& path) {
    return path.substr(path.rfind('/') + 1);
}

std::string plus(const std::string& name, std::uint64_t offset) {
    char text[24];
    std::snprintf(text, sizeof text, "+0x%llx", static_cast<unsigned long long>(offset));
    return name + text;
}

}  // namespace

const Module* Places::module_at(std::uint32_t process, std::uint64_t address) const {
    for (const Process* at = &world_.processes()[process]; at != nullptr; at = world_.parent_of(*at)) {
        // The latest mapping of the range counts: modules are unloaded and others loaded in their place.
        for (auto module = at->modules.rbegin(); module != at->modules.rend(); ++module)
            if (address >= module->begin && address < module->end) return &*module;
    }
    return nullptr;
}

std::uint32_t Places::file_of(const Module& module) {
    const auto [found, fresh] =
        file_ids_.emplace(module.path + '\n' + module.build_id, static_cast<std::uint32_t>(files_.size()));
    if (fresh) files_.push_back({module.path, std::make_unique<ElfSymbols>(module.path, module.build_id)});
    return found->second;
}

std::uint32_t Places::intern(Site site) {
    const auto [found, fresh] =
        by_name_.emplace(site.module + '\n' + site.name, static_cast<std::uint32_t>(sites_.size() + 1));
    if (fresh) sites_.push_back(std::move(site));
    return found->second;
}

std::uint32_t Places::other_site() {
    Site other;
    other.name = kOtherName;
    other.function = kOtherName;
    return intern(std::move(other));
}

std::uint32_t Places::site(std::uint32_t process, std::uint64_t address, bool is_return) {
    if (address == 0 || process >= world_.processes().size()) return 0;
    if (address == kOtherSite) return other_site();
    const std::uint64_t key = mix(address, std::uint64_t{process} << 1 | (is_return ? 1 : 0));
    if (const std::uint32_t* known = known_.find(key)) return *known;
    Site site;
    if (const Module* module = module_at(process, address)) {
        site.file = file_of(*module);
        site.module = base_name(module->path);
        site.offset = address - module->base;
        const ElfSymbols& symbols = *files_[site.file].symbols;
        // A return address may be the first byte after its function: look one byte before.
        const ElfSymbols::Symbol* symbol = symbols.function_at(site.offset - (is_return ? 1 : 0));
        if (symbol != nullptr) site.function = short_name(symbols.name(*symbol));
        site.name = symbol == nullptr ? plus(site.module, site.offset)
                    : is_return       ? plus(site.function, site.offset - symbol->begin)
                                      : site.function;
    } else {
        site.name = plus("", address).substr(1);
        site.offset = address;
    }
    const std::uint32_t id = intern(std::move(site));
    known_[key] = id;
    return id;
}

std::vector<std::uint32_t> Places::frames(std::uint32_t process, std::uint32_t stack) {
    std::vector<std::uint32_t> sites;
    if (stack == 0 || process >= world_.processes().size()) return sites;
    for (const std::uint64_t address : world_.frames(world_.processes()[process], stack)) {
        const std::uint32_t id = call_site(process, address);
        if (id != 0 && !at(id).module.starts_with(kOwnLibrary)) sites.push_back(id);
    }
    return sites;
}

std::uint32_t Places::stack(std::uint32_t process, std::uint32_t stack) {
    if (stack == 0) return 0;
    const std::uint64_t key = std::uint64_t{process} << 32 | stack;
    if (const std::uint32_t* known = known_stacks_.find(key)) return *known;
    std::string joined;
    for (const std::uint32_t id : frames(process, stack)) {
        if (!joined.empty()) joined.push_back(',');
        joined += std::to_string(id);
    }
    std::uint32_t row = 0;
    if (joined.empty()) {
        ++unresolved_stacks_;
    } else {
        const auto [found, fresh] =
            stack_ids_.emplace(joined, static_cast<std::uint32_t>(stacks_.size() + 1));
        if (fresh) stacks_.push_back(joined);
        row = found->second;
    }
    return known_stacks_[key] = row;
}

std::optional<Places::Variable> Places::variable(std::uint32_t process, std::uint64_t address) {
    const Module* module = address == 0 ? nullptr : module_at(process, address);
    if (module == nullptr) return std::nullopt;
    const ElfSymbols& symbols = *files_[file_of(*module)].symbols;
    const ElfSymbols::Symbol* symbol = symbols.object_at(address - module->base);
    if (symbol == nullptr) return Variable{plus(base_name(module->path), address - module->base), false};
    const std::uint64_t offset = address - module->base - symbol->begin;
    const std::string name = short_name(symbols.name(*symbol));
    return Variable{offset == 0 ? name : plus(name, offset), true};
}

void Places::heat(std::uint32_t site, std::uint64_t ns) {
    if (site != 0) sites_[site - 1].heat += ns;
}

void Places::find_lines() {
    std::vector<Site*> hot;
    for (Site& site : sites_)
        if (site.heat != 0 && !site.function.empty() && !site.module.empty() &&
            !files_[site.file].symbols->debug_path().empty())
            hot.push_back(&site);
    std::sort(hot.begin(), hot.end(), [](const Site* a, const Site* b) { return a->heat > b->heat; });
    hot.resize(std::min(hot.size(), kHotSites));
    std::map<std::uint32_t, LineTable> tables;
    for (Site* site : hot) {
        auto& table = tables.try_emplace(site->file, files_[site->file].symbols->debug_path()).first->second;
        site->line = table.find(site->offset - 1);
    }
}

std::uint64_t Places::unresolved_sites() const {
    return static_cast<std::uint64_t>(
        std::count_if(sites_.begin(), sites_.end(), [](const Site& site) { return site.function.empty(); }));
}

std::vector<std::string> Places::mismatched() const {
    std::vector<std::string> paths;
    for (const File& file : files_)
        if (!file.symbols->is_match()) paths.push_back(file.path);
    return paths;
}

}  // namespace latchkey
