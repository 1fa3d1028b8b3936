// SPDX-License-Identifier: Apache-2.0
//
// Mutexes: pthread_mutex_* and their C11 twins mtx_*, which are the same objects. sys/single_threaded.h's
// variable decides, as in glibc, whether a plain store will do.
#include "preload/mutex.h"

#include <gnu/libc-version.h>
#include <linux/futex.h>
#include <string.h>

#include "preload/emit.h"
#include "preload/family.h"
#include "preload/real.h"
#include "preload/wait.h"

namespace latchkey {
namespace {

constinit bool is_layout_known = false;

// The versions whose fast path equals take_plain and give_back_plain, checked by tests/preload in full.
constexpr const char* kTestedVersions[] = {"2.36"};

bool is_tested_version() {
    for (const char* version : kTestedVersions)
        if (strcmp(gnu_get_libc_version(), version) == 0) return true;
    return false;
}

// What a real lock and unlock leave behind, compared with what we would.
bool behaves_as_expected() {
    pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    real::pthread_mutex_lock(&m);
    const bool is_locked_as_expected = m.__data.__lock == 1 && m.__data.__owner == gettid() &&
                                       m.__data.__nusers == 1 && m.__data.__kind == 0;
    real::pthread_mutex_unlock(&m);
    return is_locked_as_expected && m.__data.__lock == 0 && m.__data.__owner == 0 && m.__data.__nusers == 0;
}

Waited waited_mutex(const pthread_mutex_t* m, Call call, Site site) {
    return {kObject_mutex, call, m, nullptr, site, static_cast<uint16_t>(m->__data.__kind)};
}

bool is_acquired(int result) {
    return result == 0 || result == EOWNERDEAD;
}

constexpr int kRobust = 0x10;  // PTHREAD_MUTEX_ROBUST_NORMAL_NP: the flag in __kind

// EBUSY when the mutex is held, else the result of taking it. A robust mutex is looked at first: glibc 2.36's
// trylock leaves one that is not recoverable locked for good.
template <class F>
int take_if_free(pthread_mutex_t* m, F blocking) {
    if ((m->__data.__kind & kRobust) == 0) return family::pthread_mutex_trylock(m);
    const auto word = static_cast<uint32_t>(__atomic_load_n(&m->__data.__lock, __ATOMIC_RELAXED));
    const bool is_held = (word & FUTEX_TID_MASK) != 0 && (word & FUTEX_OWNER_DIED) == 0;
    return is_held ? EBUSY : blocking();
}

// Our own family spins before it sleeps. A wait that ends so is counted, but is too short to be an event.
bool spins_unseen() {
    constexpr uint64_t kLongestSpinNs = 5000;
    return family::is_own && config.level != Level::kFull && config.min_wait_ns >= kLongestSpinNs;
}

// Takes a busy mutex by spinning, if that may help.
bool spin_observed(ThreadRecord& record, pthread_mutex_t* m, Site site) {
    const uint64_t begin_ns = now_ns();
    if (!family::spin_for_mutex(m)) return false;
    record.counters[k_mutex_contended]++;
    record.counters[k_mutex_spun]++;
    record.counters[k_mutex_wait_ns] += now_ns() - begin_ns;
    record.held.push(m, site);
    return true;
}

// Acquires without waiting if possible, else by blocking(), which is the real function. Not always the same
// as calling it outright: a trylock succeeds or says EBUSY where a lock would go on to wait, or to EDEADLK.
template <class F>
int lock_observed(ThreadRecord& record, pthread_mutex_t* m, Call call, Site site, F blocking) {
    record.calls[call]++;
    Passage passage;
    int result = take_if_free(m, [&] { return blocking(passage); });
    const Waited waited =
        waited_mutex(m, call, site);  // now: with kernel-pi the first lock decides about the kind
    if (result == EBUSY) {
        if (spins_unseen() && spin_observed(record, m, site)) return 0;
        LockWait wait(record, waited, family::owner_of(m));
        result = blocking(passage);
        wait.end(result, is_acquired(result), passage);
    } else if (is_acquired(result)) {
        record.held.push(m, site);
        note_acquired(record, waited, result);
    }
    if (!is_acquired(result)) record.counters[k_mutex_failed]++;
    return result;
}

template <class F>
int try_observed(ThreadRecord& record, pthread_mutex_t* m, Call call, Site site, F trying) {
    record.calls[call]++;
    const int result = trying();
    if (is_acquired(result))
        record.held.push(m, site);
    else
        record.counters[k_mutex_failed]++;
    note_acquired(record, waited_mutex(m, call, site), result);
    return result;
}

int unlock_observed(ThreadRecord& record, pthread_mutex_t* m, Call call, Site site) {
    record.calls[call]++;
    Release release(record, waited_mutex(m, call, site), is_tracing() ? family::queued_ns(m) : 0);
    const int result = family::pthread_mutex_unlock(m);
    if (result == 0)
        release.end();
    else
        release.undo();
    return result;
}

int lock_unobserved(pthread_mutex_t* m) {
    return family::without_passage([&](Passage& passage) { return family::pthread_mutex_lock(m, passage); });
}

[[gnu::noinline]] int lock_slow(pthread_mutex_t* m, Site site) {
    ThreadRecord* record = observed(site);
    if (record == nullptr) return lock_unobserved(m);
    return lock_observed(*record, m, kCall_pthread_mutex_lock, site,
                         [&](Passage& passage) { return family::pthread_mutex_lock(m, passage); });
}

[[gnu::noinline]] int unlock_slow(pthread_mutex_t* m, Site site) {
    ThreadRecord* record = observed(site);
    if (record == nullptr) {
        // The tracer's own lock, taken on the fast path, which does not look at its caller.
        if (self.record != nullptr && self.depth == 0) self.record->held.remove(m);
        return family::pthread_mutex_unlock(m);
    }
    return unlock_observed(*record, m, kCall_pthread_mutex_unlock, site);
}

// Taken on the fast path while another one is held. 0.
[[gnu::noinline]] int note_nested(ThreadRecord& record, const pthread_mutex_t* m, Site site) {
    record.held.push(m, site);
    return 0;
}

// Released on the fast path, but not the lock acquired last. 0.
[[gnu::noinline]] int note_unordered_release(ThreadRecord& record, const pthread_mutex_t* m) {
    const HeldLocks::Removed removed = record.held.remove(m);
    record.counters[k_held_overflow] += record.held.take_forgotten();
    if (!removed.found && record.counters[k_held_overflow] == 0) record.counters[k_foreign_unlocks]++;
    return 0;
}

void note_created(pthread_mutex_t* m, Call call, Site site) {
    ThreadRecord* record = observed(site);
    if (record == nullptr) return;
    record->calls[call]++;
    remember_init(m, site);
    if (!is_full()) return;
    const Inside inside;
    EMIT(record, lock_created, .lock = reinterpret_cast<uint64_t>(m), .site = site, .object = kObject_mutex,
         .kind = static_cast<uint16_t>(m->__data.__kind));
}

void note_destroyed(const void* m, Call call, Site site, int result) {
    ThreadRecord* record = observed(site);
    if (record == nullptr) return;
    record->calls[call]++;
    if (result != 0) return;
    forget_init(m);
    if (!is_full()) return;
    const Inside inside;
    EMIT(record, lock_destroyed, .lock = reinterpret_cast<uint64_t>(m), .object = kObject_mutex);
}

// mtx_t and pthread_mutex_t are one object in glibc; so are the error numbers behind the C11 results.
pthread_mutex_t* as_mutex(mtx_t* m) {
    return reinterpret_cast<pthread_mutex_t*>(m);
}

int as_c11(int result) {
    switch (result) {
        case 0:
            return thrd_success;
        case ENOMEM:
            return thrd_nomem;
        case ETIMEDOUT:
            return thrd_timedout;
        case EBUSY:
            return thrd_busy;
        default:
            return thrd_error;
    }
}

}  // namespace

void choose_mutex_path() {
    is_layout_known = is_tested_version() && behaves_as_expected();
}
bool is_mutex_layout_known() {
    return is_layout_known;
}

}  // namespace latchkey

using namespace latchkey;

// Between two locked instructions each store and each load that depends on another one costs its latency; so
// these two do little, have no frame (all calls are tail calls), and look at the held locks only after the
// release. A release that somebody waits for is not done here: nobody's note is overlooked.
INTERPOSE(int, pthread_mutex_lock, (pthread_mutex_t * m)) {
    const Site site = CALLER;
    ThreadRecord* record = self.fast;
    if (record == nullptr || !is_plain(m) || !take_plain(m, self.mark, self.tid)) return lock_slow(m, site);
    record->calls[kCall_pthread_mutex_lock]++;
    if (!record->held.has_place()) [[unlikely]]
        return note_nested(*record, m, site);
    record->held.place(m, site);
    return 0;
}

INTERPOSE(int, pthread_mutex_unlock, (pthread_mutex_t * m)) {
    ThreadRecord* record = self.fast;
    if (record == nullptr || !is_plain(m) || !give_back_plain(m, self.mark, self.tid))
        return unlock_slow(m, CALLER);
    record->calls[kCall_pthread_mutex_unlock]++;
    if (!record->held.is_top(m)) [[unlikely]]
        return note_unordered_release(*record, m);
    record->held.pop();
    return 0;
}

INTERPOSE(int, pthread_mutex_trylock, (pthread_mutex_t * m)) {
    ThreadRecord* record = observed(CALLER);
    if (record == nullptr) return family::pthread_mutex_trylock(m);
    return try_observed(*record, m, kCall_pthread_mutex_trylock, CALLER,
                        [&] { return family::pthread_mutex_trylock(m); });
}

INTERPOSE(int, pthread_mutex_timedlock, (pthread_mutex_t * m, const timespec* deadline)) {
    const Site site = CALLER;
    ThreadRecord* record = observed(site);
    const auto locking = [&](Passage& passage) {
        return family::pthread_mutex_clocklock(m, CLOCK_REALTIME, deadline, passage);
    };
    if (record == nullptr) return family::without_passage(locking);
    return lock_observed(*record, m, kCall_pthread_mutex_timedlock, site, locking);
}

INTERPOSE(int, pthread_mutex_clocklock, (pthread_mutex_t * m, clockid_t clock, const timespec* deadline)) {
    const Site site = CALLER;
    ThreadRecord* record = observed(site);
    const auto locking = [&](Passage& passage) {
        return family::pthread_mutex_clocklock(m, clock, deadline, passage);
    };
    if (record == nullptr) return family::without_passage(locking);
    // An unknown clock is EINVAL even when the mutex is free.
    return clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC
               ? lock_observed(*record, m, kCall_pthread_mutex_clocklock, site, locking)
               : try_observed(*record, m, kCall_pthread_mutex_clocklock, site,
                              [&] { return family::without_passage(locking); });
}

INTERPOSE(int, pthread_mutex_init, (pthread_mutex_t * m, const pthread_mutexattr_t* attributes)) {
    const int result = real::pthread_mutex_init(m, attributes);
    if (result == 0) note_created(m, kCall_pthread_mutex_init, CALLER);
    return result;
}

INTERPOSE(int, pthread_mutex_destroy, (pthread_mutex_t * m)) {
    const int result = family::pthread_mutex_destroy(m);
    note_destroyed(m, kCall_pthread_mutex_destroy, CALLER, result);
    return result;
}

INTERPOSE(int, pthread_mutex_consistent, (pthread_mutex_t * m)) {
    if (ThreadRecord* record = observed(CALLER); record != nullptr)
        record->calls[kCall_pthread_mutex_consistent]++;
    return real::pthread_mutex_consistent(m);
}

INTERPOSE(int, mtx_init, (mtx_t * m, int type)) {
    const int result = real::mtx_init(m, type);
    if (result == thrd_success) note_created(as_mutex(m), kCall_mtx_init, CALLER);
    return result;
}

INTERPOSE(void, mtx_destroy, (mtx_t * m)) {
    real::mtx_destroy(m);
    note_destroyed(m, kCall_mtx_destroy, CALLER, 0);
}

INTERPOSE(int, mtx_lock, (mtx_t * m)) {
    const Site site = CALLER;
    ThreadRecord* record = observed(site);
    if (record == nullptr) return as_c11(lock_unobserved(as_mutex(m)));
    return as_c11(lock_observed(*record, as_mutex(m), kCall_mtx_lock, site, [&](Passage& passage) {
        return family::pthread_mutex_lock(as_mutex(m), passage);
    }));
}

INTERPOSE(int, mtx_trylock, (mtx_t * m)) {
    ThreadRecord* record = observed(CALLER);
    if (record == nullptr) return as_c11(family::pthread_mutex_trylock(as_mutex(m)));
    return as_c11(try_observed(*record, as_mutex(m), kCall_mtx_trylock, CALLER,
                               [&] { return family::pthread_mutex_trylock(as_mutex(m)); }));
}

INTERPOSE(int, mtx_timedlock, (mtx_t* __restrict m, const timespec* __restrict deadline)) {
    const Site site = CALLER;
    ThreadRecord* record = observed(site);
    const auto locking = [&](Passage& passage) {
        return family::pthread_mutex_clocklock(as_mutex(m), CLOCK_REALTIME, deadline, passage);
    };
    if (record == nullptr) return as_c11(family::without_passage(locking));
    return as_c11(lock_observed(*record, as_mutex(m), kCall_mtx_timedlock, site, locking));
}

INTERPOSE(int, mtx_unlock, (mtx_t * m)) {
    ThreadRecord* record = observed(CALLER);
    if (record == nullptr) return as_c11(family::pthread_mutex_unlock(as_mutex(m)));
    return as_c11(unlock_observed(*record, as_mutex(m), kCall_mtx_unlock, CALLER));
}
