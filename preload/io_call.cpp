// SPDX-License-Identifier: Apache-2.0
#include "preload/io_call.h"

#include "preload/counters_file.h"
#include "preload/descriptors.h"
#include "preload/emit.h"
#include "preload/process.h"
#include "preload/stack.h"

namespace latchkey {
namespace {

constexpr uint32_t kHeldInEvent = 8;
constexpr Counter kNoBytes = kCounterCount;

struct Sums {
    Counter ns;
    Counter bytes;
};

constexpr Sums sums_of(IoGroup group) {
    switch (group) {
        case IoGroup::kRead:
            return {k_read_ns, k_read_bytes};
        case IoGroup::kWrite:
            return {k_write_ns, k_write_bytes};
        case IoGroup::kSync:
            return {k_sync_ns, kNoBytes};
        case IoGroup::kSpace:
            return {k_space_ns, kNoBytes};
        case IoGroup::kFileLock:
            return {k_file_lock_ns, kNoBytes};
        case IoGroup::kOpen:
            return {k_open_ns, kNoBytes};
        case IoGroup::kRecv:
            return {k_recv_ns, k_recv_bytes};
        case IoGroup::kSend:
            return {k_send_ns, k_send_bytes};
        case IoGroup::kPoll:
            return {k_poll_ns, kNoBytes};
        case IoGroup::kSleep:
            return {k_sleep_ns, kNoBytes};
        case IoGroup::kAio:
            return {k_aio_ns, kNoBytes};
    }
    __builtin_unreachable();
}

// read() and write() serve sockets and pipes too; their time is the network's, not the disk's.
IoGroup group_by_file(IoGroup group, uint32_t file) {
    if (group != IoGroup::kRead && group != IoGroup::kWrite) return group;
    const uint32_t file_class = file != 0 ? counters_file.files[file].file_class : kFileClass_other;
    if (file_class != kFileClass_socket && file_class != kFileClass_pipe) return group;
    return group == IoGroup::kRead ? IoGroup::kRecv : IoGroup::kSend;
}

void add(std::atomic<uint64_t>& sum, uint64_t n) {
    sum.fetch_add(n, std::memory_order_relaxed);
}

void raise(std::atomic<uint64_t>& most, uint64_t n) {
    uint64_t seen = most.load(std::memory_order_relaxed);
    while (n > seen && !most.compare_exchange_weak(seen, n, std::memory_order_relaxed)) {
    }
}

bool has_lock(const ThreadRecord& record) {
    return !record.held.is_empty();
}

// Waiting for work or for time to pass while holding a lock is no I/O under that lock.
bool is_transfer(IoGroup group) {
    return group != IoGroup::kPoll && group != IoGroup::kSleep;
}

}  // namespace

IoCall::IoCall(ThreadRecord& record, const IoSite& io) : record_(record), io_(io), begin_ns_(now_ns()) {
    record.calls[io.call]++;
    record.wait_object.store(kObject_io + static_cast<uint32_t>(io.group), std::memory_order_relaxed);
    record.wait_address.store(static_cast<uint64_t>(io.fd), std::memory_order_relaxed);
    record.wait_since_ns.store(begin_ns_, std::memory_order_release);
}

void IoCall::end(int64_t result) {
    const Inside inside;
    const uint64_t end_ns = now_ns();
    const uint64_t duration_ns = end_ns - begin_ns_;
    record_.wait_since_ns.store(0, std::memory_order_release);
    record_.wait_object.store(0, std::memory_order_relaxed);
    const uint32_t file = io_.fd >= 0 ? file_of(record_, io_.fd) : 0;
    const Sums sums = sums_of(group_by_file(io_.group, file));
    record_.counters[sums.ns] += duration_ns;
    if (sums.bytes != kNoBytes && result > 0) record_.counters[sums.bytes] += static_cast<uint64_t>(result);
    if (io_.group == IoGroup::kFileLock && (result == -EAGAIN || result == -EACCES))
        record_.counters[k_file_lock_failed]++;
    if (is_transfer(io_.group) && has_lock(record_)) {
        record_.counters[k_io_under_lock]++;
        record_.counters[k_io_under_lock_ns] += duration_ns;
    }
    if (io_.fd >= 0) add_to_file(file, duration_ns, result);
    const bool is_slow = duration_ns >= config.min_io_ns;
    if (is_slow) record_.counters[k_slow_io]++;
    if (!is_tracing() || !(is_slow || config.level == Level::kFull)) return;
    keep_house(end_ns);
    emit(file, duration_ns, result);
}

void IoCall::add_to_file(uint32_t index, uint64_t duration_ns, int64_t result) {
    FileRecord& file = counters_file.files[index];
    const uint64_t bytes = result > 0 ? static_cast<uint64_t>(result) : 0;
    switch (io_.group) {
        case IoGroup::kRead:
        case IoGroup::kRecv:
            add(file.reads, 1), add(file.read_bytes, bytes), add(file.read_ns, duration_ns);
            break;
        case IoGroup::kWrite:
        case IoGroup::kSend:
            add(file.writes, 1), add(file.write_bytes, bytes), add(file.write_ns, duration_ns);
            break;
        case IoGroup::kSync:
            add(file.syncs, 1), add(file.sync_ns, duration_ns);
            break;
        default:
            add(file.others, 1), add(file.other_ns, duration_ns);
    }
    raise(file.max_ns, duration_ns);
    if (is_transfer(io_.group) && has_lock(record_)) {
        add(file.under_lock_calls, 1);
        add(file.under_lock_ns, duration_ns);
    }
}

void IoCall::emit(uint32_t file, uint64_t duration_ns, int64_t result) {
    uint64_t held[kHeldInEvent], sites[kHeldInEvent];
    uint32_t count = 0;
    for (const uint32_t size = record_.held.size(); count < size && count < kHeldInEvent; count++) {
        const HeldLock& entry = record_.held.at(count);
        held[count] = entry.lock.load(std::memory_order_relaxed);
        sites[count] = entry.site.load(std::memory_order_relaxed) & ~HeldLocks::kTimed;
    }
    const uint32_t stack = config.takes_waiter_stacks ? capture_stack(record_, io_.site) : 0;
    EMIT(&record_, io, .duration_ns = duration_ns, .result = result, .site = io_.site, .fd = io_.fd,
         .file = file, .stack = stack, .call = io_.call, .held_count = count, .held = held,
         .held_sites_count = count, .held_sites = sites);
}

}  // namespace latchkey
