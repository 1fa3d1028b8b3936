// SPDX-License-Identifier: Apache-2.0
#include "analyze/fold.h"

#include <algorithm>
#include <map>
#include <tuple>

namespace latchkey {

namespace {

constexpr std::size_t kStacksPerSide = 16;
constexpr std::size_t kPlacesPerSide = 48;

struct RawPlace {
    PlaceRow row;  // stack: the id within `process`
    std::uint32_t process = 0;
};

bool costs_more(const PlaceRow& a, const PlaceRow& b) {
    return std::tuple(a.group, a.side, b.tally.ns, b.tally.count, a.site, a.role, a.stack) <
           std::tuple(b.group, b.side, a.tally.ns, a.tally.count, b.site, b.role, b.stack);
}

std::vector<RawPlace> sorted_raw(Results& results, const BoundedTable<PlaceKey, Tally>& places,
                                 const std::vector<std::uint32_t>& groups,
                                 const std::vector<std::uint32_t>& processes) {
    using Key =
        std::tuple<std::uint32_t, std::uint32_t, std::uint32_t, std::uint32_t, std::uint32_t, std::uint32_t>;
    std::map<Key, Tally> cells;
    const auto& threads = results.analysis.world.threads();
    places.for_each([&](const PlaceKey& key, const Tally& tally) {
        const std::uint32_t process =
            key.thread < threads.size() ? threads[key.thread].process : processes[key.record];
        const std::uint32_t site = results.places.call_site(process, key.site);
        const std::uint32_t role = results.roles.of(key.thread);
        cells[{groups[key.record], key.side, site, role, key.stack == 0 ? 0 : process, key.stack}].merge(
            tally);
    });
    std::vector<RawPlace> raw;
    for (const auto& [key, tally] : cells) {
        const auto [group, side, site, role, process, stack] = key;
        raw.push_back({{group, side, site, stack, role, tally}, process});
    }
    std::sort(raw.begin(), raw.end(),
              [](const RawPlace& a, const RawPlace& b) { return costs_more(a.row, b.row); });
    return raw;
}

/// The rows of one group's side, costliest first; what does not fit becomes one row of "other places".
void append_side(Results& results, std::vector<PlaceRow> side, std::vector<PlaceRow>& rows) {
    std::sort(side.begin(), side.end(), costs_more);
    if (side.size() > kPlacesPerSide) {
        PlaceRow rest = side[kPlacesPerSide];
        rest.site = results.places.call_site(0, kOtherSite);
        rest.stack = rest.role = 0;
        for (std::size_t i = kPlacesPerSide + 1; i < side.size(); ++i) rest.tally.merge(side[i].tally);
        results.folded_rows += side.size() - kPlacesPerSide;
        side.resize(kPlacesPerSide);
        side.push_back(rest);
    }
    rows.insert(rows.end(), side.begin(), side.end());
}

}  // namespace

std::vector<PlaceRow> fold_places(Results& results, const BoundedTable<PlaceKey, Tally>& places,
                                  const std::vector<std::uint32_t>& groups,
                                  const std::vector<std::uint32_t>& processes) {
    const std::vector<RawPlace> raw = sorted_raw(results, places, groups, processes);
    std::vector<PlaceRow> rows;
    for (std::size_t begin = 0; begin < raw.size();) {
        std::map<std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>, Tally> cells;
        std::size_t end = begin;
        const PlaceRow& first = raw[begin].row;
        for (; end < raw.size() && raw[end].row.group == first.group && raw[end].row.side == first.side;
             ++end) {
            const PlaceRow& row = raw[end].row;
            const bool keeps_stack = end - begin < kStacksPerSide;
            const std::uint32_t stack = keeps_stack ? results.places.stack(raw[end].process, row.stack) : 0;
            cells[{row.site, row.role, stack}].merge(row.tally);
        }
        std::vector<PlaceRow> side;
        for (const auto& [key, tally] : cells) {
            const auto [site, role, stack] = key;
            results.places.heat(site, tally.ns);
            side.push_back({first.group, first.side, site, stack, role, tally});
        }
        append_side(results, std::move(side), rows);
        begin = end;
    }
    return rows;
}

std::vector<CostliestStack> costliest_stacks(const Results& results,
                                             const BoundedTable<PlaceKey, Tally>& places,
                                             std::size_t records) {
    std::vector<CostliestStack> best(records);
    const auto& threads = results.analysis.world.threads();
    places.for_each([&](const PlaceKey& key, const Tally& tally) {
        if (key.side != 0 || key.stack == 0 || key.thread >= threads.size() || tally.ns < best[key.record].ns)
            return;
        best[key.record] = {threads[key.thread].process, key.stack, tally.ns};
    });
    return best;
}

Grouping group_records(const std::vector<std::string>& names, const std::vector<std::uint64_t>& weights,
                       std::size_t limit) {
    struct Group {
        std::uint64_t weight = 0;
        std::vector<std::uint32_t> records;
    };
    std::map<std::string, Group> groups;
    for (std::uint32_t i = 0; i < names.size(); ++i) {
        Group& group = groups[names[i]];
        group.weight += weights[i];
        group.records.push_back(i);
    }
    std::vector<const Group*> sorted;
    for (const auto& [name, group] : groups) sorted.push_back(&group);
    std::stable_sort(sorted.begin(), sorted.end(),
                     [](const Group* a, const Group* b) { return a->weight > b->weight; });
    Grouping result;
    result.row_of.resize(names.size());
    result.is_cut = sorted.size() > limit;
    for (const Group* group : sorted) {
        if (result.order.size() < limit) result.order.emplace_back();
        std::vector<std::uint32_t>& row = result.order.back();
        for (const std::uint32_t record : group->records) {
            row.push_back(record);
            result.row_of[record] = static_cast<std::uint32_t>(result.order.size());
        }
    }
    return result;
}

}  // namespace latchkey
