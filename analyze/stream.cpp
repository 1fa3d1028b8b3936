// SPDX-License-Identifier: Apache-2.0
#include "analyze/stream.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <utility>

namespace latchkey {

namespace {

constexpr std::uint32_t kMagic = 0xc1fc1fc1;
constexpr std::size_t kPage = 4096;
constexpr std::uint32_t kMaxEventId = 65535;

std::int32_t number_of(const std::map<std::string, std::string>& map, const std::string& key) {
    std::int32_t value = 0;
    if (const auto found = map.find(key); found != map.end())
        std::from_chars(found->second.data(), found->second.data() + found->second.size(), value);
    return value;
}

}  // namespace

MappedFile::MappedFile(const std::filesystem::path& path) {
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return;
    struct stat status {};
    readable_ = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
    if (readable_ && status.st_size > 0) {
        const auto bytes = static_cast<std::size_t>(status.st_size);
        void* map = mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
        readable_ = map != MAP_FAILED;
        if (readable_) {
            madvise(map, bytes, MADV_SEQUENTIAL);
            data_ = static_cast<const unsigned char*>(map);
            size_ = bytes;
        }
    }
    close(fd);
}

MappedFile::~MappedFile() {
    if (data_ != nullptr) munmap(const_cast<unsigned char*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      readable_(other.readable_) {}

void MappedFile::drop(std::size_t from, std::size_t to) const {
    from = from / kPage * kPage;
    to = to / kPage * kPage;
    if (to > from) madvise(const_cast<unsigned char*>(data_) + from, to - from, MADV_DONTNEED);
}

TraceFolder open_folder(const std::filesystem::path& path) {
    TraceFolder folder;
    folder.path = path;
    const MappedFile file(path / "metadata");
    const std::string text = metadata_text({reinterpret_cast<const char*>(file.data()), file.size()});
    folder.layout = text.empty() ? assumed_layout() : layout_of(text);
    for (const auto& [stream, layout] : folder.layout.streams) {
        std::vector<EventPlan>& plans = folder.plans[stream];
        for (const auto& [id, event] : layout.events) {
            if (id > kMaxEventId) continue;
            if (plans.size() <= id) plans.resize(id + 1);
            plans[id] = plan_for(event);
        }
    }
    return folder;
}

StreamCursor::StreamCursor(const TraceFolder& folder, const std::filesystem::path& path)
    : path_(path), file_(path), folder_(folder), default_pid_(number_of(folder.layout.environment, "vpid")) {}

std::uint64_t StreamCursor::value(std::size_t offset, const Slot& slot) const {
    std::uint64_t value = 0;
    std::memcpy(&value, file_.data() + offset + slot.offset, std::min<std::size_t>(slot.bytes, sizeof value));
    return value;
}

/// Reads the packet header at offset. False: there is no sensible packet there.
bool StreamCursor::read_packet(std::size_t offset, Packet& packet) const {
    const TraceLayout& trace = folder_.layout;
    const FixedLayout& header = trace.packet_header;
    if (offset > file_.size() || file_.size() - offset < header.bytes) return false;
    if (value(offset, *header.find("magic")) != kMagic) return false;
    if (const auto uuid = header.find("uuid"))
        if (std::memcmp(file_.data() + offset + uuid->offset, trace.uuid.data(), trace.uuid.size()) != 0)
            return false;
    const auto id_slot = header.find("stream_id");
    const auto id = id_slot ? static_cast<std::uint32_t>(value(offset, *id_slot)) : 0;
    const auto stream = trace.streams.find(id);
    if (stream == trace.streams.end()) return false;
    const FixedLayout& context = stream->second.packet_context;
    const std::size_t base = offset + header.bytes;
    if (file_.size() - base < context.bytes) return false;
    const auto field = [&](const char* name) -> std::uint64_t {
        const auto slot = context.find(name);
        return slot ? value(base, *slot) : 0;
    };
    packet.begin_ns = field("timestamp_begin");
    packet.end_ns = field("timestamp_end");
    packet.discarded = field("events_discarded");
    packet.content = field("content_size") / 8;
    packet.bytes = field("packet_size") / 8;
    packet.header = header.bytes + context.bytes;
    packet.layout = &stream->second;
    packet.plans = &folder_.plans.at(id);
    return packet.content >= packet.header && packet.bytes >= packet.content &&
           (packet.end_ns == 0 || packet.end_ns >= packet.begin_ns);
}

/// The first page at or after offset where a packet starts; the file's size if there is none.
std::size_t StreamCursor::find_packet(std::size_t offset) const {
    Packet packet;
    for (offset = (offset + kPage - 1) / kPage * kPage; offset < file_.size(); offset += kPage)
        if (read_packet(offset, packet)) return offset;
    return file_.size();
}

bool StreamCursor::enter_packet(std::size_t offset) {
    for (;;) {
        if (offset >= file_.size()) return false;
        if (read_packet(offset, packet_)) break;
        ++health_.bad_packets;
        offset = find_packet(offset + 1);
    }
    offset_ = offset;
    ++health_.packets;
    const std::size_t available = file_.size() - offset;
    if (available < packet_.bytes) health_.truncated = true;
    at_ = file_.data() + offset + packet_.header;
    end_ = file_.data() + offset + std::min(packet_.content, available);
    timestamp_ = packet_.begin_ns;
    plan_ = nullptr;
    plans_ = packet_.plans->data();
    plan_count_ = packet_.plans->size();
    limit_ns_ = packet_.end_ns != 0 ? packet_.end_ns : UINT64_MAX;
    const FixedLayout& context = packet_.layout->event_context;
    context_bytes_ = context.bytes;
    const auto place = [&](const char* name) -> std::optional<std::uint32_t> {
        const auto slot = context.find(name);
        return slot && slot->bytes == 4 ? std::optional(slot->offset) : std::nullopt;
    };
    vpid_offset_ = place("vpid");
    vtid_offset_ = place("vtid");
    vpid_ = default_pid_;
    if (packet_.discarded > discarded_) {
        if (health_.packets == 1) health_.lost += packet_.discarded;
        discarded_ = packet_.discarded;
    }
    // The count is sampled when a packet closes; the loss lies between this packet and the next.
    Packet next;
    if (read_packet(offset + packet_.bytes, next) && next.discarded > discarded_) {
        health_.lost += next.discarded - discarded_;
        loss_ = {packet_.end_ns, std::max(next.begin_ns, packet_.end_ns)};
        has_loss_ = true;
    }
    return true;
}

bool StreamCursor::leave_packet() {
    const std::size_t next = offset_ + packet_.bytes;
    file_.drop(offset_, std::min(next, file_.size()));
    return next > offset_ && enter_packet(next);
}

bool StreamCursor::spoiled() {
    const bool is_cut = packet_.bytes > file_.size() - offset_;  // said by `truncated` already
    health_.bad_packets += !is_cut;
    at_ = end_;
    return false;
}

/// next_event() at a packet's end, behind damage or at a foreign event: enters packets, skips what is not
/// ours.
bool StreamCursor::next_event_slow() {
    for (;;) {
        if (at_ != end_ && plan_ != nullptr && plan_->id == EventId::count) {
            ++health_.foreign;
            at_ = skip_event(*plan_, at_, end_);
            if (at_ == nullptr) spoiled();
        }
        plan_ = nullptr;
        if (at_ == end_ && !leave_packet()) return false;
        if (at_ != end_ && read_header() && plan_->id != EventId::count) return true;
    }
}

}  // namespace latchkey
