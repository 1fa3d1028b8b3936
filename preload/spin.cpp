// SPDX-License-Identifier: Apache-2.0
//
// POSIX spin locks: no owner in the lock, holders are found among the held locks.
#include "preload/emit.h"
#include "preload/interpose.h"
#include "preload/real.h"
#include "preload/wait.h"

using namespace latchkey;

namespace {

const void* address_of(pthread_spinlock_t* lock) {
    return const_cast<const int*>(lock);
}

void count_call(Call call, Site site) {
    if (ThreadRecord* record = observed(site); record != nullptr) record->calls[call]++;
}

}  // namespace

INTERPOSE(int, pthread_spin_lock, (pthread_spinlock_t * lock)) {
    const Site site = CALLER;
    ThreadRecord* record = observed(site);
    if (record == nullptr) return real::pthread_spin_lock(lock);
    record->calls[kCall_pthread_spin_lock]++;
    const Waited waited{kObject_spin, kCall_pthread_spin_lock, address_of(lock), nullptr, site, 0};
    int result = real::pthread_spin_trylock(lock);
    if (result != EBUSY) {
        record->held.push(address_of(lock), site);
        note_acquired(*record, waited, result);
        return result;
    }
    LockWait wait(*record, waited, 0);
    result = real::pthread_spin_lock(lock);
    wait.end(result, result == 0);
    return result;
}

INTERPOSE(int, pthread_spin_trylock, (pthread_spinlock_t * lock)) {
    const int result = real::pthread_spin_trylock(lock);
    ThreadRecord* record = observed(CALLER);
    if (record == nullptr) return result;
    record->calls[kCall_pthread_spin_trylock]++;
    if (result == 0) record->held.push(address_of(lock), CALLER);
    note_acquired(*record, {kObject_spin, kCall_pthread_spin_trylock, address_of(lock), nullptr, CALLER, 0},
                  result);
    return result;
}

INTERPOSE(int, pthread_spin_unlock, (pthread_spinlock_t * lock)) {
    ThreadRecord* record = observed(CALLER);
    if (record == nullptr) return real::pthread_spin_unlock(lock);
    record->calls[kCall_pthread_spin_unlock]++;
    Release release(*record, {kObject_spin, kCall_pthread_spin_unlock, address_of(lock), nullptr, CALLER, 0});
    const int result = real::pthread_spin_unlock(lock);
    release.end();
    return result;
}

INTERPOSE(int, pthread_spin_init, (pthread_spinlock_t * lock, int is_shared)) {
    count_call(kCall_pthread_spin_init, CALLER);
    remember_init(address_of(lock), CALLER);
    return real::pthread_spin_init(lock, is_shared);
}

INTERPOSE(int, pthread_spin_destroy, (pthread_spinlock_t * lock)) {
    count_call(kCall_pthread_spin_destroy, CALLER);
    forget_init(address_of(lock));
    return real::pthread_spin_destroy(lock);
}
