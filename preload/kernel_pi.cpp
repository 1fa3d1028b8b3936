// SPDX-License-Identifier: Apache-2.0
#include "preload/kernel_pi.h"

#include <errno.h>
#include <stddef.h>

#include "preload/interpose.h"
#include "preload/kernel_pi_turns.h"
#include "preload/mutex.h"
#include "preload/say.h"

#ifndef FUTEX_LOCK_PI2
#define FUTEX_LOCK_PI2 13
#endif

namespace latchkey::kernel_pi {

constinit bool is_active = false;

namespace {

constexpr uint64_t kSliceNs = 50'000'000;  // a wait in the kernel, before it looks for a stranger's release
constexpr uint64_t kPauseNs = 50'000;

constinit bool has_lock_pi2 = false;  // Linux 5.14: a time-out on the monotonic clock
constinit bool is_child = false;      // words may hold thread ids of the parent

// The thread that forked this process, as it was called in the parent and as it is called here. 0: none.
constinit uint32_t forker = 0;
constinit uint32_t heir = 0;

thread_local constinit uint32_t known_tid [[gnu::tls_model("initial-exec")]] = 0;

uint32_t own_tid() {
    if (known_tid == 0) [[unlikely]]
        known_tid = static_cast<uint32_t>(gettid());
    return known_tid;
}

uint32_t tid_in(uint32_t word) {
    return word & FUTEX_TID_MASK;
}

constinit Bucket buckets[64];

// By the address alone: the mutex may be gone.
Bucket& bucket_of(const PiMutex& m) {
    return buckets[(reinterpret_cast<uintptr_t>(&m) / sizeof(pthread_mutex_t)) % 64];
}

// Lets another thread finish a few steps. No yield: that would not let a less urgent one run.
void pause() {
    static constinit std::atomic<uint32_t> never{0};
    Bucket::park(never, 0, kPauseNs);
}

// ---- one mutex

int type_of(const PiMutex& m) {
    return static_cast<int>(m.nature.load(std::memory_order_relaxed) & PiMutex::kTypes);
}

bool asks_for_owner(int type) {
    return type == PTHREAD_MUTEX_RECURSIVE || type == PTHREAD_MUTEX_ERRORCHECK;
}

bool take(PiMutex& m, uint32_t me) {
    uint32_t free = 0;
    return m.word.compare_exchange_strong(free, me, std::memory_order_acquire, std::memory_order_relaxed);
}

int note_taken(PiMutex& m, uint32_t me) {
    m.owner.store(me, std::memory_order_relaxed);
    m.users++;
    m.count = 1;
    return 0;
}

// The kernel does not wake, and complains, when it finds one of its own waiters.
bool has_kernel_waiters(PiMutex& m) {
    return futex(m.word, FUTEX_WAKE, 1, nullptr) == EINVAL;
}

// Does nobody wait in the kernel for the release by `word`'s owner? Then the word holds its thread id alone:
// the kernel knows of an owner only through waiters, and whoever comes to wait sets FUTEX_WAITERS first. So a
// compare-and-swap from that may change the owner behind the kernel's back. The caller holds kDeciding.
bool is_unawaited(PiMutex& m, uint32_t word) {
    uint32_t owner = tid_in(word);
    if (word == owner) return true;
    if (!m.word.compare_exchange_strong(word, owner, std::memory_order_relaxed)) return false;
    if (!has_kernel_waiters(m)) return true;
    m.word.compare_exchange_strong(owner, owner | FUTEX_WAITERS, std::memory_order_relaxed);
    return false;
}

bool seize(PiMutex& m, uint32_t word, uint32_t next) {
    uint32_t owner = tid_in(word);
    return is_unawaited(m, word) &&
           m.word.compare_exchange_strong(owner, next, std::memory_order_acq_rel, std::memory_order_relaxed);
}

bool change(PiMutex& m, uint64_t from, uint64_t to) {
    return m.nature.compare_exchange_strong(from, to, std::memory_order_acq_rel, std::memory_order_relaxed);
}

// Takes a mutex that a stranger has released. False: it is not, or kernel waiters have not all come back yet.
bool take_released(PiMutex& m, uint32_t me) {
    const uint64_t nature = m.nature.load(std::memory_order_acquire);
    if ((nature & PiMutex::kReleased) == 0 || (nature & PiMutex::kDeciding) != 0) return false;
    const uint64_t settled = nature & ~PiMutex::kReleased;
    if (!change(m, nature, settled | PiMutex::kDeciding)) return false;
    const uint32_t word = m.word.load(std::memory_order_acquire);
    const bool is_handed = (word & FUTEX_OWNER_DIED) != 0;  // to a kernel waiter, which sees to it
    if (!is_handed && (tid_in(word) == me || seize(m, word, me))) {
        m.nature.store(settled, std::memory_order_release);
        return true;
    }
    const uint32_t now = m.word.load(std::memory_order_acquire);
    const bool is_still_released = tid_in(now) == tid_in(word) || (now & FUTEX_OWNER_DIED) != 0;
    m.nature.store(is_still_released ? nature : settled, std::memory_order_release);
    return false;
}

// The kernel has given the mutex to the caller because its owner ended. True: a stranger had released it.
// While FUTEX_OWNER_DIED stands in the word nobody else changes the word.
bool settle_inheritance(PiMutex& m) {
    for (;;) {
        const uint64_t nature = m.nature.load(std::memory_order_acquire);
        if ((nature & PiMutex::kDeciding) != 0) {
            pause();
            continue;
        }
        const bool is_released = (nature & PiMutex::kReleased) != 0;
        if (is_released && !change(m, nature, nature & ~PiMutex::kReleased)) continue;
        m.word.fetch_and(~static_cast<uint32_t>(FUTEX_OWNER_DIED), std::memory_order_acq_rel);
        return is_released;
    }
}

// In a fork child: what the forking thread held is the child's thread's. Nobody waits for it in the kernel,
// since everybody comes here first.
void hand_down(PiMutex& m) {
    uint32_t word = m.word.load(std::memory_order_relaxed);
    if (forker == 0 || tid_in(word) != forker || asks_for_owner(type_of(m))) return;
    m.word.compare_exchange_strong(word, heir, std::memory_order_relaxed);
}

bool may_ask_kernel(const PiMutex& m, uint32_t me) {
    const uint64_t nature = m.nature.load(std::memory_order_acquire);
    if ((nature & (PiMutex::kDeciding | PiMutex::kReleased | PiMutex::kShunned)) != 0) return false;
    const uint32_t owner = tid_in(m.word.load(std::memory_order_relaxed));
    return owner != me && (!is_child || owner == 0 || !System::is_gone(owner));
}

int wait_in_kernel(PiMutex& m, const Deadline* deadline) {
    const clockid_t own = deadline != nullptr ? deadline->clock : CLOCK_MONOTONIC;
    const clockid_t clock = has_lock_pi2 ? own : CLOCK_REALTIME;
    const timespec end = after(clock, ns_until(deadline, kSliceNs));
    int operation = FUTEX_LOCK_PI;
    if (has_lock_pi2) operation = FUTEX_LOCK_PI2 | (clock == CLOCK_REALTIME ? FUTEX_CLOCK_REALTIME : 0);
    return futex(m.word, operation, 0, &end);
}

int wait_for(PiMutex& m, const Deadline* deadline) {
    const uint32_t me = own_tid();
    for (;;) {
        const uint32_t turn = bucket_of(m).turn();
        if (take(m, me) || take_released(m, me)) return note_taken(m, me);
        if (deadline != nullptr && System::is_past(*deadline)) return ETIMEDOUT;
        hand_down(m);
        int error = EDEADLK;
        if (may_ask_kernel(m, me)) error = wait_in_kernel(m, deadline);
        if (error == 0) {
            const bool is_handed = (m.word.load(std::memory_order_relaxed) & FUTEX_OWNER_DIED) != 0;
            if (!is_handed || settle_inheritance(m)) return note_taken(m, me);
        }
        // EDEADLK, ESRCH (the owner has ended), EINVAL (a release by a stranger is under way), EAGAIN.
        if (error != ETIMEDOUT) bucket_of(m).wait(turn, deadline);
    }
}

// A relock by the owner of a recursive or errorcheck mutex: its result. -1: it is none.
int relock(PiMutex& m, uint32_t me, int own_result) {
    if (m.owner.load(std::memory_order_relaxed) != me) return -1;
    const int type = type_of(m);
    if (type == PTHREAD_MUTEX_ERRORCHECK) return own_result;
    if (type != PTHREAD_MUTEX_RECURSIVE) return -1;
    if (m.count + 1 == 0) return EAGAIN;
    m.count++;
    return 0;
}

// The owner's release. False: the kernel takes the caller for another thread (a vfork child, clone()).
bool give_back(PiMutex& m, uint32_t me) {
    if (m.word.compare_exchange_strong(me, 0, std::memory_order_release, std::memory_order_relaxed))
        return true;
    int error;
    do error = futex(m.word, FUTEX_UNLOCK_PI, 0, nullptr);
    while (error == EAGAIN || error == EINTR);
    return error == 0;
}

void count(Counter counter) {
    if (self.record != nullptr) self.record->counters[counter]++;
}

// The release of what another thread holds. `nature` and `word`: as just read. False: one has changed.
bool release_of_other(PiMutex& m, uint64_t nature, uint32_t word) {
    if (!change(m, nature, nature | PiMutex::kDeciding)) return false;
    uint32_t owner = tid_in(word);
    if (is_unawaited(m, word)) {
        m.nature.store(nature,
                       std::memory_order_release);  // first: after the next step the mutex may be gone
        return m.word.compare_exchange_strong(owner, 0, std::memory_order_release, std::memory_order_relaxed);
    }
    const bool is_awaited = m.word.load(std::memory_order_relaxed) == (owner | FUTEX_WAITERS);
    if (is_awaited && (nature & PiMutex::kShunned) == 0) count(k_kernel_pi_left);
    const uint64_t released = nature | PiMutex::kReleased | PiMutex::kShunned;
    m.nature.store(is_awaited ? released : nature, std::memory_order_release);
    return is_awaited;
}

// Gives the mutex back, whoever holds it.
void release(PiMutex& m, uint32_t me) {
    bool wakes = true;
    for (;;) {
        const uint64_t nature = m.nature.load(std::memory_order_acquire);
        const uint32_t word = m.word.load(std::memory_order_relaxed);
        const bool is_released = (nature & PiMutex::kReleased) != 0;
        if ((nature & PiMutex::kDeciding) != 0 || (word & FUTEX_OWNER_DIED) != 0) {
            pause();
            continue;
        }
        if (word == 0 || (is_released && tid_in(word) != me)) return;  // it is free: glibc lets that pass
        if (tid_in(word) == me) {
            if (is_released && !change(m, nature, nature & ~PiMutex::kReleased)) continue;
            wakes = (nature & PiMutex::kShunned) != 0;
            if (give_back(m, me)) break;
            wakes = true;
        }
        if (release_of_other(m, nature, word)) break;
    }
    if (wakes) bucket_of(m).wake();
}

bool probe(int operation) {
    std::atomic<uint32_t> word{0};
    if (futex(word, operation, 0, nullptr) != 0) return false;
    return word.load() == own_tid() && futex(word, FUTEX_UNLOCK_PI, 0, nullptr) == 0 && word.load() == 0;
}

}  // namespace

void start() {
    static_assert(sizeof(PiMutex) <= sizeof(pthread_mutex_t));
    static_assert(offsetof(PiMutex, owner) == offsetof(pthread_mutex_t, __data.__owner));
    static_assert(offsetof(PiMutex, users) == offsetof(pthread_mutex_t, __data.__nusers));
    static_assert(offsetof(PiMutex, nature) == offsetof(pthread_mutex_t, __data.__kind));
    static_assert(offsetof(pthread_mutex_t, __data.__spins) == offsetof(PiMutex, nature) + 4);
    static_assert(offsetof(pthread_mutex_t, __data.__elision) == offsetof(PiMutex, nature) + 6);
    static constinit std::atomic<bool> said{false};
    has_lock_pi2 = probe(FUTEX_LOCK_PI2);
    if (!is_mutex_layout_known())
        say_once(said,
                 "runtime kernel-pi: this C library is not one it was tested with; its own locks are used");
    else if (!has_lock_pi2 && !probe(FUTEX_LOCK_PI))
        say_once(said, "runtime kernel-pi: no FUTEX_LOCK_PI here; the C library's own locks are used");
    else
        is_active = true;
}

void restart_in_child() {
    is_child = true;
    forker = known_tid;
    known_tid = 0;
    heir = own_tid();
    for (Bucket& bucket : buckets) bucket.reset();
}

bool convert(PiMutex& m) {
    constexpr uint64_t kFree = PiMutex::kTypes | PiMutex::kNoElision;
    if (reinterpret_cast<uintptr_t>(&m) % alignof(PiMutex) != 0) return false;
    uint64_t nature = m.nature.load(std::memory_order_relaxed);
    while ((nature & ~kFree) == 0) {
        const bool is_held = m.word.load(std::memory_order_relaxed) != 0;
        const uint64_t decided = nature | (is_held ? PiMutex::kLeft : PiMutex::kMark | PiMutex::kInherit);
        if (!m.nature.compare_exchange_weak(nature, decided, std::memory_order_relaxed)) continue;
        count(is_held ? k_kernel_pi_left : k_kernel_pi_converted);
        return !is_held;
    }
    return is_converted(nature);
}

int try_lock(PiMutex& m) {
    const uint32_t me = own_tid();
    if (take(m, me)) return note_taken(m, me);
    if (const int result = relock(m, me, EBUSY); result >= 0) return result;
    return take_released(m, me) ? note_taken(m, me) : EBUSY;
}

int lock(PiMutex& m) {
    const uint32_t me = own_tid();
    if (take(m, me)) return note_taken(m, me);
    if (const int result = relock(m, me, EDEADLK); result >= 0) return result;
    return wait_for(m, nullptr);
}

int clock_lock(PiMutex& m, clockid_t clock, const timespec* time) {
    if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC) return EINVAL;
    const uint32_t me = own_tid();
    if (take(m, me)) return note_taken(m, me);
    if (const int result = relock(m, me, EDEADLK); result >= 0) return result;
    if (time->tv_nsec < 0 || time->tv_nsec >= 1'000'000'000) return EINVAL;
    const Deadline deadline{clock, *time};
    return wait_for(m, &deadline);
}

int unlock(PiMutex& m) {
    const uint32_t me = own_tid();
    const int type = type_of(m);
    if (asks_for_owner(type)) {
        if (m.owner.load(std::memory_order_relaxed) != me || m.word.load(std::memory_order_relaxed) == 0)
            return EPERM;
        if (type == PTHREAD_MUTEX_RECURSIVE && --m.count != 0) return 0;
    }
    m.owner.store(0, std::memory_order_relaxed);
    m.users--;
    release(m, me);
    return 0;
}

void own_up(PiMutex& m) {
    const uint32_t me = own_tid();
    const uint64_t nature = m.nature.load(std::memory_order_relaxed);
    const uint32_t word = m.word.load(std::memory_order_relaxed);
    if (tid_in(word) == me || asks_for_owner(type_of(m)) || (nature & PiMutex::kReleased) != 0) return;
    if (!change(m, nature, nature | PiMutex::kDeciding)) return;
    seize(m, word, me);
    m.nature.store(nature, std::memory_order_release);
}

}  // namespace latchkey::kernel_pi
