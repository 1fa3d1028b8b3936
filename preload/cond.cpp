// SPDX-License-Identifier: Apache-2.0
//
// Condition variables: pthread_cond_* and cnd_*. A wait gives its mutex back and takes it again inside glibc,
// so both are told to the held locks here. A cancelled wait leaves by unwinding through these frames: what it
// leaves open is closed when the thread ends (abandon_wait), so no cleanup handler is pushed on this path.
#include "preload/emit.h"
#include "preload/interpose.h"
#include "preload/real.h"
#include "preload/wait.h"

namespace latchkey {
namespace {

template <class F>
int wait_observed(Call call, const void* cond, const void* mutex, Site site, F real_wait) {
    ThreadRecord* record = observed(site);
    if (record == nullptr) return real_wait();
    record->calls[call]++;
    SignalWait wait(*record, {kObject_cond, call, cond, mutex, site, 0});
    Release release(*record, {kObject_mutex, call, mutex, nullptr, site, 0});
    const int result = real_wait();
    release.end();
    wait.end(result);
    record->held.push(mutex, site);
    note_acquired(*record, {kObject_mutex, call, mutex, nullptr, site, 0}, 0);
    return result;
}

template <class F>
int wake_observed(Call call, const void* cond, uint32_t count, Site site, F real_wake) {
    if (ThreadRecord* record = observed(site); record != nullptr) {
        record->calls[call]++;
        announce_wake(*record, {kObject_cond, call, cond, nullptr, site, 0}, count);
    }
    return real_wake();
}

constexpr uint32_t kAll = 0xffffffff;

void note_created(const void* cond, Call call, Site site) {
    ThreadRecord* record = observed(site);
    if (record == nullptr) return;
    record->calls[call]++;
    remember_init(cond, site);
}

void note_destroyed(const void* cond, Call call, Site site) {
    ThreadRecord* record = observed(site);
    if (record == nullptr) return;
    record->calls[call]++;
    forget_init(cond);
}

// C11 results of a wait end as error numbers in events.
int as_errno(int result) {
    return result == thrd_timedout ? ETIMEDOUT : result == thrd_success ? 0 : EINVAL;
}

}  // namespace
}  // namespace latchkey

using namespace latchkey;

INTERPOSE(int, pthread_cond_wait, (pthread_cond_t * cond, pthread_mutex_t* m)) {
    return wait_observed(kCall_pthread_cond_wait, cond, m, CALLER,
                         [&] { return real::pthread_cond_wait(cond, m); });
}

INTERPOSE(int, pthread_cond_timedwait,
          (pthread_cond_t * cond, pthread_mutex_t* m, const timespec* deadline)) {
    return wait_observed(kCall_pthread_cond_timedwait, cond, m, CALLER,
                         [&] { return real::pthread_cond_timedwait(cond, m, deadline); });
}

INTERPOSE(int, pthread_cond_clockwait,
          (pthread_cond_t * cond, pthread_mutex_t* m, clockid_t clock, const timespec* deadline)) {
    return wait_observed(kCall_pthread_cond_clockwait, cond, m, CALLER,
                         [&] { return real::pthread_cond_clockwait(cond, m, clock, deadline); });
}

INTERPOSE(int, cnd_wait, (cnd_t * cond, mtx_t* m)) {
    int result = thrd_error;
    wait_observed(kCall_cnd_wait, cond, m, CALLER,
                  [&] { return as_errno(result = real::cnd_wait(cond, m)); });
    return result;
}

INTERPOSE(int, cnd_timedwait,
          (cnd_t* __restrict cond, mtx_t* __restrict m, const timespec* __restrict deadline)) {
    int result = thrd_error;
    wait_observed(kCall_cnd_timedwait, cond, m, CALLER,
                  [&] { return as_errno(result = real::cnd_timedwait(cond, m, deadline)); });
    return result;
}

INTERPOSE(int, pthread_cond_signal, (pthread_cond_t * cond)) {
    return wake_observed(kCall_pthread_cond_signal, cond, 1, CALLER,
                         [&] { return real::pthread_cond_signal(cond); });
}

INTERPOSE(int, pthread_cond_broadcast, (pthread_cond_t * cond)) {
    return wake_observed(kCall_pthread_cond_broadcast, cond, kAll, CALLER,
                         [&] { return real::pthread_cond_broadcast(cond); });
}

INTERPOSE(int, cnd_signal, (cnd_t * cond)) {
    return wake_observed(kCall_cnd_signal, cond, 1, CALLER, [&] { return real::cnd_signal(cond); });
}

INTERPOSE(int, cnd_broadcast, (cnd_t * cond)) {
    return wake_observed(kCall_cnd_broadcast, cond, kAll, CALLER, [&] { return real::cnd_broadcast(cond); });
}

INTERPOSE(int, pthread_cond_init, (pthread_cond_t * cond, const pthread_condattr_t* attributes)) {
    const int result = real::pthread_cond_init(cond, attributes);
    if (result == 0) note_created(cond, kCall_pthread_cond_init, CALLER);
    return result;
}

INTERPOSE(int, pthread_cond_destroy, (pthread_cond_t * cond)) {
    note_destroyed(cond, kCall_pthread_cond_destroy, CALLER);
    return real::pthread_cond_destroy(cond);
}

INTERPOSE(int, cnd_init, (cnd_t * cond)) {
    const int result = real::cnd_init(cond);
    if (result == thrd_success) note_created(cond, kCall_cnd_init, CALLER);
    return result;
}

INTERPOSE(void, cnd_destroy, (cnd_t * cond)) {
    note_destroyed(cond, kCall_cnd_destroy, CALLER);
    real::cnd_destroy(cond);
}
