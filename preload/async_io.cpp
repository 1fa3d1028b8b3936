// SPDX-License-Identifier: Apache-2.0
//
// libaio and liburing: their exported functions, present only if the program has the library. libaio makes
// its system calls through libc's syscall(); the gate is shut during a submission so that it is counted once.
#include "preload/io_call.h"

using namespace latchkey;

INTERPOSE(int, io_submit, (void* context, long n, void** blocks)) {
    const IoSite io{kCall_io_submit, IoGroup::kAio, -1, CALLER};
    return observe_io_negative(io, [&] {
        const Inside inside;
        return real::io_submit(context, n, blocks);
    });
}

#define OBSERVED(name, parameters, arguments)                                 \
    INTERPOSE(int, name, parameters) {                                        \
        const IoSite io{kCall_##name, IoGroup::kAio, -1, CALLER};             \
        return observe_io_negative(io, [&] { return real::name arguments; }); \
    }

OBSERVED(io_getevents, (void* context, long least, long most, void* events, void* timeout),
         (context, least, most, events, timeout))
OBSERVED(io_pgetevents, (void* context, long least, long most, void* events, void* timeout, void* mask),
         (context, least, most, events, timeout, mask))
OBSERVED(io_uring_submit, (void* ring), (ring))
OBSERVED(io_uring_submit_and_wait, (void* ring, unsigned n), (ring, n))
OBSERVED(io_uring_submit_and_wait_timeout, (void* ring, void** cqe, unsigned n, void* timeout, void* mask),
         (ring, cqe, n, timeout, mask))
OBSERVED(io_uring_wait_cqes, (void* ring, void** cqe, unsigned n, void* timeout, void* mask),
         (ring, cqe, n, timeout, mask))
OBSERVED(io_uring_wait_cqe_timeout, (void* ring, void** cqe, void* timeout), (ring, cqe, timeout))
OBSERVED(__io_uring_get_cqe, (void* ring, void** cqe, unsigned submit, unsigned n, void* mask),
         (ring, cqe, submit, n, mask))
OBSERVED(io_uring_get_events, (void* ring), (ring))
