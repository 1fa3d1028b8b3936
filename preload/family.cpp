// SPDX-License-Identifier: Apache-2.0
#include "preload/family.h"

#include <errno.h>
#include <sys/stat.h>

#include "preload/config.h"
#include "preload/kernel_pi.h"
#include "preload/real.h"
#include "preload/say.h"

namespace latchkey::family {

constinit bool is_own = false;

namespace {

using System = LinuxSystem;
using OwnMutex = KindMutex<System>;
using OwnCondvar = Condvar<System>;
using OwnRwLock = RwLock<System>;

constexpr int kElisionHints = 0x300;  // PTHREAD_MUTEX_ELISION_NP, PTHREAD_MUTEX_NO_ELISION_NP
constexpr int kTypes = 3;             // normal, recursive, errorcheck, adaptive
constexpr uint32_t kCondShared = 1;   // in pthread_cond_t's __wrefs
constexpr uint32_t kCondMonotonic = 2;

OwnMutex& own(pthread_mutex_t* m) {
    return *reinterpret_cast<OwnMutex*>(m);
}
OwnCondvar& own(pthread_cond_t* cond) {
    return *reinterpret_cast<OwnCondvar*>(cond);
}
OwnRwLock& own(pthread_rwlock_t* lock) {
    return *reinterpret_cast<OwnRwLock*>(lock);
}

bool is_own_kind(const pthread_mutex_t* m) {
    return is_own && (m->__data.__kind & ~kElisionHints & ~kTypes) == 0;
}
bool is_own_kind(const pthread_cond_t* cond) {
    return is_own && (cond->__data.__wrefs & kCondShared) == 0;
}

// A read-write lock may have been used before the take-over, and be held since; glibc's words for that are
// turned into ours by the first call that sees it. Nobody else is at it: the take-over was made by the only
// thread, and since then every call comes here. The mark lies where glibc counts waiting writers, of which
// there are none.
constexpr uint32_t kTakenOver = 0x4c4b5257;

uint64_t taken_over(uint32_t glibc_word) {
    constexpr uint32_t kWriteLocked = 2;
    constexpr uint32_t kReaderShift = 3;
    const uint32_t held = (glibc_word & kWriteLocked) != 0 ? OwnRwLock::kWriter : glibc_word >> kReaderShift;
    return uint64_t{kTakenOver} << 32 | held;
}

bool take_over_rwlock(pthread_rwlock_t* lock) {
    auto* words = reinterpret_cast<uint64_t*>(lock);
    uint64_t seen = __atomic_load_n(words, __ATOMIC_ACQUIRE);
    while (seen >> 32 == 0)
        if (__atomic_compare_exchange_n(words, &seen, taken_over(static_cast<uint32_t>(seen)), false,
                                        __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
            return true;
    return seen >> 32 == kTakenOver;
}

bool is_own_kind(pthread_rwlock_t* lock) {
    return is_own && lock->__data.__shared == 0 &&
           (__atomic_load_n(&lock->__data.__writers, __ATOMIC_RELAXED) == kTakenOver ||
            take_over_rwlock(lock));
}

// Locked by glibc before the take-over, and not released since.
bool is_glibc_held(const pthread_mutex_t* m) {
    const int word = __atomic_load_n(&m->__data.__lock, __ATOMIC_RELAXED);
    return word == 1 || word == 2;
}

bool is_valid(clockid_t clock) {
    return clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC;
}
bool is_valid(const timespec* time) {
    return time->tv_nsec >= 0 && time->tv_nsec < 1'000'000'000;
}

// A moment's sleep; unlike nanosleep no cancellation point.
void pause() {
    constexpr long kPauseNs = 50'000;
    System::Atomic<uint32_t> nobody{0};
    System::Deadline deadline{CLOCK_MONOTONIC, {}};
    clock_gettime(deadline.clock, &deadline.time);
    deadline.time.tv_nsec += kPauseNs;
    if (deadline.time.tv_nsec >= 1'000'000'000) {
        deadline.time.tv_nsec -= 1'000'000'000;
        deadline.time.tv_sec++;
    }
    System::park(nobody, 0, &deadline);
}

// A mutex that glibc still holds for somebody: no glibc waiter may queue behind it, its protocol would write
// over our words. Asks again and again until it is free; relocks of its owner are glibc's.
int outwait_glibc(pthread_mutex_t* m, const System::Deadline* deadline) {
    const int type = m->__data.__kind & kTypes;
    const bool is_typed = type == PTHREAD_MUTEX_RECURSIVE || type == PTHREAD_MUTEX_ERRORCHECK;
    if (is_typed && m->__data.__owner == gettid()) return real::pthread_mutex_lock(m);
    while (is_glibc_held(m)) {
        if (deadline != nullptr && System::is_past(*deadline)) return ETIMEDOUT;
        pause();
    }
    return -1;
}

int lock_until(pthread_mutex_t* m, const System::Deadline* deadline, Passage& passage) {
    if (is_glibc_held(m)) [[unlikely]] {
        const int result = outwait_glibc(m, deadline);
        if (result >= 0) return result;
    }
    return own(m).lock(System::self(), deadline, passage);
}

// What a condvar of ours does to the mutex of a wait, whoever's it is.
int unlock_for_wait(void* mutex) {
    return family::pthread_mutex_unlock(static_cast<pthread_mutex_t*>(mutex));
}
int lock_after_wait(void* mutex) {
    Passage passage;
    return family::pthread_mutex_lock(static_cast<pthread_mutex_t*>(mutex), passage);
}

int wait_until(pthread_cond_t* cond, pthread_mutex_t* m, const System::Deadline* deadline, Passage& passage) {
    MutexOfWait<System> mutex{m, unlock_for_wait, lock_after_wait, nullptr};
    if (is_own_kind(m) && !is_glibc_held(m)) {
        const int type = m->__data.__kind & kTypes;
        const bool is_typed = type == PTHREAD_MUTEX_RECURSIVE || type == PTHREAD_MUTEX_ERRORCHECK;
        if (is_typed && !own(m).is_own(System::self())) return EPERM;
        // A recursive mutex that stays locked after one unlock is not free for those who are moved to it.
        if (m->__data.__count == 0) mutex.movable_to = &own(m);
    }
    return own(cond).wait(System::self(), mutex, deadline, passage);
}

// A process-shared condvar with a private mutex of ours: nobody but this process can signal with the mutex
// held, but glibc cannot give back our mutex. So the wait is a short sleep, and ends without a signal, as
// waits may.
int wait_beside(pthread_mutex_t* m, const System::Deadline* deadline) {
    constexpr timespec kPause{0, 1000 * 1000};
    static constinit std::atomic<bool> said{false};
    say_once(said, "a process-shared condvar is used with a private mutex: its waits look every millisecond");
    if (const int error = family::pthread_mutex_unlock(m); error != 0) return error;
    pthread_cleanup_push([](void* mutex) { lock_after_wait(mutex); }, m);
    real::nanosleep(&kPause, nullptr);
    pthread_cleanup_pop(0);
    lock_after_wait(m);
    return deadline != nullptr && System::is_past(*deadline) ? ETIMEDOUT : 0;
}

// Another thread may be waiting inside glibc, which nothing of ours would wake.
bool is_only_thread() {
    if (__libc_single_threaded) return true;
    constexpr nlink_t kDirectoryLinks = 2;
    struct stat tasks;
    return stat("/proc/self/task", &tasks) == 0 && tasks.st_nlink == kDirectoryLinks + 1;
}

clockid_t clock_of(const pthread_cond_t* cond) {
    return (cond->__data.__wrefs & kCondMonotonic) != 0 ? CLOCK_MONOTONIC : CLOCK_REALTIME;
}

}  // namespace

void take_over() {
    if (config.runtime == Runtime::kKernelPi) {
        kernel_pi::start();
        if (!kernel_pi::is_active) config.runtime = Runtime::kOff;
    }
    if (config.runtime != Runtime::kOwn) return;
    if (!is_mutex_layout_known()) {
        static constinit std::atomic<bool> said{false};
        say_once(said, "runtime own: this C library is not one it was tested with; its own locks are used");
        config.runtime = Runtime::kOff;
        return;
    }
    if (!is_only_thread()) {
        static constinit std::atomic<bool> said{false};
        say_once(said, "runtime own: threads were running before it; the C library's own locks are used");
        config.runtime = Runtime::kOff;
        return;
    }
    if (!System::start(config.handoff)) {
        static constinit std::atomic<bool> said{false};
        say_once(said, "runtime own: no address space for it; the C library's own locks are used");
        config.runtime = Runtime::kOff;
        return;
    }
    System::attach_self(true);
    is_own = true;
}

void restart_in_child() {
    if (is_own) System::restart_in_child();
    if (kernel_pi::is_active) kernel_pi::restart_in_child();
}

void begin_thread() {
    if (is_own) System::attach_self(true);
}
void end_thread() {
    if (is_own) System::release_self();
}
void note_priority(uint32_t tid) {
    if (is_own) System::refresh_urgency(tid);
}

uint32_t mutex_mark() {
    return is_own ? System::self().id.load(std::memory_order_relaxed) : kGlibcMark;
}

int pthread_mutex_trylock(pthread_mutex_t* m) {
    if (kernel_pi::takes(m)) return kernel_pi::try_lock(kernel_pi::pi(m));
    if (!is_own_kind(m) || is_glibc_held(m)) return real::pthread_mutex_trylock(m);
    return own(m).try_lock(System::self());
}

int pthread_mutex_lock(pthread_mutex_t* m, Passage& passage) {
    if (kernel_pi::takes(m)) return kernel_pi::lock(kernel_pi::pi(m));
    if (!is_own_kind(m)) return real::pthread_mutex_lock(m);
    return lock_until(m, nullptr, passage);
}

int pthread_mutex_clocklock(pthread_mutex_t* m, clockid_t clock, const timespec* time, Passage& passage) {
    if (kernel_pi::takes(m)) return kernel_pi::clock_lock(kernel_pi::pi(m), clock, time);
    if (!is_own_kind(m)) return real::pthread_mutex_clocklock(m, clock, time);
    if (!is_valid(clock)) return EINVAL;
    const int result = family::pthread_mutex_trylock(m);
    if (result != EBUSY) return result;
    // In glibc's order: a relock first, then a bad time.
    if ((m->__data.__kind & kTypes) == PTHREAD_MUTEX_ERRORCHECK && own(m).is_own(System::self()))
        return EDEADLK;
    if (!is_valid(time)) return EINVAL;
    const System::Deadline deadline{clock, *time};
    return lock_until(m, &deadline, passage);
}

int pthread_mutex_unlock(pthread_mutex_t* m) {
    if (kernel_pi::has(m)) return kernel_pi::unlock(kernel_pi::pi(m));
    if (!is_own_kind(m) || is_glibc_held(m)) return real::pthread_mutex_unlock(m);
    return own(m).unlock(System::self());
}

int pthread_mutex_destroy(pthread_mutex_t* m) {
    if (is_own_kind(m) && own(m).raw_word() != 0) return EBUSY;
    return real::pthread_mutex_destroy(m);
}

bool spin_for_mutex(pthread_mutex_t* m) {
    if (!is_own_kind(m) || is_glibc_held(m)) return false;
    return own(m).lock_by_spinning(System::self());
}

uint64_t queued_ns(pthread_mutex_t* m) {
    return is_own_kind(m) && !is_glibc_held(m) ? own(m).queued_ns() : 0;
}

uint32_t owner_of(const pthread_mutex_t* m) {
    if (!is_own_kind(m) || is_glibc_held(m))
        return static_cast<uint32_t>(__atomic_load_n(&m->__data.__owner, __ATOMIC_RELAXED));
    const Slot<System>* owner = System::slots().find(reinterpret_cast<const OwnMutex*>(m)->owner());
    return owner != nullptr ? owner->tid.load(std::memory_order_relaxed) : 0;
}

int pthread_cond_wait(pthread_cond_t* cond, pthread_mutex_t* m, Passage& passage) {
    if (is_own_kind(cond)) return wait_until(cond, m, nullptr, passage);
    if (is_own_kind(m)) return wait_beside(m, nullptr);
    if (kernel_pi::takes(m)) kernel_pi::own_up(kernel_pi::pi(m));
    return real::pthread_cond_wait(cond, m);
}

int pthread_cond_timedwait(pthread_cond_t* cond, pthread_mutex_t* m, const timespec* time, Passage& passage) {
    if (!is_own_kind(cond) && !is_own_kind(m)) {
        if (kernel_pi::takes(m)) kernel_pi::own_up(kernel_pi::pi(m));
        return real::pthread_cond_timedwait(cond, m, time);
    }
    return family::pthread_cond_clockwait(cond, m, clock_of(cond), time, passage);
}

int pthread_cond_clockwait(pthread_cond_t* cond, pthread_mutex_t* m, clockid_t clock, const timespec* time,
                           Passage& passage) {
    if (!is_own_kind(cond) && !is_own_kind(m)) {
        if (kernel_pi::takes(m)) kernel_pi::own_up(kernel_pi::pi(m));
        return real::pthread_cond_clockwait(cond, m, clock, time);
    }
    if (!is_valid(time) || !is_valid(clock)) return EINVAL;
    const System::Deadline deadline{clock, *time};
    return is_own_kind(cond) ? wait_until(cond, m, &deadline, passage) : wait_beside(m, &deadline);
}

int pthread_cond_signal(pthread_cond_t* cond) {
    if (!is_own_kind(cond)) return real::pthread_cond_signal(cond);
    if (own(cond).has_waiters()) own(cond).signal(System::self());
    return 0;
}

int pthread_cond_broadcast(pthread_cond_t* cond) {
    if (!is_own_kind(cond)) return real::pthread_cond_broadcast(cond);
    if (own(cond).has_waiters()) own(cond).broadcast(System::self());
    return 0;
}

int pthread_cond_destroy(pthread_cond_t* cond) {
    if (!is_own_kind(cond)) return real::pthread_cond_destroy(cond);
    return own(cond).has_waiters() ? EBUSY : 0;
}

int pthread_rwlock_tryrdlock(pthread_rwlock_t* lock) {
    return is_own_kind(lock) ? own(lock).try_read() : real::pthread_rwlock_tryrdlock(lock);
}

int pthread_rwlock_trywrlock(pthread_rwlock_t* lock) {
    return is_own_kind(lock) ? own(lock).try_write(System::self()) : real::pthread_rwlock_trywrlock(lock);
}

int pthread_rwlock_rdlock(pthread_rwlock_t* lock, Passage& passage) {
    return is_own_kind(lock) ? own(lock).read(System::self(), nullptr, passage)
                             : real::pthread_rwlock_rdlock(lock);
}

int pthread_rwlock_wrlock(pthread_rwlock_t* lock, Passage& passage) {
    return is_own_kind(lock) ? own(lock).write(System::self(), nullptr, passage)
                             : real::pthread_rwlock_wrlock(lock);
}

int pthread_rwlock_clockrdlock(pthread_rwlock_t* lock, clockid_t clock, const timespec* time,
                               Passage& passage) {
    if (!is_own_kind(lock)) return real::pthread_rwlock_clockrdlock(lock, clock, time);
    if (!is_valid(clock) || !is_valid(time)) return EINVAL;
    const System::Deadline deadline{clock, *time};
    return own(lock).read(System::self(), &deadline, passage);
}

int pthread_rwlock_clockwrlock(pthread_rwlock_t* lock, clockid_t clock, const timespec* time,
                               Passage& passage) {
    if (!is_own_kind(lock)) return real::pthread_rwlock_clockwrlock(lock, clock, time);
    if (!is_valid(clock) || !is_valid(time)) return EINVAL;
    const System::Deadline deadline{clock, *time};
    return own(lock).write(System::self(), &deadline, passage);
}

int pthread_rwlock_unlock(pthread_rwlock_t* lock) {
    if (!is_own_kind(lock)) return real::pthread_rwlock_unlock(lock);
    own(lock).unlock(System::self());
    return 0;
}

uint32_t writer_of(const pthread_rwlock_t* lock) {
    // In the same place in both families.
    return static_cast<uint32_t>(__atomic_load_n(&lock->__data.__cur_writer, __ATOMIC_RELAXED));
}

bool spin_for_semaphore(sem_t* sem) {
    if (!is_own) return false;
    // glibc's layout: value and number of waiters in 64 bits, then whether it is shared.
    const auto* words = reinterpret_cast<const uint32_t*>(sem);
    if (words[2] != 0 || __atomic_load_n(&words[1], __ATOMIC_RELAXED) != 0) return false;
    Spinning<System> spinning(System::self());
    while (spinning.goes_on())
        if (__atomic_load_n(&words[0], __ATOMIC_RELAXED) != 0 && real::sem_trywait(sem) == 0) return true;
    return false;
}

}  // namespace latchkey::family
