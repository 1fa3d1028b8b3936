// SPDX-License-Identifier: Apache-2.0
#include "analyze/calls.h"
#include "analyze/store.h"

namespace latchkey {

namespace {

constexpr std::size_t kMaxModules = 5000;

void store_modules(Results& results) {
    Rows rows(results.db, "modules", 7);
    std::size_t id = 0;
    for (const Process& process : results.analysis.world.processes()) {
        for (const Module& m : process.modules) {
            if (++id > kMaxModules) {
                ++results.folded_rows;
                continue;
            }
            rows(std::uint64_t{id}, std::uint64_t{process.index} + 1, m.base, m.begin, m.end, m.path,
                 m.build_id);
        }
    }
}

void store_priorities(Results& results) {
    Rows rows(results.db, "priorities", 8);
    results.analysis.priorities.for_each([&](const PriorityKey& key, std::uint64_t count) {
        rows(std::uint64_t{key.process} + 1, key.tid, call_of(key.call).name, key.target, key.value,
             key.result, row_or_null(results.places.call_site(key.process, key.site)), count);
    });
}

void store_places(Results& results) {
    results.places.find_lines();
    Rows sites(results.db, "sites", 7);
    for (std::uint32_t id = 1; id <= results.places.size(); ++id) {
        const Site& site = results.places.at(id);
        const auto text = [](const std::string& value) {
            return value.empty() ? std::nullopt : std::optional<std::string>(value);
        };
        if (site.line)
            sites(id, site.name, text(site.function), text(site.module), site.offset, site.line->file,
                  site.line->line);
        else
            sites(id, site.name, text(site.function), text(site.module), site.offset, nullptr, nullptr);
    }
    Rows stacks(results.db, "stacks", 2);
    const std::vector<std::string>& frames = results.places.stacks();
    for (std::size_t i = 0; i < frames.size(); ++i) stacks(std::uint64_t{i + 1}, frames[i]);
}

}  // namespace

void store_program(Results& results) {
    store_modules(results);
    store_priorities(results);
    store_places(results);
}

}  // namespace latchkey
