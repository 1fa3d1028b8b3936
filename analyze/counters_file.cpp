// SPDX-License-Identifier: Apache-2.0
#include "analyze/counters_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <sstream>

namespace latchkey {

namespace {

constexpr std::string_view kMagic = "LATCHKC1";
constexpr std::uint64_t kMaxRecords = 1u << 20;

/// "u64" -> 8, "char[16]" -> 16 and text, "u64[4]" -> the first of them.
void set_type(CountersFile::Field& field, const std::string& type) {
    field.is_text = type.starts_with("char[");
    if (field.is_text)
        field.bytes = static_cast<std::uint32_t>(std::strtoul(type.c_str() + 5, nullptr, 10));
    else if (type.size() > 1)
        field.bytes = static_cast<std::uint32_t>(std::strtoul(type.c_str() + 1, nullptr, 10)) / 8;
}

}  // namespace

const CountersFile::Field* CountersFile::Section::find(std::string_view name) const {
    const auto found =
        std::find_if(fields.begin(), fields.end(), [&](const Field& f) { return f.name == name; });
    return found == fields.end() ? nullptr : &*found;
}

CountersFile::CountersFile(const std::filesystem::path& path) : file_(path) {
    if (!file_.is_readable()) {
        problem_ = std::strerror(errno);
        return;
    }
    if (file_.size() < 16 || std::memcmp(file_.data(), kMagic.data(), kMagic.size()) != 0) {
        problem_ = "not a counters file";
        return;
    }
    const std::uint64_t offset = load<std::uint32_t>(file_.data() + 8);
    const std::uint64_t bytes = load<std::uint32_t>(file_.data() + 12);
    if (offset + bytes > file_.size()) {
        problem_ = "truncated before the end of its schema";
        return;
    }
    read_schema({reinterpret_cast<const char*>(file_.data() + offset), bytes});
    if (sections_.empty()) problem_ = "no section in its schema";
    find_holes(path);
}

void CountersFile::read_schema(std::string_view schema) {
    std::istringstream lines{std::string(schema)};
    for (std::string line; std::getline(lines, line);) {
        std::istringstream words(line);
        std::string what, name;
        words >> what >> name;
        if (what == "section") {
            Section section;
            words >> section.offset >> section.stride >> section.count;
            section.count = std::min(section.count, kMaxRecords);
            if (words && section.offset < UINT32_MAX && section.stride < UINT32_MAX)
                sections_[name] = section;
        } else if (what == "field") {
            Field field;
            std::string type;
            words >> field.name >> type >> field.offset >> field.unit;
            set_type(field, type);
            const auto section = sections_.find(name);
            const bool fits = section != sections_.end() &&
                              std::uint64_t{field.offset} + field.bytes <= section->second.stride &&
                              (field.is_text || field.bytes <= 8);
            if (fits) section->second.fields.push_back(field);
        }
    }
}

void CountersFile::find_holes(const std::filesystem::path& path) {
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    for (off_t at = 0; fd >= 0;) {
        const off_t begin = lseek(fd, at, SEEK_DATA);
        if (begin < 0) break;
        at = lseek(fd, begin, SEEK_HOLE);
        if (at <= begin) break;
        data_.push_back({static_cast<std::uint64_t>(begin), static_cast<std::uint64_t>(at)});
    }
    if (fd >= 0) close(fd);
    if (data_.empty()) data_.push_back({0, file_.size()});
}

bool CountersFile::is_hole(const Section& section, std::uint64_t index) const {
    const std::uint64_t begin = section.offset + index * section.stride;
    return std::none_of(data_.begin(), data_.end(), [&](const Range& range) {
        return begin < range.end && begin + section.stride > range.begin;
    });
}

const CountersFile::Section& CountersFile::section(const std::string& name) const {
    static const Section kEmpty;
    const auto found = sections_.find(name);
    return found == sections_.end() ? kEmpty : found->second;
}

std::uint64_t CountersFile::number(const Section& section, std::uint64_t index, const Field& field) const {
    const std::uint64_t at = section.offset + index * section.stride + field.offset;
    if (field.is_text || field.bytes > file_.size() || at > file_.size() - field.bytes) return 0;
    std::uint64_t value = 0;
    std::memcpy(&value, file_.data() + at, field.bytes);
    return value;
}

std::uint64_t CountersFile::number(const Section& section, std::uint64_t index, std::string_view name) const {
    const Field* field = section.find(name);
    return field == nullptr ? 0 : number(section, index, *field);
}

std::string CountersFile::text(const Section& section, std::uint64_t index, std::string_view name) const {
    const Field* field = section.find(name);
    if (field == nullptr || !field->is_text) return {};
    const std::uint64_t at = section.offset + index * section.stride + field->offset;
    if (at >= file_.size()) return {};
    const auto* begin = reinterpret_cast<const char*>(file_.data() + at);
    const auto limit = std::min<std::uint64_t>(field->bytes, file_.size() - at);
    return {begin, std::find(begin, begin + limit, '\0')};
}

}  // namespace latchkey
