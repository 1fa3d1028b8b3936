// SPDX-License-Identifier: Apache-2.0
//
// Read-write locks. A writer that holds one is named by glibc's __cur_writer; readers are found among the
// held locks of the other threads, and only when somebody has to wait for them.
#include "preload/emit.h"
#include "preload/family.h"
#include "preload/interpose.h"
#include "preload/real.h"
#include "preload/wait.h"

namespace latchkey {
namespace {

Waited waited_rwlock(Object object, const void* lock, Call call, Site site) {
    return {object, call, lock, nullptr, site, 0};
}

template <class F>
int lock_observed(Object object, pthread_rwlock_t* lock, Call call, Site site, F blocking) {
    ThreadRecord* record = observed(site);
    if (record == nullptr) return family::without_passage(blocking);
    record->calls[call]++;
    const Waited waited = waited_rwlock(object, lock, call, site);
    const bool is_read = object == kObject_rwlock_read;
    int result = is_read ? family::pthread_rwlock_tryrdlock(lock) : family::pthread_rwlock_trywrlock(lock);
    if (result == EBUSY) {
        LockWait wait(*record, waited, family::writer_of(lock));
        Passage passage;
        result = blocking(passage);
        wait.end(result, result == 0, passage);
    } else if (result == 0) {
        record->held.push(lock, site);
        note_acquired(*record, waited, 0);
    }
    if (result != 0) record->counters[k_rwlock_failed]++;
    return result;
}

template <class F>
int try_observed(Object object, pthread_rwlock_t* lock, Call call, Site site, F trying) {
    ThreadRecord* record = observed(site);
    const int result = trying();
    if (record == nullptr) return result;
    record->calls[call]++;
    if (result == 0)
        record->held.push(lock, site);
    else
        record->counters[k_rwlock_failed]++;
    note_acquired(*record, waited_rwlock(object, lock, call, site), result);
    return result;
}

// Deadlines and clocks are checked by glibc before anything else; a bad one must fail even when the lock is
// free.
template <class F>
int lock_until(Object object, pthread_rwlock_t* lock, Call call, Site site, clockid_t clock,
               const timespec* deadline, F blocking) {
    const bool is_valid = (clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC) && deadline->tv_nsec >= 0 &&
                          deadline->tv_nsec < 1000000000;
    return is_valid
               ? lock_observed(object, lock, call, site, blocking)
               : try_observed(object, lock, call, site, [&] { return family::without_passage(blocking); });
}

}  // namespace
}  // namespace latchkey

using namespace latchkey;

INTERPOSE(int, pthread_rwlock_rdlock, (pthread_rwlock_t * lock)) {
    return lock_observed(kObject_rwlock_read, lock, kCall_pthread_rwlock_rdlock, CALLER,
                         [&](Passage& passage) { return family::pthread_rwlock_rdlock(lock, passage); });
}

INTERPOSE(int, pthread_rwlock_wrlock, (pthread_rwlock_t * lock)) {
    return lock_observed(kObject_rwlock_write, lock, kCall_pthread_rwlock_wrlock, CALLER,
                         [&](Passage& passage) { return family::pthread_rwlock_wrlock(lock, passage); });
}

INTERPOSE(int, pthread_rwlock_timedrdlock, (pthread_rwlock_t * lock, const timespec* deadline)) {
    return lock_until(kObject_rwlock_read, lock, kCall_pthread_rwlock_timedrdlock, CALLER, CLOCK_REALTIME,
                      deadline, [&](Passage& passage) {
                          return family::pthread_rwlock_clockrdlock(lock, CLOCK_REALTIME, deadline, passage);
                      });
}

INTERPOSE(int, pthread_rwlock_timedwrlock, (pthread_rwlock_t * lock, const timespec* deadline)) {
    return lock_until(kObject_rwlock_write, lock, kCall_pthread_rwlock_timedwrlock, CALLER, CLOCK_REALTIME,
                      deadline, [&](Passage& passage) {
                          return family::pthread_rwlock_clockwrlock(lock, CLOCK_REALTIME, deadline, passage);
                      });
}

INTERPOSE(int, pthread_rwlock_clockrdlock,
          (pthread_rwlock_t * lock, clockid_t clock, const timespec* deadline)) {
    return lock_until(
        kObject_rwlock_read, lock, kCall_pthread_rwlock_clockrdlock, CALLER, clock, deadline,
        [&](Passage& passage) { return family::pthread_rwlock_clockrdlock(lock, clock, deadline, passage); });
}

INTERPOSE(int, pthread_rwlock_clockwrlock,
          (pthread_rwlock_t * lock, clockid_t clock, const timespec* deadline)) {
    return lock_until(
        kObject_rwlock_write, lock, kCall_pthread_rwlock_clockwrlock, CALLER, clock, deadline,
        [&](Passage& passage) { return family::pthread_rwlock_clockwrlock(lock, clock, deadline, passage); });
}

INTERPOSE(int, pthread_rwlock_tryrdlock, (pthread_rwlock_t * lock)) {
    return try_observed(kObject_rwlock_read, lock, kCall_pthread_rwlock_tryrdlock, CALLER,
                        [&] { return family::pthread_rwlock_tryrdlock(lock); });
}

INTERPOSE(int, pthread_rwlock_trywrlock, (pthread_rwlock_t * lock)) {
    return try_observed(kObject_rwlock_write, lock, kCall_pthread_rwlock_trywrlock, CALLER,
                        [&] { return family::pthread_rwlock_trywrlock(lock); });
}

INTERPOSE(int, pthread_rwlock_unlock, (pthread_rwlock_t * lock)) {
    const Site site = CALLER;
    ThreadRecord* record = observed(site);
    if (record == nullptr) return family::pthread_rwlock_unlock(lock);
    record->calls[kCall_pthread_rwlock_unlock]++;
    const bool is_writer = family::writer_of(lock) == static_cast<uint32_t>(self.tid);
    const Object object = is_writer ? kObject_rwlock_write : kObject_rwlock_read;
    Release release(*record, waited_rwlock(object, lock, kCall_pthread_rwlock_unlock, site));
    const int result = family::pthread_rwlock_unlock(lock);
    if (result == 0)
        release.end();
    else
        release.undo();
    return result;
}

INTERPOSE(int, pthread_rwlock_init, (pthread_rwlock_t * lock, const pthread_rwlockattr_t* attributes)) {
    const int result = real::pthread_rwlock_init(lock, attributes);
    ThreadRecord* record = observed(CALLER);
    if (record == nullptr || result != 0) return result;
    record->calls[kCall_pthread_rwlock_init]++;
    remember_init(lock, CALLER);
    return result;
}

INTERPOSE(int, pthread_rwlock_destroy, (pthread_rwlock_t * lock)) {
    const int result = real::pthread_rwlock_destroy(lock);
    ThreadRecord* record = observed(CALLER);
    if (record == nullptr) return result;
    record->calls[kCall_pthread_rwlock_destroy]++;
    forget_init(lock);
    return result;
}
