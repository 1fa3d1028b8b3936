// SPDX-License-Identifier: Apache-2.0
//
// Run directories for tests: run.json, and counters files as the preload library maps them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace latchkey::testing {

/// A directory that is removed with everything in it.
class TemporaryDirectory {
  public:
    TemporaryDirectory();
    ~TemporaryDirectory();
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    const std::filesystem::path& path() const { return path_; }

  private:
    std::filesystem::path path_;
};

/// Writes DIRECTORY/run.json of a finished run. runtime: what was asked for; empty: no such option yet.
void write_run_json(const std::filesystem::path& directory, const std::string& level,
                    const std::string& runtime = {});

/// One counters file: numbers and texts by section, record and field name; what is not set is zero.
class CountersWriter {
  public:
    void set(const std::string& section, std::uint64_t record, const std::string& field, std::uint64_t value);
    void set(const std::string& section, std::uint64_t record, const std::string& field,
             const std::string& text);
    void write(const std::filesystem::path& path) const;

  private:
    struct Record {
        std::map<std::string, std::uint64_t> numbers;
        std::map<std::string, std::string> texts;
    };
    std::map<std::string, std::map<std::uint64_t, Record>> sections_;
};

}  // namespace latchkey::testing
