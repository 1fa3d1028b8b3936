// SPDX-License-Identifier: Apache-2.0
//
// Waits without a lock: polling for descriptors, sleeping, yielding, waiting for signals. Never contention by
// themselves, but SQLite's busy handler, LevelDB's slowdown and PostgreSQL's spin lock back-off wait only
// this way.
#include "preload/io_call.h"

using namespace latchkey;

// WAITING(group, result, NAME, (parameters), (arguments)): returns -1 with errno.
#define WAITING(group, result, name, parameters, arguments)          \
    INTERPOSE(result, name, parameters) {                            \
        const IoSite io{kCall_##name, IoGroup::group, -1, CALLER};   \
        return observe_io(io, [&] { return real::name arguments; }); \
    }

WAITING(kPoll, int, select,
        (int n, fd_set* __restrict r, fd_set* __restrict w, fd_set* __restrict e,
         timeval* __restrict timeout),
        (n, r, w, e, timeout))
WAITING(kPoll, int, pselect,
        (int n, fd_set* __restrict r, fd_set* __restrict w, fd_set* __restrict e,
         const timespec* __restrict timeout, const sigset_t* __restrict mask),
        (n, r, w, e, timeout, mask))
WAITING(kPoll, int, poll, (pollfd * fds, nfds_t n, int timeout), (fds, n, timeout))
WAITING(kPoll, int, ppoll, (pollfd * fds, nfds_t n, const timespec* timeout, const sigset_t* mask),
        (fds, n, timeout, mask))
WAITING(kPoll, int, __poll_chk, (void* fds, unsigned long n, int timeout, size_t size),
        (fds, n, timeout, size))
WAITING(kPoll, int, __ppoll_chk,
        (void* fds, unsigned long n, const void* timeout, const void* mask, size_t size),
        (fds, n, timeout, mask, size))
WAITING(kPoll, int, epoll_wait, (int epoll, epoll_event* events, int n, int timeout),
        (epoll, events, n, timeout))
WAITING(kPoll, int, epoll_pwait, (int epoll, epoll_event* events, int n, int timeout, const sigset_t* mask),
        (epoll, events, n, timeout, mask))
WAITING(kPoll, int, epoll_pwait2,
        (int epoll, epoll_event* events, int n, const timespec* timeout, const sigset_t* mask),
        (epoll, events, n, timeout, mask))

WAITING(kSleep, int, usleep, (useconds_t us), (us))
WAITING(kSleep, int, nanosleep, (const timespec* time, timespec* left), (time, left))
WAITING(kSleep, int, sched_yield, (), ())
WAITING(kSleep, int, thrd_sleep, (const timespec* time, timespec* left), (time, left))
WAITING(kSleep, int, pause, (), ())
WAITING(kSleep, int, sigsuspend, (const sigset_t* mask), (mask))
WAITING(kSleep, int, sigwaitinfo, (const sigset_t* __restrict set, siginfo_t* __restrict info), (set, info))
WAITING(kSleep, int, sigtimedwait,
        (const sigset_t* __restrict set, siginfo_t* __restrict info, const timespec* __restrict timeout),
        (set, info, timeout))

INTERPOSE(unsigned, sleep, (unsigned seconds)) {
    const IoSite io{kCall_sleep, IoGroup::kSleep, -1, CALLER};
    return static_cast<unsigned>(observe_io(io, [&] { return int64_t{real::sleep(seconds)}; }));
}

INTERPOSE(int, clock_nanosleep, (clockid_t clock, int flags, const timespec* time, timespec* left)) {
    const IoSite io{kCall_clock_nanosleep, IoGroup::kSleep, -1, CALLER};
    return observe_io_error(io, [&] { return real::clock_nanosleep(clock, flags, time, left); });
}

INTERPOSE(int, sigwait, (const sigset_t* __restrict set, int* __restrict number)) {
    const IoSite io{kCall_sigwait, IoGroup::kSleep, -1, CALLER};
    return observe_io_error(io, [&] { return real::sigwait(set, number); });
}

INTERPOSE(void, thrd_yield, ()) {
    const IoSite io{kCall_thrd_yield, IoGroup::kSleep, -1, CALLER};
    observe_io(io, [] { return real::thrd_yield(), 0; });
}
