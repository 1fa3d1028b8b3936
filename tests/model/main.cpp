// SPDX-License-Identifier: Apache-2.0
//
//   model_test GROUP [--schedules N] [--first SEED] [--seed SEED] [--trace STEPS]
//
// Runs a group over N schedules with consecutive seeds, or over the one of --seed. Result in TAP.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tests/model/group.h"
#ifdef LATCHKEY_MUTANTS
#include "mutants.h"
#endif

namespace latchkey::model {

namespace {

constexpr Group kGroups[] = {
    {"mutex", "mutual exclusion, wake-ups, hand-over, time-outs, destruction", &run_mutex_schedule},
    {"condvar", "each signal ends one wait, of those that had begun", &run_condvar_schedule},
    {"queue", "producers and consumers; destruction right after the last broadcast", &run_queue_schedule},
    {"rwlock", "readers and writers, both kinds", &run_rwlock_schedule},
    {"fork", "the child: what no dead thread held works", &run_fork_schedule},
    {"signal", "signal handlers on top of the runtime", &run_signal_schedule},
    {"slot", "slots are claimed, released and used again", &run_slot_schedule},
    {"handoff", "how often a waiter is passed over", &run_handoff_schedule},
};

struct Options {
    const Group* group = nullptr;
    uint64_t schedules = 100'000;
    uint64_t first = 1;
    bool is_replay = false;
};

bool parse(int count, char** arguments, Options& options) {
    for (int i = 1; i < count; i++) {
        const std::string argument = arguments[i];
        if (argument.rfind("--", 0) != 0) {
            for (const Group& group : kGroups)
                if (argument == group.name) options.group = &group;
            continue;
        }
        if (i + 1 == count) return false;
        const uint64_t value = std::strtoull(arguments[++i], nullptr, 0);
        if (argument == "--schedules") {
            options.schedules = value;
        } else if (argument == "--first") {
            options.first = value;
        } else if (argument == "--seed") {
            options.first = value;
            options.schedules = 1;
            options.is_replay = true;
#ifdef LATCHKEY_MUTANTS
        } else if (argument == "--mutant") {
            if (std::find(std::begin(kMutants), std::end(kMutants), static_cast<int>(value)) ==
                std::end(kMutants))
                return false;
            mutant = static_cast<int>(value);
#endif
        } else if (argument == "--trace") {
            scheduler.trace_length = value;
        } else {
            return false;
        }
    }
    return options.group != nullptr;
}

int run(const Options& options) {
    const Group& group = *options.group;
    scheduler.group = group.name;
    std::printf("1..1\n");
    for (uint64_t i = 0; i < options.schedules; i++) {
        scheduler.begin(options.first + i);
        group.run_schedule();
        scheduler.end();
    }
    std::printf("# %s: %llu schedules, %llu steps, %llu switches\n", group.name,
                static_cast<unsigned long long>(options.schedules),
                static_cast<unsigned long long>(scheduler.total_steps),
                static_cast<unsigned long long>(scheduler.total_switches));
    const bool has_met_all = Met::report(group.name) || options.schedules < 10'000;
    std::printf("%sok 1 - %s: %s\n", has_met_all ? "" : "not ", group.name, group.about);
    return has_met_all ? 0 : 1;
}

}  // namespace

Met* Met::first_ = nullptr;

Met::Met(const char* group, const char* what) : group_(group), what_(what), next_(first_) {
    first_ = this;
}

bool Met::report(const char* group) {
    bool has_met_all = true;
    for (const Met* met = first_; met != nullptr; met = met->next_) {
        if (std::strcmp(met->group_, group) != 0) continue;
        std::printf("#   %llu %s\n", static_cast<unsigned long long>(met->count_), met->what_);
        has_met_all &= met->count_ != 0;
    }
    return has_met_all;
}

}  // namespace latchkey::model

int main(int count, char** arguments) {
    latchkey::model::Options options;
    if (!latchkey::model::parse(count, arguments, options)) {
        std::fprintf(
            stderr, "usage: model_test GROUP [--schedules N] [--first SEED] [--seed SEED] [--trace STEPS]\n");
        return 2;
    }
    return latchkey::model::run(options);
}
