// SPDX-License-Identifier: Apache-2.0
//
// One counters file (RUN/counters/PID): sums that the preload library keeps in a mapped file, so they are
// there after kill -9. The file describes itself: `section` and `field` lines name everything, nothing
// here knows an offset. It is sparse and may be short; what is missing reads as zero.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "analyze/stream.h"

namespace latchkey {

class CountersFile {
  public:
    struct Field {
        std::string name, unit;
        std::uint32_t offset = 0, bytes = 0;
        bool is_text = false;
    };
    struct Section {
        std::uint64_t offset = 0, stride = 0, count = 0;
        std::vector<Field> fields;
        const Field* find(std::string_view name) const;
    };

    /// Opens and reads the schema; on failure problem() says why.
    explicit CountersFile(const std::filesystem::path& path);
    const std::string& problem() const { return problem_; }

    /// The section, empty if the file has none of that name.
    const Section& section(const std::string& name) const;
    std::uint64_t number(const Section& section, std::uint64_t index, const Field& field) const;
    std::uint64_t number(const Section& section, std::uint64_t index, std::string_view field) const;
    std::string text(const Section& section, std::uint64_t index, std::string_view field) const;
    /// True if the record lies in a hole of the file or behind its end: all of it is zero.
    bool is_hole(const Section& section, std::uint64_t index) const;

  private:
    struct Range {
        std::uint64_t begin = 0, end = 0;
    };
    void read_schema(std::string_view schema);
    void find_holes(const std::filesystem::path& path);

    MappedFile file_;
    std::map<std::string, Section> sections_;
    std::vector<Range> data_;
    std::string problem_;
};

}  // namespace latchkey
