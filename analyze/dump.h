// SPDX-License-Identifier: Apache-2.0
//
// The handler behind --dump: one line of text per event, the same for both readers.
#pragma once

#include <cinttypes>
#include <cstdint>
#include <cstdio>

#include "analyze/events.h"
#include "analyze/world.h"

namespace latchkey {

/// Writes " name=value" for each field of a record.
class FieldPrinter {
  public:
    explicit FieldPrinter(std::FILE* out) : out_(out) {}

    template <typename T>
    void number(std::string_view name, T value) {
        label(name);
        print(value);
    }
    void text(std::string_view name, std::string_view value) {
        label(name);
        std::fputc('"', out_);
        for (const char c : value) {
            if (c >= ' ' && c != '"' && c != '\\' && c != 127)
                std::fputc(c, out_);
            else
                std::fprintf(out_, "\\x%02x", static_cast<unsigned>(static_cast<unsigned char>(c)));
        }
        std::fputc('"', out_);
    }
    template <typename T>
    void sequence(std::string_view name, const Sequence<T>& value) {
        label(name);
        std::fputc('[', out_);
        for (std::uint32_t i = 0; i < value.count; ++i) {
            if (i != 0) std::fputc(',', out_);
            print(value[i]);
        }
        std::fputc(']', out_);
    }

  private:
    void label(std::string_view name) {
        std::fprintf(out_, " %.*s=", static_cast<int>(name.size()), name.data());
    }
    template <typename T>
    void print(T value) {
        if constexpr (std::is_signed_v<T>)
            std::fprintf(out_, "%" PRId64, static_cast<std::int64_t>(value));
        else
            std::fprintf(out_, "%" PRIu64, static_cast<std::uint64_t>(value));
    }

    std::FILE* out_;
};

class Dump {
  public:
    explicit Dump(std::FILE* out) : out_(out) {}

    template <typename Record>
    void event(Source&, std::uint64_t ts, std::int32_t vpid, std::int32_t vtid, Record& record) {
        std::fprintf(out_, "%" PRIu64 " %d %d %.*s", ts, vpid, vtid, static_cast<int>(Record::kName.size()),
                     Record::kName.data());
        FieldPrinter printer(out_);
        for_each_field(record, printer);
        std::fputc('\n', out_);
    }
    void loss(std::uint32_t, const LossInterval&) {}

  private:
    std::FILE* out_;
};

}  // namespace latchkey
