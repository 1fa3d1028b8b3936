// SPDX-License-Identifier: Apache-2.0
//
// The text at the start of a counters file that names each field, its type, place and unit: see
// latchkey-counters(5). Composed at compile time from the record types and the tables; readers use nothing
// else.
#include <array>
#include <cstddef>

#include "preload/counters_file.h"

namespace latchkey {
namespace {

constexpr uint32_t kHeaderBytes = 64;
constexpr uint32_t kPage = 4096;
constexpr uint32_t kSchemaSpace = 7 * kPage;

constexpr Sections kSections = [] {
    Sections s{};
    s.schema = kHeaderBytes;
    s.process = kSchemaSpace;
    s.files = s.process + kPage;
    const uint32_t files_end = s.files + CountersFile::kFiles * static_cast<uint32_t>(sizeof(FileRecord));
    s.threads = (files_end + kPage - 1) / kPage * kPage;
    s.total = s.threads + uint64_t{CountersFile::kThreads} * sizeof(ThreadRecord);
    return s;
}();
static_assert(sizeof(ProcessRecord) <= kPage);

struct Writer {
    std::array<char, kSchemaSpace - kHeaderBytes> text{};
    uint32_t bytes = 0;

    constexpr void put(const char* s) {
        while (*s != '\0') text[bytes++] = *s++;
    }
    constexpr void put(uint64_t n) {
        char digits[20]{};
        int count = 0;
        do digits[count++] = static_cast<char>('0' + n % 10);
        while ((n /= 10) != 0);
        while (count > 0) text[bytes++] = digits[--count];
    }
    constexpr void section(const char* name, uint64_t offset, uint64_t stride, uint64_t count) {
        put("section "), put(name), put(" "), put(offset), put(" "), put(stride), put(" "), put(count),
            put("\n");
    }
    constexpr void field(const char* section, const char* prefix, const char* name, const char* type,
                         uint64_t offset, const char* unit) {
        put("field "), put(section), put(" "), put(prefix), put(name), put(" "), put(type), put(" ");
        put(offset), put(" "), put(unit), put("\n");
    }
};

#define FIELD(section, record, name, type, unit) \
    w.field(section, "", #name, type, offsetof(record, name), unit)
#define PROCESS(name, type, unit) FIELD("process", ProcessRecord, name, type, unit)
#define FILE_(name, type, unit) FIELD("file", FileRecord, name, type, unit)
#define THREAD(name, type, unit) FIELD("thread", ThreadRecord, name, type, unit)

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Winvalid-offsetof"

constexpr void put_process(Writer& w) {
    w.section("process", kSections.process, sizeof(ProcessRecord), 1);
    PROCESS(pid, "u32", "-");
    PROCESS(ppid, "u32", "-");
    PROCESS(start_ns, "u64", "ns");
    PROCESS(start_realtime_ns, "u64", "ns");
    PROCESS(end_ns, "u64", "ns");
    PROCESS(cpu_ns, "u64", "ns");
    PROCESS(min_wait_ns, "u64", "ns");
    PROCESS(min_io_ns, "u64", "ns");
    PROCESS(threads_started, "u64", "threads");
    PROCESS(threads_unobserved, "u64", "threads");
    PROCESS(files_overflow, "u64", "descriptors");
    PROCESS(locks_full, "u64", "locks");
    PROCESS(stacks_full, "u64", "stacks");
    PROCESS(bypass_io_uring, "u64", "calls");
    PROCESS(level, "u32", "-");
    PROCESS(held_entry_bytes, "u32", "bytes");
    PROCESS(runtime, "u32", "-");
    PROCESS(handoff, "u32", "-");
    PROCESS(exe, "char[256]", "-");
    PROCESS(title, "char[128]", "-");
    PROCESS(version, "char[32]", "-");
}

constexpr void put_file(Writer& w) {
    w.section("file", kSections.files, sizeof(FileRecord), CountersFile::kFiles);
    FILE_(state, "u32", "-");
    w.field("file", "", "class", "u32", offsetof(FileRecord, file_class), "-");
    FILE_(reads, "u64", "calls");
    FILE_(read_bytes, "u64", "bytes");
    FILE_(read_ns, "u64", "ns");
    FILE_(writes, "u64", "calls");
    FILE_(write_bytes, "u64", "bytes");
    FILE_(write_ns, "u64", "ns");
    FILE_(syncs, "u64", "calls");
    FILE_(sync_ns, "u64", "ns");
    FILE_(others, "u64", "calls");
    FILE_(other_ns, "u64", "ns");
    FILE_(max_ns, "u64", "ns");
    FILE_(under_lock_calls, "u64", "calls");
    FILE_(under_lock_ns, "u64", "ns");
    FILE_(path, "char[160]", "-");
}

constexpr void put_thread(Writer& w) {
    w.section("thread", kSections.threads, sizeof(ThreadRecord), CountersFile::kThreads);
    THREAD(state, "u32", "-");
    THREAD(tid, "u32", "-");
    THREAD(creator, "u32", "-");
    THREAD(start_ns, "u64", "ns");
    THREAD(end_ns, "u64", "ns");
    THREAD(cpu_ns, "u64", "ns");
    THREAD(start_routine, "u64", "address");
    THREAD(create_site, "u64", "address");
    THREAD(name, "char[16]", "-");
    THREAD(wait_object, "u32", "-");
    THREAD(wait_owner, "u32", "-");
    THREAD(wait_address, "u64", "address");
    THREAD(wait_since_ns, "u64", "ns");
    THREAD(wait_site, "u64", "address");
    THREAD(wait_mutex, "u64", "address");
    const uint64_t held = offsetof(ThreadRecord, held);
    w.field("thread", "", "held_count", "u32", held + offsetof(HeldLocks, count), "locks");
    w.field("thread", "", "held", "u64[132]", held + offsetof(HeldLocks, top), "-");
    static_assert(sizeof(HeldLocks::entries) == 128 * sizeof(uint64_t));
#define COUNTER(name, unit, help) \
    w.field("thread", "", #name, "u64", offsetof(ThreadRecord, counters) + k_##name * sizeof(uint64_t), unit);
#include "runtime/counters.def"
#undef COUNTER
#define SYMBOL(group, name, version)          \
    w.field("thread", "calls.", #name, "u64", \
            offsetof(ThreadRecord, calls) + kCall_##name * sizeof(uint64_t), "calls");
#define SYMBOL_AS(group, name, version, ...) SYMBOL(group, name, version)
#include "preload/symbols.def"
#undef SYMBOL
#undef SYMBOL_AS
}

#pragma GCC diagnostic pop

constexpr Writer kSchema = [] {
    Writer w;
    put_process(w);
    put_file(w);
    put_thread(w);
    return w;
}();

}  // namespace

Text counters_schema() {
    return {kSchema.text.data(), kSchema.bytes};
}
Sections counters_sections() {
    return kSections;
}

}  // namespace latchkey
