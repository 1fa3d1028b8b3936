// SPDX-License-Identifier: Apache-2.0
//
// glibc's locks and ours under the same names, for tests that say what any lock must do, and what such tests
// need around them.
#pragma once

#include <gtest/gtest.h>

#include <pthread.h>
#include <sched.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <functional>
#include <random>
#include <thread>
#include <vector>

#include "runtime/latchkey.h"
#include "runtime/system.h"

namespace latchkey {

enum class MutexKind { kNormal, kRecursive, kErrorcheck };

struct Glibc {
    using Mutex = pthread_mutex_t;
    using Cond = pthread_cond_t;
    using RwLock = pthread_rwlock_t;

    static void init(Mutex* mutex, MutexKind kind = MutexKind::kNormal);
    static int destroy(Mutex* mutex) { return pthread_mutex_destroy(mutex); }
    static int lock(Mutex* mutex) { return pthread_mutex_lock(mutex); }
    static int try_lock(Mutex* mutex) { return pthread_mutex_trylock(mutex); }
    static int lock_until(Mutex* mutex, clockid_t clock, const timespec& deadline) {
        return pthread_mutex_clocklock(mutex, clock, &deadline);
    }
    static int unlock(Mutex* mutex) { return pthread_mutex_unlock(mutex); }

    static void init(Cond* cond) { pthread_cond_init(cond, nullptr); }
    static int destroy(Cond* cond) { return pthread_cond_destroy(cond); }
    static int wait(Cond* cond, Mutex* mutex) { return pthread_cond_wait(cond, mutex); }
    static int wait_until(Cond* cond, Mutex* mutex, clockid_t clock, const timespec& deadline) {
        return pthread_cond_clockwait(cond, mutex, clock, &deadline);
    }
    static int signal(Cond* cond) { return pthread_cond_signal(cond); }
    static int broadcast(Cond* cond) { return pthread_cond_broadcast(cond); }

    static void init(RwLock* lock, bool prefers_writers = false);
    static int destroy(RwLock* lock) { return pthread_rwlock_destroy(lock); }
    static int read(RwLock* lock) { return pthread_rwlock_rdlock(lock); }
    static int try_read(RwLock* lock) { return pthread_rwlock_tryrdlock(lock); }
    static int read_until(RwLock* lock, clockid_t clock, const timespec& deadline) {
        return pthread_rwlock_clockrdlock(lock, clock, &deadline);
    }
    static int write(RwLock* lock) { return pthread_rwlock_wrlock(lock); }
    static int try_write(RwLock* lock) { return pthread_rwlock_trywrlock(lock); }
    static int write_until(RwLock* lock, clockid_t clock, const timespec& deadline) {
        return pthread_rwlock_clockwrlock(lock, clock, &deadline);
    }
    static int unlock(RwLock* lock) { return pthread_rwlock_unlock(lock); }

    static void expect_rest() {}
};

struct Own {
    using Mutex = lk_mutex_t;
    using Cond = lk_cond_t;
    using RwLock = lk_rwlock_t;

    static void init(Mutex* mutex, MutexKind kind = MutexKind::kNormal);
    static int destroy(Mutex* mutex) { return lk_mutex_destroy(mutex); }
    static int lock(Mutex* mutex) { return lk_mutex_lock(mutex); }
    static int try_lock(Mutex* mutex) { return lk_mutex_trylock(mutex); }
    static int lock_until(Mutex* mutex, clockid_t clock, const timespec& deadline) {
        return lk_mutex_clocklock(mutex, clock, &deadline);
    }
    static int unlock(Mutex* mutex) { return lk_mutex_unlock(mutex); }

    static void init(Cond* cond) { lk_cond_init(cond); }
    static int destroy(Cond* cond) { return lk_cond_destroy(cond); }
    static int wait(Cond* cond, Mutex* mutex) { return lk_cond_wait(cond, mutex); }
    static int wait_until(Cond* cond, Mutex* mutex, clockid_t clock, const timespec& deadline) {
        return lk_cond_clockwait(cond, mutex, clock, &deadline);
    }
    static int signal(Cond* cond) { return lk_cond_signal(cond); }
    static int broadcast(Cond* cond) { return lk_cond_broadcast(cond); }

    static void init(RwLock* lock, bool prefers_writers = false) {
        lk_rwlock_init(lock, prefers_writers ? LK_RWLOCK_PREFER_WRITERS : LK_RWLOCK_PREFER_READERS);
    }
    static int destroy(RwLock* lock) { return lk_rwlock_destroy(lock); }
    static int read(RwLock* lock) { return lk_rwlock_rdlock(lock); }
    static int try_read(RwLock* lock) { return lk_rwlock_tryrdlock(lock); }
    static int read_until(RwLock* lock, clockid_t clock, const timespec& deadline) {
        return lk_rwlock_clockrdlock(lock, clock, &deadline);
    }
    static int write(RwLock* lock) { return lk_rwlock_wrlock(lock); }
    static int try_write(RwLock* lock) { return lk_rwlock_trywrlock(lock); }
    static int write_until(RwLock* lock, clockid_t clock, const timespec& deadline) {
        return lk_rwlock_clockwrlock(lock, clock, &deadline);
    }
    static int unlock(RwLock* lock) { return lk_rwlock_unlock(lock); }

    // Nobody is in a call: no queue, no node in use, no internal lock held.
    static void expect_rest();
};

struct LockNames {
    template <class T>
    static std::string GetName(int) {
        return std::is_same_v<T, Own> ? "Own" : "Glibc";
    }
};

using BothLocks = ::testing::Types<Glibc, Own>;

template <class L>
class LocksTest : public ::testing::Test {
  protected:
    void TearDown() override { L::expect_rest(); }
};

// How many wait on an object of ours.
uint32_t waiters_of(const void* object);

// Returns when `count` threads wait on an object of ours; a failure after long_from_now().
void await_waiters(const void* object, uint32_t count);

// A time by which whatever can happen has happened, on any machine.
constexpr long kPatienceSeconds = 20;

timespec from_now(clockid_t clock, long microseconds);
inline timespec long_from_now() {
    return from_now(CLOCK_MONOTONIC, kPatienceSeconds * 1'000'000);
}
bool is_past(clockid_t clock, const timespec& deadline);

// Interrupts a thread `times` times with a signal whose handler does nothing and restarts nothing.
void interrupt(pthread_t thread, int times);

// Runs body(0) ... body(count - 1), each in a thread of its own, to their ends.
void in_threads(uint32_t count, const std::function<void(uint32_t)>& body);

// A page of its own for an object that is to vanish: spoil() overwrites it, is_spoilt() tells whether that is
// untouched since.
class Page {
  public:
    Page();
    ~Page();
    Page(const Page&) = delete;
    Page& operator=(const Page&) = delete;

    template <class T>
    T* as() {
        return static_cast<T*>(memory_);
    }
    void spoil();
    bool is_spoilt() const;
    void unmap();

  private:
    void* memory_;
};

}  // namespace latchkey
