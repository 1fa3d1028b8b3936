// SPDX-License-Identifier: Apache-2.0
#include "tests/analyze/run_writer.h"

#include <stdlib.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <set>
#include <sstream>

namespace latchkey::testing {

namespace {

constexpr std::uint64_t kTextBytes = 64;
constexpr std::uint64_t kFirstSection = 65536;
constexpr const char* kSections[] = {"process", "file", "thread"};

}  // namespace

TemporaryDirectory::TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "latchkey-test-XXXXXX").string();
    path_ = mkdtemp(name.data());
}

TemporaryDirectory::~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

void write_run_json(const std::filesystem::path& directory, const std::string& level,
                    const std::string& runtime) {
    std::filesystem::create_directories(directory / "counters");
    std::filesystem::create_directories(directory / "trace");
    std::ofstream(directory / "run.json")
        << R"({"format":1,"version":"0.1.0","command":["./program","--fast"],"level":")" << level
        << R"(","options":{"min_wait":"10us")" << (runtime.empty() ? "" : R"(,"runtime":")" + runtime + '"')
        << R"(},"host":"testhost","cpus":2,"started_ns":1700000000000000000,)"
        << R"("finished":"2023-11-14T22:13:30","duration_ns":10000000000,"exit_status":0,"lttng":{"lost_events":0}})";
}

void CountersWriter::set(const std::string& section, std::uint64_t record, const std::string& field,
                         std::uint64_t value) {
    sections_[section][record].numbers[field] = value;
}

void CountersWriter::set(const std::string& section, std::uint64_t record, const std::string& field,
                         const std::string& text) {
    sections_[section][record].texts[field] = text;
}

void CountersWriter::write(const std::filesystem::path& path) const {
    std::ostringstream schema;
    std::map<std::string, std::map<std::string, std::uint64_t>> offsets;
    std::map<std::string, std::pair<std::uint64_t, std::uint64_t>> places;  // offset, stride
    std::uint64_t next = kFirstSection;
    for (const char* name : kSections) {
        const auto found = sections_.find(name);
        if (found == sections_.end()) continue;
        std::uint64_t stride = 0;
        std::ostringstream fields;
        std::set<std::string> numbers, texts;
        for (const auto& [index, record] : found->second) {
            for (const auto& [field, value] : record.numbers) numbers.insert(field);
            for (const auto& [field, value] : record.texts) texts.insert(field);
        }
        for (const std::string& field : numbers) {
            const bool is_plain = field == "state" || field == "pid" || field == "tid" ||
                                  field == "wait_object" || field == "runtime" || field == "handoff";
            const char* unit = is_plain ? "-" : field.ends_with("_ns") ? "ns" : "calls";
            fields << "field " << name << ' ' << field << " u64 " << stride << ' ' << unit << '\n';
            offsets[name][field] = stride;
            stride += 8;
        }
        for (const std::string& field : texts) {
            fields << "field " << name << ' ' << field << " char[" << kTextBytes << "] " << stride << " -\n";
            offsets[name][field] = stride;
            stride += kTextBytes;
        }
        const std::uint64_t count = found->second.rbegin()->first + 1;
        schema << "section " << name << ' ' << next << ' ' << stride << ' ' << count << '\n' << fields.str();
        places[name] = {next, stride};
        next += stride * count;
    }
    std::string bytes(next, '\0');
    const std::string text = schema.str();
    const std::uint32_t header[] = {64, static_cast<std::uint32_t>(text.size())};
    std::memcpy(bytes.data(), "LATCHKC1", 8);
    std::memcpy(&bytes[8], header, sizeof header);
    bytes.replace(64, text.size(), text);
    for (const auto& [name, records] : sections_) {
        for (const auto& [index, record] : records) {
            const std::uint64_t base = places[name].first + index * places[name].second;
            for (const auto& [field, value] : record.numbers)
                std::memcpy(&bytes[base + offsets[name][field]], &value, 8);
            for (const auto& [field, value] : record.texts)
                std::memcpy(&bytes[base + offsets[name][field]], value.data(),
                            std::min<std::size_t>(value.size(), 63));
        }
    }
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << bytes;
}

}  // namespace latchkey::testing
