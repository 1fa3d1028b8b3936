// SPDX-License-Identifier: Apache-2.0
#include "preload/wait.h"

#include "preload/counters_file.h"
#include "preload/process.h"
#include "preload/stack.h"
#include "preload/thread.h"
#include "runtime/address_map.h"
#include "runtime/wake_table.h"

namespace latchkey {
namespace {

constinit WakeTable wake_table;
constinit AddressMap<65536> init_sites;

struct Sums {
    Counter contended;
    Counter wait_ns;
};

// Which counters a wait for an object adds to. Objects without a counter of contended calls count their calls
// only.
constexpr Counter kNotCounted = kCounterCount;
constexpr Sums sums_of(Object object) {
    switch (object) {
        case kObject_mutex:
            return {k_mutex_contended, k_mutex_wait_ns};
        case kObject_rwlock_read:
        case kObject_rwlock_write:
            return {k_rwlock_contended, k_rwlock_wait_ns};
        case kObject_spin:
            return {k_spin_contended, k_spin_wait_ns};
        case kObject_semaphore:
            return {k_sem_contended, k_sem_wait_ns};
        case kObject_futex:
            return {k_futex_waits, k_futex_wait_ns};
        case kObject_barrier:
            return {kNotCounted, k_barrier_wait_ns};
        case kObject_thread:
            return {kNotCounted, k_join_wait_ns};
        default:
            return {kNotCounted, k_cond_wait_ns};
    }
}

void count_wait(ThreadRecord& record, Object object, uint64_t ns, bool is_contended) {
    const Sums sums = sums_of(object);
    if (sums.contended != kNotCounted && is_contended) record.counters[sums.contended]++;
    record.counters[sums.wait_ns] += ns;
}

// The numbers of the trace are those of the lock family.
#define PASSAGE(name, value, help) static_assert(static_cast<uint8_t>(Way::name) == (value));
#include "preload/events.def"
#undef PASSAGE

// The mutex that a requeued waiter of a condvar is given is part of its condvar wait, and is counted there.
void count_passage(ThreadRecord& record, Object object, Way way) {
    const bool was_requeued = way == Way::kRequeuedWoken || way == Way::kRequeuedHanded;
    if (object == kObject_mutex) {
        if (way == Way::kSpun) record.counters[k_mutex_spun]++;
        if (way == Way::kWoken) record.counters[k_mutex_woken]++;
        if (way == Way::kHanded) record.counters[k_mutex_handed]++;
    } else if (object == kObject_cond) {
        if (way == Way::kSpun) record.counters[k_cond_spun]++;
        if (was_requeued) record.counters[k_cond_requeued]++;
    }
}

// Level full owes an event for each lock call; those that the tracer cannot take are counted instead.
bool is_untraced(ThreadRecord& record) {
    if (is_tracing() && !self.is_ended) return false;
    if (config.level == Level::kFull) record.counters[k_untraced_locks]++;
    return true;
}

bool is_worth_an_event(uint64_t ns) {
    return config.level == Level::kFull || ns >= config.min_wait_ns;
}

void open_wait(ThreadRecord& record, const Waited& waited, uint32_t owner, uint64_t since_ns) {
    record.wait_object.store(waited.object, std::memory_order_relaxed);
    record.wait_owner.store(owner, std::memory_order_relaxed);
    record.wait_address.store(reinterpret_cast<uint64_t>(waited.address), std::memory_order_relaxed);
    record.wait_site.store(waited.site, std::memory_order_relaxed);
    record.wait_mutex.store(reinterpret_cast<uint64_t>(waited.mutex), std::memory_order_relaxed);
    record.wait_since_ns.store(since_ns, std::memory_order_release);
}

void close_wait(ThreadRecord& record) {
    record.wait_since_ns.store(0, std::memory_order_release);
    record.wait_object.store(0, std::memory_order_relaxed);
}

struct Holder {
    uint32_t tid;
    Site site;
};

// The thread that holds a lock whose word does not name one: a reader of a read-write lock. Looks at no more
// than kMostRecords threads: a bounded search, and any reader will do.
Holder find_holder(const void* lock, uint64_t since_ns) {
    constexpr uint32_t kMostRecords = 256;
    const uint32_t end = used_thread_records();
    for (uint32_t i = 1; i < end && i <= kMostRecords; i++) {
        ThreadRecord& other = counters_file.threads[i];
        if (&other == self.record || other.state.load(std::memory_order_relaxed) != kThreadAlive) continue;
        const Site site = other.held.announce_waiter(lock, since_ns);
        if (site != 0) return {other.tid.load(std::memory_order_relaxed), site};
    }
    return {0, 0};
}

// Where a thread is about to have the lock that it has just been given: it has not entered it among the held
// ones.
Site waiting_site(const ThreadRecord& record, const void* lock) {
    if (record.wait_since_ns.load(std::memory_order_acquire) == 0) return 0;
    const Site site = record.wait_site.load(std::memory_order_relaxed);
    const bool is_here =
        record.wait_address.load(std::memory_order_relaxed) == reinterpret_cast<uint64_t>(lock);
    return is_here ? site : 0;
}

Holder tell_holder(const void* lock, uint32_t owner, uint64_t since_ns) {
    if (owner == 0) return find_holder(lock, since_ns);
    ThreadRecord* holder = find_thread(owner);
    if (holder == nullptr) return {owner, 0};
    const Site site = holder->held.announce_waiter(lock, since_ns);
    return {owner, site != 0 ? site : waiting_site(*holder, lock)};
}

}  // namespace

LockWait::LockWait(ThreadRecord& record, const Waited& waited, uint32_t owner)
    : record_(record), waited_(waited) {
    const Inside inside;
    begin_ns_ = now_ns();
    const Holder holder = tell_holder(waited.address, owner, begin_ns_);
    owner_ = holder.tid;
    owner_site_ = holder.site;
    open_wait(record, waited, owner_, begin_ns_);
    if (config.takes_waiter_stacks) stack_ = capture_stack(record, waited.site);
}

void LockWait::end(int result, bool acquired, Passage passage) {
    const uint64_t end_ns = now_ns();
    const uint64_t waited_ns = end_ns - begin_ns_;
    close_wait(record_);
    count_wait(record_, waited_.object, waited_ns, acquired);
    count_passage(record_, waited_.object, passage.way);
    if (acquired) record_.held.push_timed(waited_.address, waited_.site, end_ns);
    if (is_untraced(record_) || !is_worth_an_event(waited_ns)) return;
    const Inside inside;
    keep_house(end_ns);
    EMIT(&record_, lock_wait, .lock = reinterpret_cast<uint64_t>(waited_.address), .site = waited_.site,
         .init_site = init_site(waited_.address), .wait_ns = waited_ns, .owner_site = owner_site_,
         .owner = owner_, .stack = stack_, .object = static_cast<uint8_t>(waited_.object),
         .result = static_cast<uint8_t>(result), .call = waited_.call, .kind = waited_.kind,
         .waiter = static_cast<uint32_t>(self.tid), .queue = passage.queue,
         .passage = static_cast<uint8_t>(passage.way));
}

SignalWait::SignalWait(ThreadRecord& record, const Waited& waited) : record_(record), waited_(waited) {
    const Inside inside;
    begin_ns_ = now_ns();
    record.wake_entry = waited.address != nullptr ? wake_table.enter(waited.address) : WakeTable::kNone;
    open_wait(record, waited, 0, begin_ns_);
    if (config.takes_waiter_stacks) stack_ = capture_stack(record, waited.site);
}

void SignalWait::end(int result, uint32_t waker, Passage passage) {
    const uint64_t end_ns = now_ns();
    const uint64_t waited_ns = end_ns - begin_ns_;
    Waker last{0, 0, waker};
    if (result == 0 && waker == 0) last = wake_table.last_waker(record_.wake_entry, begin_ns_);
    wake_table.leave(record_.wake_entry);
    record_.wake_entry = WakeTable::kNone;
    close_wait(record_);
    count_wait(record_, waited_.object, waited_ns, true);
    count_passage(record_, waited_.object, passage.way);
    if (!is_tracing() || !is_worth_an_event(waited_ns)) return;
    const Inside inside;
    keep_house(end_ns);
    EMIT(&record_, signal_wait, .address = reinterpret_cast<uint64_t>(waited_.address),
         .mutex = reinterpret_cast<uint64_t>(waited_.mutex), .site = waited_.site,
         .init_site = init_site(waited_.address), .wait_ns = waited_ns, .waker_ns = last.when_ns,
         .waker_site = last.site, .waker = last.tid, .stack = stack_,
         .object = static_cast<uint8_t>(waited_.object), .result = static_cast<uint8_t>(result),
         .call = waited_.call, .waiter = static_cast<uint32_t>(self.tid),
         .passage = static_cast<uint8_t>(passage.way));
}

void announce_wake(ThreadRecord& record, const Waited& waited, uint32_t count, uint32_t waiters) {
    if (waiters == 0 && !is_full() && !wake_table.has_waiters(waited.address)) return;
    const Inside inside;
    const uint32_t known =
        wake_table.announce(waited.address, {now_ns(), waited.site, static_cast<uint32_t>(self.tid)});
    if (!is_tracing()) return;
    const bool is_awaited = known + waiters != 0;
    const uint32_t stack = config.takes_holder_stacks && is_awaited ? capture_stack(record, waited.site) : 0;
    EMIT(&record, wake, .address = reinterpret_cast<uint64_t>(waited.address), .site = waited.site,
         .waiters = waiters != 0 ? waiters : known, .count = count, .stack = stack,
         .object = static_cast<uint8_t>(waited.object));
}

void note_acquired(ThreadRecord& record, const Waited& waited, int result) {
    if (config.level != Level::kFull || is_untraced(record)) return;
    const Inside inside;
    EMIT(&record, lock_acquired, .lock = reinterpret_cast<uint64_t>(waited.address), .site = waited.site,
         .object = static_cast<uint8_t>(waited.object), .result = static_cast<uint8_t>(result));
}

Release::Release(ThreadRecord& record, const Waited& waited, uint64_t waited_ns)
    : record_(record), waited_(waited), removed_(record.held.remove(waited.address)) {
    record.counters[k_held_overflow] += record.held.take_forgotten();
    is_foreign_ = !removed_.found && record.counters[k_held_overflow] == 0;
    if (is_foreign_) record.counters[k_foreign_unlocks]++;
    // Who queued while another thread held the lock has left its note there; this hold matters if it was long.
    if (removed_.waiter_since_ns == 0 && waited_ns != 0 && removed_.acquired_ns != 0) {
        const uint64_t now = now_ns();
        if (is_worth_an_event(now - removed_.acquired_ns)) removed_.waiter_since_ns = now - waited_ns;
    }
    if (removed_.waiter_since_ns != 0) release_ns_ = now_ns();
    if (release_ns_ == 0 && is_full()) {  // emitted before the release: its time stamp must not come after it
        const Inside inside;
        EMIT(&record_, lock_released, .lock = reinterpret_cast<uint64_t>(waited_.address),
             .site = waited_.site, .object = static_cast<uint8_t>(waited_.object));
    }
}

void Release::undo() {
    if (is_foreign_) record_.counters[k_foreign_unlocks]--;
    if (!removed_.found) return;
    if (removed_.acquired_ns != 0)
        record_.held.push_timed(waited_.address, removed_.site, removed_.acquired_ns);
    else
        record_.held.push(waited_.address, removed_.site);
}

void Release::end() {
    if (release_ns_ == 0 || !is_tracing() || !is_worth_an_event(release_ns_ - removed_.waiter_since_ns))
        return;
    emit_contended();
}

void Release::emit_contended() {
    const Inside inside;
    const uint32_t stack = config.takes_holder_stacks ? capture_stack(record_, waited_.site) : 0;
    const uint64_t hold_ns = removed_.acquired_ns != 0 ? release_ns_ - removed_.acquired_ns : 0;
    EMIT(&record_, lock_contended_release, .lock = reinterpret_cast<uint64_t>(waited_.address),
         .site = waited_.site, .acquire_site = removed_.site, .release_ns = release_ns_, .hold_ns = hold_ns,
         .waited_ns = release_ns_ - removed_.waiter_since_ns, .stack = stack,
         .object = static_cast<uint8_t>(waited_.object));
}

void remember_init(const void* object, Site site) {
    const uint64_t key = reinterpret_cast<uint64_t>(object);
    if (key > 1 && init_sites.put(key, site) == init_sites.kNone)
        counters_file.process->locks_full.fetch_add(1, std::memory_order_relaxed);
}

void forget_init(const void* object) {
    init_sites.erase(reinterpret_cast<uint64_t>(object));
}

Site init_site(const void* object) {
    return init_sites.get(reinterpret_cast<uint64_t>(object));
}

void emit_open_wait(ThreadRecord& self_record, const ThreadRecord& other, uint64_t now) {
    constexpr uint8_t kStillWaiting = 255;
    const uint64_t since = other.wait_since_ns.load(std::memory_order_acquire);
    const uint32_t object = other.wait_object.load(std::memory_order_relaxed);
    if (since == 0 || since > now || object == 0 || object >= kObject_io || now - since < config.min_wait_ns)
        return;
    const uint64_t address = other.wait_address.load(std::memory_order_relaxed);
    const Site site = other.wait_site.load(std::memory_order_relaxed);
    const Site init = init_site(reinterpret_cast<const void*>(address));
    const auto tid = other.tid.load(std::memory_order_relaxed);
    if (object <= kObject_spin) {
        EMIT(&self_record, lock_wait, .lock = address, .site = site, .init_site = init,
             .wait_ns = now - since, .owner_site = 0,
             .owner = other.wait_owner.load(std::memory_order_relaxed), .stack = 0,
             .object = static_cast<uint8_t>(object), .result = kStillWaiting, .call = 0, .kind = 0,
             .waiter = tid, .queue = 0, .passage = 0);
    } else {
        EMIT(&self_record, signal_wait, .address = address,
             .mutex = other.wait_mutex.load(std::memory_order_relaxed), .site = site, .init_site = init,
             .wait_ns = now - since, .waker_ns = 0, .waker_site = 0, .waker = 0, .stack = 0,
             .object = static_cast<uint8_t>(object), .result = kStillWaiting, .call = 0, .waiter = tid,
             .passage = 0);
    }
}

void abandon_wait(ThreadRecord& record) {
    if (record.wait_since_ns.load(std::memory_order_relaxed) == 0) return;
    wake_table.leave(record.wake_entry);
    record.wake_entry = WakeTable::kNone;
    close_wait(record);
}

void reset_waits_in_child() {
    wake_table.clear();
}

}  // namespace latchkey
