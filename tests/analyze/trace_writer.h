// SPDX-License-Identifier: Apache-2.0
//
// Writes CTF traces as LTTng-UST 2.13 does, from preload/events.def: metadata, packets, the large event
// header, contexts vpid and vtid. With it tests make any schedule they like without a tracer.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <type_traits>
#include <vector>

#include "analyze/events.h"

namespace latchkey::testing {

/// Appends a record's fields in wire form.
class WireWriter {
  public:
    explicit WireWriter(std::vector<unsigned char>& bytes) : bytes_(bytes) {}

    template <typename T>
    void number(std::string_view, const T& value) {
        const std::size_t at = bytes_.size();
        bytes_.resize(at + sizeof value);
        std::memcpy(bytes_.data() + at, &value, sizeof value);
    }
    void text(std::string_view, const std::string_view& value) {
        bytes_.insert(bytes_.end(), value.begin(), value.end());
        bytes_.push_back(0);
    }
    template <typename T>
    void sequence(std::string_view name, const Sequence<T>& value) {
        number(name, value.count);
        if (value.count != 0) bytes_.insert(bytes_.end(), value.data, value.data + value.count * sizeof(T));
    }

  private:
    std::vector<unsigned char>& bytes_;
};

/// A sequence over a container of integers that outlives it.
template <typename T>
Sequence<T> sequence_of(const std::vector<T>& values) {
    return {reinterpret_cast<const unsigned char*>(values.data()), static_cast<std::uint32_t>(values.size())};
}

/// The TSDL text for all events of the table, with the given trace uuid and pid.
std::string metadata_text_for(const std::string& uuid, std::uint32_t pid);

class TraceWriter {
  public:
    static constexpr std::size_t kHeaderBytes = 84;

    /// Creates the folder with `streams` stream files whose packets are at most packet_bytes long.
    TraceWriter(std::filesystem::path folder, std::size_t streams, std::uint32_t pid,
                std::size_t packet_bytes = 4096);
    ~TraceWriter() { finish(); }

    /// Appends an event; its time must not be before the stream's last one.
    template <typename Record>
    void emit(std::size_t stream, std::uint64_t ts, std::int32_t vpid, std::int32_t vtid, Record event) {
        body_.clear();
        WireWriter writer(body_);
        for_each_field(event, writer);
        append(streams_[stream], static_cast<std::uint16_t>(Record::kId), ts, vpid, vtid);
    }

    /// The tracer discarded events in the stream after what was written so far: closes the packet, counts.
    void lose(std::size_t stream, std::uint64_t events);
    /// Writes what is left. No event may follow.
    void finish();

  private:
    struct Stream {
        std::ofstream file;
        std::vector<unsigned char> packet;
        std::uint64_t begin_ns = 0, last_ns = 0, discarded = 0, sequence = 0;
        std::uint32_t cpu = 0;
        bool has_events = false;
    };

    void append(Stream& stream, std::uint16_t id, std::uint64_t ts, std::int32_t vpid, std::int32_t vtid);
    void flush(Stream& stream);

    std::filesystem::path folder_;
    std::size_t packet_bytes_;
    std::vector<Stream> streams_;
    std::vector<unsigned char> body_;
};

}  // namespace latchkey::testing
