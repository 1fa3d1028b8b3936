// SPDX-License-Identifier: Apache-2.0
//
// Latchkey's locks for programs that use them directly: a mutex, a condition variable and a read-write lock
// whose hand-off policy you choose, and the thread slots behind them. C11 and C++; link with
// `pkg-config --cflags --libs latchkey`. Manual: latchkey(3).
//
// Everywhere:
//   - functions that return int return 0 or an error number, as pthread functions do; errno is not changed;
//   - deadlines are absolute: seconds and nanoseconds (0 to 999,999,999) of CLOCK_REALTIME or
//     CLOCK_MONOTONIC. EINVAL: another clock, or nanoseconds out of range; nothing has changed then. A
//     deadline that has passed does not keep a call from succeeding if it need not wait;
//   - only lk_cond_wait and lk_cond_clockwait are cancellation points; signals end no wait;
//   - no function may be called from a signal handler;
//   - the library starts itself at the first call that needs a thread slot. Should there be no memory for
//   that,
//     it says so on standard error and aborts; a program that calls lk_start or lk_thread_attach first gets
//     ENOMEM instead;
//   - objects are for the threads of one process; zeroed memory is a valid object of the default kind.
#pragma once

#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

#define LK_API __attribute__((visibility("default")))

// ---- version

#define LK_VERSION_MAJOR 0
#define LK_VERSION_MINOR 1
#define LK_VERSION_PATCH 0
#define LK_VERSION "0.1.0"

// The version of the library that the program runs with, in the form of LK_VERSION. Any thread, any time.
LK_API const char* lk_version(void);

// ---- process

// Who gets a lock when it is released.
typedef enum lk_handoff {
    LK_HANDOFF_AGED = 0,   // whoever comes first; but the first waiter, when it is more urgent than the
                           // releaser or has waited for 3 ms. The default.
    LK_HANDOFF_BARGE = 1,  // whoever comes first
    LK_HANDOFF_FIFO = 2,   // the first waiter, in order of arrival
    LK_HANDOFF_PRIO = 3,   // the first waiter, in order of urgency, then of arrival
} lk_handoff_t;

// Starts the library with this policy, for the whole process and for good. Optional, once, before any other
// call but lk_version. Any thread; may be called by several at once. 0; EINVAL: no such policy; EALREADY: it
// has been started with another one; ENOMEM: no address space for the thread slots. Registers a fork handler:
// in a child all locks keep their owners, the waiting threads of the parent are forgotten. A program's own
// pthread_atfork handlers may use locks in the child if they were registered later.
LK_API int lk_start(lk_handoff_t handoff);

// ---- threads
//
// Every thread that uses the library has a slot. It gets one at its first call and gives it back when it ends
// (also by pthread_exit or cancellation). A process has room for 65,533 threads at a time; one more waits
// until another ends, which is said once on standard error.

// Names a thread among all that ever were, up to 4096 in a row per slot; never 0.
typedef uint32_t lk_thread_id_t;

// Gets the calling thread's slot now, so that its first lock need not. Optional. 0, ENOMEM (see lk_start).
LK_API int lk_thread_attach(void);

// Gives the calling thread's slot back before it ends; another use gets it a new one, with another id. The
// thread holds no mutex and no write lock of the library.
LK_API void lk_thread_detach(void);

// The calling thread's id; it keeps it until it ends or detaches, in a fork child too.
LK_API lk_thread_id_t lk_thread_self(void);

// The kernel's thread id of a thread; 0 if it has ended, or never was.
LK_API pid_t lk_thread_tid(lk_thread_id_t id);

// How urgent the library takes the calling thread to be: 20 - nice for SCHED_OTHER and SCHED_BATCH, 100 +
// priority for SCHED_FIFO and SCHED_RR, 0 for SCHED_IDLE, 300 for SCHED_DEADLINE. Read when the slot is got.
LK_API uint32_t lk_thread_urgency(void);

// To be called after the scheduling policy, priority or nice value of a thread has changed (kernel thread id;
// 0: the calling thread). Its next wait has the new urgency. Threads without a slot are ignored.
LK_API void lk_thread_refresh(pid_t tid);

// ---- mutexes

typedef struct lk_mutex {
    uint32_t lk_word;
    uint32_t lk_count;
    uint32_t lk_unused[2];
    int32_t lk_kind;
    uint32_t lk_stamps[3];
    uint64_t lk_reserved;
} lk_mutex_t;

typedef enum lk_mutex_kind {
    LK_MUTEX_NORMAL = 0,      // a thread that locks it again waits for ever
    LK_MUTEX_RECURSIVE = 1,   // may be locked again by its owner
    LK_MUTEX_ERRORCHECK = 2,  // locking it again is EDEADLK
} lk_mutex_kind_t;

#define LK_MUTEX_INIT \
    { 0, 0, {0, 0}, LK_MUTEX_NORMAL, {0, 0, 0}, 0 }
#define LK_MUTEX_RECURSIVE_INIT \
    { 0, 0, {0, 0}, LK_MUTEX_RECURSIVE, {0, 0, 0}, 0 }
#define LK_MUTEX_ERRORCHECK_INIT \
    { 0, 0, {0, 0}, LK_MUTEX_ERRORCHECK, {0, 0, 0}, 0 }

// 0, EINVAL (no such kind). Nobody may be using it.
LK_API int lk_mutex_init(lk_mutex_t* mutex, lk_mutex_kind_t kind);

// 0; EBUSY: somebody holds it or is inside a call on it. Its memory may be given back as soon as the last
// call that got the mutex has given it back, even if that unlock has not returned in another thread.
LK_API int lk_mutex_destroy(lk_mutex_t* mutex);

// Waits until the calling thread owns it. 0; EDEADLK (errorcheck: it does already); EAGAIN
// (recursive: 4,294,967,295 times already).
LK_API int lk_mutex_lock(lk_mutex_t* mutex);

// Never waits. 0; EBUSY: somebody owns it (recursive: somebody else); EAGAIN as above.
LK_API int lk_mutex_trylock(lk_mutex_t* mutex);

// As lk_mutex_lock, at most until deadline. Also ETIMEDOUT, EINVAL (see above).
LK_API int lk_mutex_clocklock(lk_mutex_t* mutex, clockid_t clock, const struct timespec* deadline);

// Gives it back, to a waiter if the policy says so. 0; EPERM (recursive, errorcheck): the calling thread does
// not own it. Of a normal mutex the caller must be the owner; this is not checked.
LK_API int lk_mutex_unlock(lk_mutex_t* mutex);

// Its owner at some moment during the call; 0: it was free. Needs no slot, changes nothing.
LK_API lk_thread_id_t lk_mutex_owner(const lk_mutex_t* mutex);

// ---- condition variables

typedef struct lk_cond {
    uint64_t lk_state[6];
} lk_cond_t;

#define LK_COND_INIT         \
    {                        \
        { 0, 0, 0, 0, 0, 0 } \
    }

// 0. Nobody may be using it.
LK_API int lk_cond_init(lk_cond_t* cond);

// 0; EBUSY: a thread waits that has not been signalled. Its memory may be given back as soon as all waiters
// have been signalled, have timed out or were cancelled, even if they have not returned.
LK_API int lk_cond_destroy(lk_cond_t* cond);

// Gives the mutex back, waits to be signalled, takes the mutex again. The calling thread owns the mutex,
// once. 0: signalled, or for no reason; EPERM: the caller does not own the mutex; EINVAL: a recursive mutex
// that it has locked more than once. Whatever is returned, the caller owns the mutex as before. A
// cancellation point: cleanup handlers run owning the mutex, and if the cancelled thread had got a signal
// all other waiters go on. A waiter that is signalled is moved to the mutex's queue: it does not wake up only
// to wait for the mutex.
LK_API int lk_cond_wait(lk_cond_t* cond, lk_mutex_t* mutex);

// The same, at most until deadline. Also ETIMEDOUT: not signalled by then; EINVAL (see above).
LK_API int lk_cond_clockwait(lk_cond_t* cond, lk_mutex_t* mutex, clockid_t clock,
                             const struct timespec* deadline);

// Lets one waiter go on, the most urgent one, of those the one that has waited longest. 0. With or without
// the mutex; with it, no waiter that began after this call takes the signal.
LK_API int lk_cond_signal(lk_cond_t* cond);

// Lets all waiters go on, one after the other as the mutex gets free. 0.
LK_API int lk_cond_broadcast(lk_cond_t* cond);

// ---- read-write locks

typedef struct lk_rwlock {
    uint32_t lk_state[12];
    uint32_t lk_kind;
    uint32_t lk_reserved;
} lk_rwlock_t;

typedef enum lk_rwlock_kind {
    LK_RWLOCK_PREFER_READERS = 0,  // a reader may read-lock again; readers without a pause keep writers out
    LK_RWLOCK_PREFER_WRITERS = 2,  // a waiting writer holds up new readers: reading again may deadlock
} lk_rwlock_kind_t;

#define LK_RWLOCK_INIT \
    { {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, LK_RWLOCK_PREFER_READERS, 0 }
#define LK_RWLOCK_PREFER_WRITERS_INIT \
    { {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, LK_RWLOCK_PREFER_WRITERS, 0 }

// 0, EINVAL (no such kind). Nobody may be using it.
LK_API int lk_rwlock_init(lk_rwlock_t* lock, lk_rwlock_kind_t kind);

// 0; EBUSY: somebody holds it or waits for it. Memory as for lk_mutex_destroy.
LK_API int lk_rwlock_destroy(lk_rwlock_t* lock);

// Waits until the calling thread is one of its readers. 0; EDEADLK: it is the writer; EAGAIN: 2^28 - 1
// readers.
LK_API int lk_rwlock_rdlock(lk_rwlock_t* lock);
LK_API int lk_rwlock_clockrdlock(lk_rwlock_t* lock, clockid_t clock, const struct timespec* deadline);

// Never waits. 0, EBUSY, EAGAIN.
LK_API int lk_rwlock_tryrdlock(lk_rwlock_t* lock);

// Waits until the calling thread is its writer. 0; EDEADLK: it is already. A reader waits for itself for
// ever.
LK_API int lk_rwlock_wrlock(lk_rwlock_t* lock);
LK_API int lk_rwlock_clockwrlock(lk_rwlock_t* lock, clockid_t clock, const struct timespec* deadline);

// Never waits. 0, EBUSY.
LK_API int lk_rwlock_trywrlock(lk_rwlock_t* lock);

// Gives back what the calling thread holds, read or write lock. 0; EPERM: nobody holds it.
LK_API int lk_rwlock_unlock(lk_rwlock_t* lock);

#ifdef __cplusplus
}
#endif
