// SPDX-License-Identifier: Apache-2.0
//
// syscall(): futex waits and wakes are decoded (InnoDB's latches and C++20's atomic waits come this way),
// priority setters and asynchronous I/O noted, everything passed on unchanged.
#include <linux/futex.h>
#include <sys/syscall.h>

#include "preload/counters_file.h"
#include "preload/descriptors.h"
#include "preload/io_call.h"
#include "preload/priority.h"
#include "preload/real.h"
#include "preload/wait.h"

namespace latchkey {
namespace {

struct Arguments {
    long number, a, b, c, d, e, f;
};

long pass_on(const Arguments& s) {
    return real::syscall(s.number, s.a, s.b, s.c, s.d, s.e, s.f);
}

long futex_wait(ThreadRecord& record, const Arguments& s, Site site) {
    SignalWait wait(record,
                    {kObject_futex, kCall_syscall, reinterpret_cast<const void*>(s.a), nullptr, site, 0});
    const long result = pass_on(s);
    const int error = errno;
    wait.end(result == 0 ? 0 : error);
    errno = error;
    return result;
}

long futex_wake(ThreadRecord& record, const Arguments& s, Site site) {
    record.counters[k_futex_wakes]++;
    const Waited waited{kObject_futex, kCall_syscall, reinterpret_cast<const void*>(s.a), nullptr, site, 0};
    announce_wake(record, waited, static_cast<uint32_t>(s.c));
    return pass_on(s);
}

long futex(ThreadRecord& record, const Arguments& s, Site site) {
    switch (s.b & FUTEX_CMD_MASK) {
        case FUTEX_WAIT:
        case FUTEX_WAIT_BITSET:
            return futex_wait(record, s, site);
        case FUTEX_WAKE:
        case FUTEX_WAKE_BITSET:
        case FUTEX_WAKE_OP:
        case FUTEX_REQUEUE:
        case FUTEX_CMP_REQUEUE:
            return futex_wake(record, s, site);
        default:
            return pass_on(s);
    }
}

long set_priority(ThreadRecord& record, const Arguments& s, int64_t target, int32_t value, Site site) {
    const long result = pass_on(s);
    note_priority(record, kCall_syscall, target, value, result == -1 ? errno : 0, site);
    return result;
}

}  // namespace
}  // namespace latchkey

using namespace latchkey;

INTERPOSE(long, syscall, (long number, long a, long b, long c, long d, long e, long f)) {
    const Site site = CALLER;
    const Arguments s{number, a, b, c, d, e, f};
    ThreadRecord* record = observed(site);
    if (record == nullptr) return pass_on(s);
    const IoSite io{kCall_syscall, IoGroup::kAio, -1, site};
    switch (number) {
        case SYS_io_submit:
        case SYS_io_getevents:
            return observe_io(io, [&] { return pass_on(s); });
        case SYS_io_uring_enter:
            counters_file.process->bypass_io_uring.fetch_add(1, std::memory_order_relaxed);
            return observe_io(io, [&] { return pass_on(s); });
        default:
            break;
    }
    record->calls[kCall_syscall]++;
    switch (number) {
        case SYS_futex:
            return futex(*record, s, site);
        case SYS_ioprio_set:
            return set_priority(*record, s, b, static_cast<int32_t>(c), site);
        case SYS_sched_setscheduler:
            return set_priority(*record, s, a, static_cast<int32_t>(b), site);
        case SYS_close_range:
            return close_descriptors(static_cast<unsigned>(a), static_cast<unsigned>(b), static_cast<int>(c));
        case SYS_sched_setattr:
            return set_priority(*record, s, a, 0, site);
        default:
            return pass_on(s);
    }
}
