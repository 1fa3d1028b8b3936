// SPDX-License-Identifier: Apache-2.0
//
// One analysis from run directory to result.db: the passes in order.
#pragma once

#include <filesystem>

namespace latchkey {

enum class ReaderChoice { automatic, own, babeltrace2 };

struct Options {
    std::filesystem::path run;
    std::filesystem::path output;  // empty: RUN/result.db
    ReaderChoice reader = ReaderChoice::automatic;
    bool dump = false;
};

constexpr int kOk = 0;
constexpr int kUsage = 2;
constexpr int kUnusable = 3;

/// Analyses the run, or prints its events. Returns the exit status; says on stderr what failed.
int analyze(const Options& options);

}  // namespace latchkey
