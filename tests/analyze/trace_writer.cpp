// SPDX-License-Identifier: Apache-2.0
#include "tests/analyze/trace_writer.h"

namespace latchkey::testing {

namespace {

constexpr const char* kUuid = "00112233-4455-6677-8899-aabbccddeeff";
constexpr std::size_t kPage = 4096;

constexpr const char* kHead = R"(/* CTF 1.8 */
typealias integer { size = 8; align = 8; signed = false; } := uint8_t;
typealias integer { size = 16; align = 8; signed = false; } := uint16_t;
typealias integer { size = 32; align = 8; signed = false; } := uint32_t;
typealias integer { size = 64; align = 8; signed = false; } := uint64_t;
typealias integer { size = 64; align = 8; signed = false; } := unsigned long;
typealias integer { size = 5; align = 1; signed = false; } := uint5_t;
typealias integer { size = 27; align = 1; signed = false; } := uint27_t;
trace {
	major = 1;
	minor = 8;
	uuid = "@UUID@";
	byte_order = le;
	packet.header := struct {
		uint32_t magic;
		uint8_t  uuid[16];
		uint32_t stream_id;
		uint64_t stream_instance_id;
	};
};
env {
	domain = "ust";
	tracer_name = "lttng-ust";
	tracer_major = 2;
	tracer_minor = 13;
	tracer_buffering_scheme = "pid";
	hostname = "test";
	vpid = @PID@;
	procname = "test";
};
clock {
	name = "monotonic";
	freq = 1000000000; /* Frequency, in Hz */
	offset = 1700000000000000000;
};
typealias integer { size = 27; align = 1; signed = false; map = clock.monotonic.value; } := uint27_clock_monotonic_t;
typealias integer { size = 32; align = 8; signed = false; map = clock.monotonic.value; } := uint32_clock_monotonic_t;
typealias integer { size = 64; align = 8; signed = false; map = clock.monotonic.value; } := uint64_clock_monotonic_t;
struct packet_context {
	uint64_clock_monotonic_t timestamp_begin;
	uint64_clock_monotonic_t timestamp_end;
	uint64_t content_size;
	uint64_t packet_size;
	uint64_t packet_seq_num;
	unsigned long events_discarded;
	uint32_t cpu_id;
};
struct event_header_large {
	enum : uint16_t { compact = 0 ... 65534, extended = 65535 } id;
	variant <id> {
		struct {
			uint32_clock_monotonic_t timestamp;
		} compact;
		struct {
			uint32_t id;
			uint64_clock_monotonic_t timestamp;
		} extended;
	} v;
} align(8);
stream {
	id = 0;
	event.header := struct event_header_large;
	packet.context := struct packet_context;
	event.context := struct {
		integer { size = 32; align = 8; signed = 1; encoding = none; base = 10; } _vpid;
		integer { size = 32; align = 8; signed = 1; encoding = none; base = 10; } _vtid;
	};
};
)";

/// A visitor that writes field declarations.
class FieldText {
  public:
    std::string text_out;

    template <typename T>
    void number(std::string_view name, const T&) {
        text_out += "\t\t" + integer<T>() + " _" + std::string(name) + ";\n";
    }
    void text(std::string_view name, const std::string_view&) {
        text_out += "\t\tstring _" + std::string(name) + ";\n";
    }
    template <typename T>
    void sequence(std::string_view name, const Sequence<T>&) {
        const std::string length = "__" + std::string(name) + "_length";
        text_out += "\t\t" + integer<std::uint32_t>() + " " + length + ";\n";
        text_out += "\t\t" + integer<T>() + " _" + std::string(name) + "[ " + length + " ];\n";
    }

  private:
    template <typename T>
    static std::string integer() {
        return "integer { size = " + std::to_string(8 * sizeof(T)) +
               "; align = 8; signed = " + (std::is_signed_v<T> ? "1" : "0") +
               "; encoding = none; base = 10; }";
    }
};

void replace(std::string& text, const std::string& from, const std::string& to) {
    text.replace(text.find(from), from.size(), to);
}

template <typename T>
void put(unsigned char* at, T value) {
    std::memcpy(at, &value, sizeof value);
}

}  // namespace

std::string metadata_text_for(const std::string& uuid, std::uint32_t pid) {
    std::string text = kHead;
    replace(text, "@UUID@", uuid);
    replace(text, "@PID@", std::to_string(pid));
    for (std::size_t i = 0; i < kEventCount; ++i) {
        FieldText fields;
        with_record(static_cast<EventId>(i), [&](auto& event) { for_each_field(event, fields); });
        text += "event {\n\tname = \"latchkey:" + std::string(kEventNames[i]) +
                "\";\n\tid = " + std::to_string(i) +
                ";\n\tstream_id = 0;\n\tloglevel = 13;\n\tfields := struct {\n" + fields.text_out +
                "\t};\n};\n";
    }
    return text;
}

TraceWriter::TraceWriter(std::filesystem::path folder, std::size_t streams, std::uint32_t pid,
                         std::size_t packet_bytes)
    : folder_(std::move(folder)), packet_bytes_(packet_bytes), streams_(streams) {
    std::filesystem::create_directories(folder_);
    std::ofstream(folder_ / "metadata") << metadata_text_for(kUuid, pid);
    for (std::size_t i = 0; i < streams; ++i) {
        streams_[i].file.open(folder_ / ("events_" + std::to_string(i)), std::ios::binary);
        streams_[i].cpu = static_cast<std::uint32_t>(i);
    }
}

void TraceWriter::append(Stream& stream, std::uint16_t id, std::uint64_t ts, std::int32_t vpid,
                         std::int32_t vtid) {
    constexpr std::size_t kLargeHeader = 14, kSmallHeader = 6, kContext = 8;
    if (stream.packet.size() + kLargeHeader + kContext + body_.size() > packet_bytes_) flush(stream);
    if (stream.packet.empty()) {
        stream.packet.resize(kHeaderBytes);
        stream.begin_ns = stream.last_ns = ts;
    }
    const bool is_small = ts - stream.last_ns < (std::uint64_t{1} << 32) && stream.has_events;
    std::size_t at = stream.packet.size();
    stream.packet.resize(at + (is_small ? kSmallHeader : kLargeHeader) + kContext + body_.size());
    put<std::uint16_t>(&stream.packet[at], is_small ? id : 65535);
    if (is_small) {
        put(&stream.packet[at + 2], static_cast<std::uint32_t>(ts));
    } else {
        put(&stream.packet[at + 2], std::uint32_t{id});
        put(&stream.packet[at + 6], ts);
    }
    at += is_small ? kSmallHeader : kLargeHeader;
    put(&stream.packet[at], vpid);
    put(&stream.packet[at + 4], vtid);
    if (!body_.empty()) std::memcpy(&stream.packet[at + kContext], body_.data(), body_.size());
    stream.last_ns = ts;
    stream.has_events = true;
}

void TraceWriter::flush(Stream& stream) {
    if (stream.packet.empty()) return;
    const std::uint64_t content = stream.packet.size();
    stream.packet.resize((content + kPage - 1) / kPage * kPage);
    unsigned char* p = stream.packet.data();
    put<std::uint32_t>(p, 0xc1fc1fc1);
    for (unsigned i = 0; i < 16; ++i) p[4 + i] = static_cast<unsigned char>(i * 0x11);
    put<std::uint32_t>(p + 20, 0);
    put<std::uint64_t>(p + 24, stream.cpu);
    put(p + 32, stream.begin_ns);
    put(p + 40, stream.last_ns);
    put(p + 48, content * 8);
    put<std::uint64_t>(p + 56, stream.packet.size() * 8);
    put(p + 64, stream.sequence++);
    put(p + 72, stream.discarded);
    put(p + 80, stream.cpu);
    stream.file.write(reinterpret_cast<const char*>(p), static_cast<std::streamsize>(stream.packet.size()));
    stream.packet.clear();
    stream.has_events = false;
}

void TraceWriter::lose(std::size_t stream, std::uint64_t events) {
    flush(streams_[stream]);
    streams_[stream].discarded += events;
}

void TraceWriter::finish() {
    for (Stream& stream : streams_) {
        flush(stream);
        stream.file.close();
    }
}

}  // namespace latchkey::testing
