// SPDX-License-Identifier: Apache-2.0
//
// Condition variables: pthread_cond_* and cnd_*. A wait gives its mutex back and takes it again by itself,
// so both are told to the held locks here. A cancelled wait leaves by unwinding through these frames: what it
// leaves open is closed when the thread ends (abandon_wait), so no cleanup handler is pushed on this path.
#include "preload/emit.h"
#include "preload/family.h"
#include "preload/interpose.h"
#include "preload/real.h"
#include "preload/wait.h"

namespace latchkey {
namespace {

template <class F>
int wait_observed(Call call, const void* cond, const void* mutex, Site site, F real_wait) {
    ThreadRecord* record = observed(site);
    if (record == nullptr) return family::without_passage(real_wait);
    record->calls[call]++;
    SignalWait wait(*record, {kObject_cond, call, cond, mutex, site, 0});
    Release release(*record, {kObject_mutex, call, mutex, nullptr, site, 0});
    Passage passage;
    const int result = real_wait(passage);
    release.end();
    wait.end(result, 0, passage);
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

// mtx_t, cnd_t and their pthread twins are one object in glibc.
pthread_cond_t* as_cond(cnd_t* cond) {
    return reinterpret_cast<pthread_cond_t*>(cond);
}
pthread_mutex_t* as_mutex(mtx_t* m) {
    return reinterpret_cast<pthread_mutex_t*>(m);
}
int as_c11(int result) {
    return result == 0 ? thrd_success : result == ETIMEDOUT ? thrd_timedout : thrd_error;
}

}  // namespace
}  // namespace latchkey

using namespace latchkey;

INTERPOSE(int, pthread_cond_wait, (pthread_cond_t * cond, pthread_mutex_t* m)) {
    return wait_observed(kCall_pthread_cond_wait, cond, m, CALLER,
                         [&](Passage& passage) { return family::pthread_cond_wait(cond, m, passage); });
}

INTERPOSE(int, pthread_cond_timedwait,
          (pthread_cond_t * cond, pthread_mutex_t* m, const timespec* deadline)) {
    return wait_observed(kCall_pthread_cond_timedwait, cond, m, CALLER, [&](Passage& passage) {
        return family::pthread_cond_timedwait(cond, m, deadline, passage);
    });
}

INTERPOSE(int, pthread_cond_clockwait,
          (pthread_cond_t * cond, pthread_mutex_t* m, clockid_t clock, const timespec* deadline)) {
    return wait_observed(kCall_pthread_cond_clockwait, cond, m, CALLER, [&](Passage& passage) {
        return family::pthread_cond_clockwait(cond, m, clock, deadline, passage);
    });
}

INTERPOSE(int, cnd_wait, (cnd_t * cond, mtx_t* m)) {
    return as_c11(wait_observed(kCall_cnd_wait, cond, m, CALLER, [&](Passage& passage) {
        return family::pthread_cond_wait(as_cond(cond), as_mutex(m), passage);
    }));
}

INTERPOSE(int, cnd_timedwait,
          (cnd_t* __restrict cond, mtx_t* __restrict m, const timespec* __restrict deadline)) {
    return as_c11(wait_observed(kCall_cnd_timedwait, cond, m, CALLER, [&](Passage& passage) {
        return family::pthread_cond_timedwait(as_cond(cond), as_mutex(m), deadline, passage);
    }));
}

INTERPOSE(int, pthread_cond_signal, (pthread_cond_t * cond)) {
    return wake_observed(kCall_pthread_cond_signal, cond, 1, CALLER,
                         [&] { return family::pthread_cond_signal(cond); });
}

INTERPOSE(int, pthread_cond_broadcast, (pthread_cond_t * cond)) {
    return wake_observed(kCall_pthread_cond_broadcast, cond, kAll, CALLER,
                         [&] { return family::pthread_cond_broadcast(cond); });
}

INTERPOSE(int, cnd_signal, (cnd_t * cond)) {
    return as_c11(wake_observed(kCall_cnd_signal, cond, 1, CALLER,
                                [&] { return family::pthread_cond_signal(as_cond(cond)); }));
}

INTERPOSE(int, cnd_broadcast, (cnd_t * cond)) {
    return as_c11(wake_observed(kCall_cnd_broadcast, cond, kAll, CALLER,
                                [&] { return family::pthread_cond_broadcast(as_cond(cond)); }));
}

INTERPOSE(int, pthread_cond_init, (pthread_cond_t * cond, const pthread_condattr_t* attributes)) {
    const int result = real::pthread_cond_init(cond, attributes);
    if (result == 0) note_created(cond, kCall_pthread_cond_init, CALLER);
    return result;
}

INTERPOSE(int, pthread_cond_destroy, (pthread_cond_t * cond)) {
    note_destroyed(cond, kCall_pthread_cond_destroy, CALLER);
    return family::pthread_cond_destroy(cond);
}

INTERPOSE(int, cnd_init, (cnd_t * cond)) {
    const int result = real::cnd_init(cond);
    if (result == thrd_success) note_created(cond, kCall_cnd_init, CALLER);
    return result;
}

INTERPOSE(void, cnd_destroy, (cnd_t * cond)) {
    note_destroyed(cond, kCall_cnd_destroy, CALLER);
    family::pthread_cond_destroy(as_cond(cond));
}
