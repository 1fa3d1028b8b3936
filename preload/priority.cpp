// SPDX-License-Identifier: Apache-2.0
//
// Priority setters, observed: which thread gave itself or another what urgency.
#include "preload/priority.h"

#include "preload/emit.h"
#include "preload/family.h"
#include "preload/real.h"
#include "preload/thread.h"

namespace latchkey {

void note_priority(ThreadRecord& record, Call call, int64_t target, int32_t value, int32_t result,
                   Site site) {
    const Inside inside;
    EMIT(&record, priority_set, .site = site, .target = target, .value = value, .result = result,
         .call = call);
}

namespace {

// target, value: as given by the program. tid: the thread meant, 0 for the caller. real_call returns -1 with
// errno, or an error number.
template <class F>
int set_observed(Call call, int64_t target, uint32_t tid, int32_t value, Site site, F real_call) {
    const int result = real_call();
    if (result == 0) family::note_priority(tid);
    ThreadRecord* record = observed(site);
    if (record == nullptr) return result;
    record->calls[call]++;
    note_priority(*record, call, target, value, result == -1 ? errno : result, site);
    return result;
}

}  // namespace
}  // namespace latchkey

using namespace latchkey;

INTERPOSE(int, setpriority, (__priority_which_t which, id_t who, int value)) {
    return set_observed(kCall_setpriority, who, who, value, CALLER,
                        [&] { return real::setpriority(which, who, value); });
}

INTERPOSE(int, nice, (int increment)) {
    const int result = real::nice(increment);  // the new value, which may be -1
    family::note_priority(0);
    ThreadRecord* record = observed(CALLER);
    if (record == nullptr) return result;
    record->calls[kCall_nice]++;
    note_priority(*record, kCall_nice, 0, result, 0, CALLER);
    return result;
}

INTERPOSE(int, sched_setscheduler, (pid_t target, int policy, const sched_param* parameters)) {
    return set_observed(kCall_sched_setscheduler, target, static_cast<uint32_t>(target), policy, CALLER,
                        [&] { return real::sched_setscheduler(target, policy, parameters); });
}

INTERPOSE(int, sched_setparam, (pid_t target, const sched_param* parameters)) {
    return set_observed(kCall_sched_setparam, target, static_cast<uint32_t>(target),
                        parameters != nullptr ? parameters->sched_priority : 0, CALLER,
                        [&] { return real::sched_setparam(target, parameters); });
}

INTERPOSE(int, pthread_setschedparam, (pthread_t target, int policy, const sched_param* parameters)) {
    return set_observed(kCall_pthread_setschedparam, static_cast<int64_t>(target), tid_of(target), policy,
                        CALLER, [&] { return real::pthread_setschedparam(target, policy, parameters); });
}

INTERPOSE(int, pthread_setschedprio, (pthread_t target, int value)) {
    return set_observed(kCall_pthread_setschedprio, static_cast<int64_t>(target), tid_of(target), value,
                        CALLER, [&] { return real::pthread_setschedprio(target, value); });
}
