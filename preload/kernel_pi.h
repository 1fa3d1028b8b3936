// SPDX-License-Identifier: Apache-2.0
//
// --runtime=kernel-pi: the program's mutexes become the kernel's priority-inheriting ones. A mutex is
// converted in place: the inheritance bit goes into its kind, its word holds the owner's thread id. Waiting
// and releasing are done here, not by glibc's code for such mutexes: that one aborts or refuses where the
// program's mutex would have gone on. Condition variables stay glibc's; what a wait does to its mutex is
// right by the kind.
//
// What is converted, and when
//   - Kinds normal, recursive, errorcheck and adaptive, without any other attribute. Robust, process-shared,
//     inheriting, protected and eliding mutexes are not touched, nor are those at odd addresses.
//   - By the first lock, trylock or timed lock, however the mutex was initialised (std::mutex never is). Kind
//     and mark change in one step, and nobody locks a mutex of ours that is not decided upon; so there is no
//     moment at which two protocols meet. One that is held when it is first seen (since before the take-over)
//     is left to glibc for good: its holder and its waiters follow the other protocol.
//   - Nothing, when this glibc's mutexes or this kernel's futexes are not as expected.
//
// How it behaves where glibc's inheriting mutex differs from the program's
//   - Unlock by a thread that does not hold it (normal, adaptive): the mutex is free at once, if nobody waits
//   in
//     the kernel. Otherwise the kernel would not hear of it, for it takes a release from the owner only: the
//     mutex is marked as released, and waiters come back from the kernel every kSliceNs to see that; the
//     first to come when no other is left there takes it. From then on the mutex is shunned: its waiters
//     sleep here and lend nothing, since such a program uses it as a semaphore.
//   - The owner ends: its kernel waiters are given the mutex one after the other. They are its owner by name
//     only, and go on waiting, as for a mutex that is never released; a stranger's unlock lets one of them
//     in.
//   - Relock by the owner, deadlock (EDEADLK of the kernel): waits here and asks again; another thread's
//     time-out or unlock may end it.
//   - Fork: what the forking thread held is held by the child's thread; what other threads of the parent
//     held is held for good, and nobody waits in the kernel for a thread of another process, which would
//     get our priority. Recursive and errorcheck mutexes are the parent's in the child, as with glibc.
//   - Adaptive mutexes do not spin: spinning by an urgent thread keeps the holder from its cpu.
//
// Left over: a wait for a condition variable takes its mutex again inside glibc. If that meets a deadlock,
// glibc waits for good (normal) or aborts (recursive, errorcheck); if the owner ends meanwhile, it aborts; a
// stranger's unlock does not reach it until the owner's next one.
//
// Threads: all functions by any thread. Kept of a mutex is only what is in it: kind; in the 32 bits that
// glibc uses for spinning and elision, a mark and a state.
#pragma once

#include <pthread.h>

#include <atomic>
#include <cstdint>

#include "runtime/system.h"

namespace latchkey::kernel_pi {

// Decided once, by the constructor.
extern bool is_active;

// May the kernel and this glibc do it? Says so on standard error if not. Constructor only.
void start();

// In a fork child, before any lock is touched.
void restart_in_child();

// pthread_mutex_t as it is here; the rest of it is not used.
struct PiMutex {
    static constexpr uint64_t kTypes = 3;
    static constexpr uint64_t kNoElision = 0x200;  // a hint, not a kind
    static constexpr uint64_t kInherit = 0x20;     // PTHREAD_MUTEX_PRIO_INHERIT_NP
    static constexpr uint64_t kMark = 0x4b50ull << 48;
    static constexpr uint64_t kLeft = 0x4b4cull << 48;  // glibc's for good

    // The state, changed by compare-and-swap only. kDeciding: one thread works out whether a release by a
    // stranger can take effect; it alone changes the state until it takes the bit away.
    static constexpr uint64_t kDeciding = 1ull << 32;
    static constexpr uint64_t kReleased = 1ull << 33;  // free, but the kernel does not know
    static constexpr uint64_t kShunned = 1ull << 34;   // nobody goes to wait in the kernel any more

    std::atomic<uint32_t> word;  // 0: free; else the owner's thread id and the kernel's FUTEX_ bits
    uint32_t count;              // recursive: how often it is locked
    std::atomic<uint32_t> owner;
    uint32_t users;                // what pthread_mutex_destroy looks at
    std::atomic<uint64_t> nature;  // kind, state << 32, mark << 48
};

inline bool is_converted(uint64_t nature) {
    const uint64_t fixed = PiMutex::kMark | PiMutex::kInherit;
    const uint64_t free =
        PiMutex::kTypes | PiMutex::kNoElision | PiMutex::kDeciding | PiMutex::kReleased | PiMutex::kShunned;
    return (nature & ~free) == fixed;
}

inline PiMutex& pi(pthread_mutex_t* m) {
    return *reinterpret_cast<PiMutex*>(m);
}

// Was it converted?
inline bool has(pthread_mutex_t* m) {
    return is_active && is_converted(pi(m).nature.load(std::memory_order_relaxed));
}

// Converts a mutex that is seen for the first time. False: it is glibc's.
bool convert(PiMutex& m);

// Is it ours, now that somebody is about to lock it?
inline bool takes(pthread_mutex_t* m) {
    return is_active && (has(m) || convert(pi(m)));
}

// As the functions of pthread; for mutexes of which takes() or has() was true.
int try_lock(PiMutex& m);
int lock(PiMutex& m);
int clock_lock(PiMutex& m, clockid_t clock, const timespec* time);
int unlock(PiMutex& m);

// Before glibc's condition variable gives the mutex back for the caller: it takes that from the owner only.
void own_up(PiMutex& m);

}  // namespace latchkey::kernel_pi
