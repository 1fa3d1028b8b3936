// SPDX-License-Identifier: Apache-2.0
//
// Barriers: every wait but the last one's is a wait for the last arrival, who is the waker.
#include "preload/emit.h"
#include "preload/interpose.h"
#include "preload/real.h"
#include "preload/wait.h"

using namespace latchkey;

INTERPOSE(int, pthread_barrier_wait, (pthread_barrier_t * barrier)) {
    const Site site = CALLER;
    ThreadRecord* record = observed(site);
    if (record == nullptr) return real::pthread_barrier_wait(barrier);
    record->calls[kCall_pthread_barrier_wait]++;
    const Waited waited{kObject_barrier, kCall_pthread_barrier_wait, barrier, nullptr, site, 0};
    announce_wake(*record, waited, 0xffffffff);  // the last to arrive says it last
    SignalWait wait(*record, waited);
    const int result = real::pthread_barrier_wait(barrier);
    wait.end(result == PTHREAD_BARRIER_SERIAL_THREAD ? 0 : result);
    return result;
}

INTERPOSE(int, pthread_barrier_init,
          (pthread_barrier_t* __restrict barrier, const pthread_barrierattr_t* __restrict attributes,
           unsigned count)) {
    if (ThreadRecord* record = observed(CALLER); record != nullptr) {
        record->calls[kCall_pthread_barrier_init]++;
        remember_init(barrier, CALLER);
    }
    return real::pthread_barrier_init(barrier, attributes, count);
}

INTERPOSE(int, pthread_barrier_destroy, (pthread_barrier_t * barrier)) {
    if (ThreadRecord* record = observed(CALLER); record != nullptr) {
        record->calls[kCall_pthread_barrier_destroy]++;
        forget_init(barrier);
    }
    return real::pthread_barrier_destroy(barrier);
}
