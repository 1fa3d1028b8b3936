// SPDX-License-Identifier: Apache-2.0
//
// Waits for the end of a thread: the thread itself is the waker.
#include "preload/interpose.h"
#include "preload/real.h"
#include "preload/thread.h"
#include "preload/wait.h"

namespace latchkey {
namespace {

template <class F>
int join(Call call, pthread_t thread, Site site, F real_call) {
    ThreadRecord* record = observed(site);
    if (record == nullptr) return real_call();
    record->calls[call]++;
    const uint32_t joined = tid_of(thread);
    SignalWait wait(*record, {kObject_thread, call, nullptr, nullptr, site, 0});
    const int result = real_call();
    wait.end(result, result == 0 ? joined : 0);
    return result;
}

}  // namespace
}  // namespace latchkey

using namespace latchkey;

INTERPOSE(int, pthread_join, (pthread_t thread, void** result)) {
    return join(kCall_pthread_join, thread, CALLER, [&] { return real::pthread_join(thread, result); });
}

INTERPOSE(int, pthread_timedjoin_np, (pthread_t thread, void** result, const timespec* deadline)) {
    return join(kCall_pthread_timedjoin_np, thread, CALLER,
                [&] { return real::pthread_timedjoin_np(thread, result, deadline); });
}

INTERPOSE(int, pthread_clockjoin_np,
          (pthread_t thread, void** result, clockid_t clock, const timespec* deadline)) {
    return join(kCall_pthread_clockjoin_np, thread, CALLER,
                [&] { return real::pthread_clockjoin_np(thread, result, clock, deadline); });
}

INTERPOSE(int, pthread_tryjoin_np, (pthread_t thread, void** result)) {
    if (ThreadRecord* record = observed(CALLER); record != nullptr) record->calls[kCall_pthread_tryjoin_np]++;
    return real::pthread_tryjoin_np(thread, result);
}

INTERPOSE(int, pthread_detach, (pthread_t thread)) {
    if (ThreadRecord* record = observed(CALLER); record != nullptr) record->calls[kCall_pthread_detach]++;
    return real::pthread_detach(thread);
}

INTERPOSE(int, thrd_join, (thrd_t thread, int* result)) {
    return join(kCall_thrd_join, thread, CALLER, [&] { return real::thrd_join(thread, result); });
}
