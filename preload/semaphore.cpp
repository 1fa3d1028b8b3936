// SPDX-License-Identifier: Apache-2.0
//
// POSIX semaphores. sem_post must stay async-signal-safe: announce_wake takes no lock and allocates nothing.
#include "preload/emit.h"
#include "preload/family.h"
#include "preload/interpose.h"
#include "preload/real.h"
#include "preload/wait.h"

namespace latchkey {
namespace {

// Threads blocked on the semaphore, in any process: the upper half of glibc's 64-bit word
// (nptl/sem_waitcommon.c).
uint32_t blocked_on(const sem_t* sem) {
    return static_cast<uint32_t>(__atomic_load_n(reinterpret_cast<const uint64_t*>(sem), __ATOMIC_RELAXED) >>
                                 32);
}

// sem_wait and its kin are cancellation points even when they do not block, so that comes first.
template <class F>
int wait_observed(sem_t* sem, Call call, Site site, F real_wait) {
    ThreadRecord* record = observed(site);
    if (record == nullptr) return real_wait();
    record->calls[call]++;
    pthread_testcancel();
    const int saved_errno = errno;
    const Waited waited{kObject_semaphore, call, sem, nullptr, site, 0};
    if (real::sem_trywait(sem) == 0 || family::spin_for_semaphore(sem)) {
        note_acquired(*record, waited, 0);
        return 0;
    }
    errno = saved_errno;
    SignalWait wait(*record, waited);
    const int result = real_wait();
    const int error = errno;
    wait.end(result == 0 ? 0 : error);
    errno = error;
    return result;
}

}  // namespace
}  // namespace latchkey

using namespace latchkey;

INTERPOSE(int, sem_wait, (sem_t * sem)) {
    return wait_observed(sem, kCall_sem_wait, CALLER, [&] { return real::sem_wait(sem); });
}

INTERPOSE(int, sem_timedwait, (sem_t* __restrict sem, const timespec* __restrict deadline)) {
    if (deadline->tv_nsec < 0 || deadline->tv_nsec >= 1000000000) return real::sem_timedwait(sem, deadline);
    return wait_observed(sem, kCall_sem_timedwait, CALLER,
                         [&] { return real::sem_timedwait(sem, deadline); });
}

INTERPOSE(int, sem_clockwait, (sem_t* __restrict sem, clockid_t clock, const timespec* __restrict deadline)) {
    const bool is_known_clock = clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC;
    if (!is_known_clock || deadline->tv_nsec < 0 || deadline->tv_nsec >= 1000000000)
        return real::sem_clockwait(sem, clock, deadline);
    return wait_observed(sem, kCall_sem_clockwait, CALLER,
                         [&] { return real::sem_clockwait(sem, clock, deadline); });
}

INTERPOSE(int, sem_trywait, (sem_t * sem)) {
    const int result = real::sem_trywait(sem);
    ThreadRecord* record = observed(CALLER);
    if (record == nullptr) return result;
    record->calls[kCall_sem_trywait]++;
    note_acquired(*record, {kObject_semaphore, kCall_sem_trywait, sem, nullptr, CALLER, 0},
                  result == 0 ? 0 : errno);
    return result;
}

INTERPOSE(int, sem_post, (sem_t * sem)) {
    if (ThreadRecord* record = observed(CALLER); record != nullptr) {
        record->calls[kCall_sem_post]++;
        announce_wake(*record, {kObject_semaphore, kCall_sem_post, sem, nullptr, CALLER, 0}, 1,
                      blocked_on(sem));
    }
    return real::sem_post(sem);
}

INTERPOSE(int, sem_init, (sem_t * sem, int is_shared, unsigned value)) {
    const int result = real::sem_init(sem, is_shared, value);
    ThreadRecord* record = observed(CALLER);
    if (record == nullptr || result != 0) return result;
    record->calls[kCall_sem_init]++;
    remember_init(sem, CALLER);
    return result;
}

INTERPOSE(int, sem_destroy, (sem_t * sem)) {
    if (ThreadRecord* record = observed(CALLER); record != nullptr) {
        record->calls[kCall_sem_destroy]++;
        forget_init(sem);
    }
    return real::sem_destroy(sem);
}
