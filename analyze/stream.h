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
#include <optional>
#include <string>
#include <utility>
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
    /// Gives a range's pages back. A hint: errors do not matter.
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
    bool advance(const unsigned char* payload_end) {
        if (payload_end == nullptr) [[unlikely]] {
            spoiled();
        } else {
            ++health_.events;
            at_ = payload_end;
        }
        return next_event();
    }

    /// A loss that the packet under the cursor announces, once.
    bool take_loss(LossInterval& loss) {
        loss = loss_;
        return std::exchange(has_loss_, false);
    }

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
    /// Finds the next event of ours; false: there is none.
    bool next_event() {
        return at_ != end_ && read_header() && plan_->id != EventId::count ? true : next_event_slow();
    }
    bool next_event_slow();
    inline bool read_header();
    bool spoiled();
    std::uint64_t value(std::size_t offset, const Slot& slot) const;

    std::filesystem::path path_;
    MappedFile file_;
    const TraceFolder& folder_;
    StreamHealth health_;

    std::size_t offset_ = 0;  // of the packet
    Packet packet_;
    // Of the packet, for each event:
    const EventPlan* plans_ = nullptr;
    std::size_t plan_count_ = 0;
    std::uint64_t limit_ns_ = UINT64_MAX;  // no event is later
    std::size_t context_bytes_ = 0;
    std::optional<std::uint32_t> vpid_offset_, vtid_offset_;
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

/// Reads the event's header and context. False: it makes no sense, the packet is left.
inline bool StreamCursor::read_header() {
    constexpr std::uint32_t kExtended = 65535;
    constexpr std::size_t kSmall = 6, kLarge = 14;
    constexpr std::uint64_t kWrap = std::uint64_t{1} << 32;
    const auto left = static_cast<std::size_t>(end_ - at_);
    if (left < kSmall + context_bytes_) return spoiled();
    std::uint32_t id = load<std::uint16_t>(at_);
    if (id != kExtended) [[likely]] {
        const std::uint64_t time = (timestamp_ & ~(kWrap - 1)) | load<std::uint32_t>(at_ + 2);
        timestamp_ = time < timestamp_ ? time + kWrap : time;
        at_ += kSmall;
    } else {
        if (left < kLarge + context_bytes_) return spoiled();
        id = load<std::uint32_t>(at_ + 2);
        timestamp_ = load<std::uint64_t>(at_ + 6);
        at_ += kLarge;
    }
    if (id >= plan_count_ || !plans_[id].known || timestamp_ > limit_ns_) [[unlikely]]
        return spoiled();
    plan_ = &plans_[id];
    if (vpid_offset_) vpid_ = load<std::int32_t>(at_ + *vpid_offset_);
    if (vtid_offset_) vtid_ = load<std::int32_t>(at_ + *vtid_offset_);
    at_ += context_bytes_;
    return true;
}

/// Opens a trace folder; `folder.layout.problem` tells if our decoder cannot read it.
TraceFolder open_folder(const std::filesystem::path& path);

}  // namespace latchkey
