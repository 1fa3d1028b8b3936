// SPDX-License-Identifier: Apache-2.0
//
// A cursor over one CTF stream file: packets one after the other, events one after the other.
//
// The file is mapped, each packet's pages are dropped when the cursor has left it, so memory stays at a
// packet per stream. Damage costs as little as possible: an event that makes no sense ends its packet, a
// packet header that makes no sense is skipped to the next page that starts with a good one. What was
// lost is counted in `health`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "analyze/event_plan.h"
#include "analyze/metadata.h"

namespace latchkey {

/// A read-only mapping of a file.
class MappedFile {
  public:
    /// An unreadable or empty file gives an empty mapping; errno tells why.
    explicit MappedFile(const std::filesystem::path& path);
    ~MappedFile();
    MappedFile(MappedFile&& other) noexcept;
    MappedFile& operator=(MappedFile&&) = delete;

    const unsigned char* data() const { return data_; }
    std::size_t size() const { return size_; }
    bool is_readable() const { return readable_; }
    /// Reads a range in at once, or gives its pages back. Hints: errors do not matter.
    void fetch(std::size_t from, std::size_t to) const;
    void drop(std::size_t from, std::size_t to) const;

  private:
    const unsigned char* data_ = nullptr;
    std::size_t size_ = 0;
    bool readable_ = false;
};

/// One trace folder: its layouts and, per stream class, a plan for each event id.
struct TraceFolder {
    std::filesystem::path path;
    TraceLayout layout;
    std::map<std::uint32_t, std::vector<EventPlan>> plans;
};

/// What a stream turned out to be worth.
struct StreamHealth {
    std::uint64_t packets = 0;
    std::uint64_t events = 0;
    std::uint64_t lost = 0;         // events that the tracer discarded
    std::uint64_t foreign = 0;      // events that are not ours
    std::uint64_t bad_packets = 0;  // left early, or whose header made no sense
    bool truncated = false;         // the file ends inside a packet
};

/// The time in which a stream's tracer discarded events.
struct LossInterval {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
};

class StreamCursor {
  public:
    /// The folder must outlive the cursor.
    StreamCursor(const TraceFolder& folder, const std::filesystem::path& path);

    /// Moves to the first event. False: there is none.
    bool start() { return enter_packet(0) && next_event(); }

    // The event under the cursor.
    std::uint64_t timestamp() const { return timestamp_; }
    const EventPlan& plan() const { return *plan_; }
    const unsigned char* payload() const { return at_; }
    const unsigned char* packet_end() const { return end_; }
    std::int32_t vpid() const { return vpid_; }
    std::int32_t vtid() const { return vtid_; }

    /// Moves on from an event whose payload ended there; null: it did not fit, leave the packet.
    bool advance(const unsigned char* payload_end);

    /// A loss that the packet under the cursor announces, once.
    bool take_loss(LossInterval& loss);

    bool is_readable() const { return file_.is_readable(); }
    const std::filesystem::path& path() const { return path_; }
    const StreamHealth& health() const { return health_; }
    const TraceFolder& folder() const { return folder_; }

  private:
    struct Packet {
        std::uint64_t begin_ns = 0, end_ns = 0, discarded = 0;
        std::size_t bytes = 0, content = 0, header = 0;
        const StreamLayout* layout = nullptr;
        const std::vector<EventPlan>* plans = nullptr;
    };

    bool read_packet(std::size_t offset, Packet& packet) const;
    std::size_t find_packet(std::size_t offset) const;
    bool enter_packet(std::size_t offset);
    bool leave_packet();
    bool next_event();
    bool read_header();
    bool spoiled();
    std::uint64_t value(std::size_t offset, const Slot& slot) const;

    std::filesystem::path path_;
    MappedFile file_;
    const TraceFolder& folder_;
    StreamHealth health_;

    std::size_t offset_ = 0;  // of the packet
    Packet packet_;
    Slot vpid_slot_, vtid_slot_;
    std::uint64_t discarded_ = 0;  // the highest count seen
    LossInterval loss_;
    bool has_loss_ = false;

    const unsigned char* at_ = nullptr;
    const unsigned char* end_ = nullptr;
    const EventPlan* plan_ = nullptr;
    std::uint64_t timestamp_ = 0;
    std::int32_t vpid_ = 0, vtid_ = 0;
    std::int32_t default_pid_ = 0;
};

/// Opens a trace folder; `folder.layout.problem` tells if our decoder cannot read it.
TraceFolder open_folder(const std::filesystem::path& path);

}  // namespace latchkey
