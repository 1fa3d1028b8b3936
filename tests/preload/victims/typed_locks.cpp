// SPDX-License-Identifier: Apache-2.0
//
// The same tests over every kind of lock a program can have: pthread mutexes of the four kinds, robust,
// process-shared and inheriting ones, C11 and standard C++ mutexes, a rwlock and a semaphore used as a mutex.
// The C library's locks and any that stand in for them have to pass the same bodies.
#include <semaphore.h>
#include <threads.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <type_traits>
#include <vector>

#include <pthread.h>
#include <sched.h>

#define CHECK(claim)                                                                                        \
    do {                                                                                                    \
        if (!(claim)) {                                                                                     \
            std::fprintf(stderr, "%s:%d: %s: not true: %s\n", __FILE__, __LINE__, kind_under_test, #claim); \
            std::_Exit(99);                                                                                 \
        }                                                                                                   \
    } while (0)

namespace {

using Clock = std::chrono::system_clock;
using std::chrono::microseconds;
const char* kind_under_test = "";

template <typename Routine>
void in_threads(int count, Routine routine) {
    std::vector<std::jthread> threads;
    for (int i = 0; i < count; ++i) threads.emplace_back(routine, i);
}

timespec to_timespec(Clock::time_point at) {
    const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(at.time_since_epoch()).count();
    return {static_cast<time_t>(ns / 1000000000), static_cast<long>(ns % 1000000000)};
}

// What a pthread call says of an attempt. Anything but success and these two is a failure of the test.
bool took(int result) {
    CHECK(result == 0 || result == EBUSY || result == ETIMEDOUT);
    return result == 0;
}

// A lock under test: lock, try_lock, unlock; try_lock_until where it has timed calls; a Condition where it
// can be waited with.

struct PthreadCondition {
    pthread_cond_t cond = PTHREAD_COND_INITIALIZER;

    template <typename Lock>
    void wait(Lock& lock) {
        CHECK(pthread_cond_wait(&cond, &lock.mutex) == 0);
    }
    template <typename Lock>
    bool wait_until(Lock& lock, Clock::time_point at) {
        const timespec deadline = to_timespec(at);
        return took(pthread_cond_timedwait(&cond, &lock.mutex, &deadline));
    }
    void notify_one() { CHECK(pthread_cond_signal(&cond) == 0); }
    void notify_all() { CHECK(pthread_cond_broadcast(&cond) == 0); }
    ~PthreadCondition() { CHECK(pthread_cond_destroy(&cond) == 0); }
};

template <int type, int robust = PTHREAD_MUTEX_STALLED, int shared = PTHREAD_PROCESS_PRIVATE,
          int protocol = PTHREAD_PRIO_NONE>
struct Pthread {
    using Condition = PthreadCondition;
    pthread_mutex_t mutex;

    Pthread() {
        pthread_mutexattr_t attributes;
        pthread_mutexattr_init(&attributes);
        CHECK(pthread_mutexattr_settype(&attributes, type) == 0);
        CHECK(pthread_mutexattr_setrobust(&attributes, robust) == 0);
        CHECK(pthread_mutexattr_setpshared(&attributes, shared) == 0);
        CHECK(pthread_mutexattr_setprotocol(&attributes, protocol) == 0);
        CHECK(pthread_mutex_init(&mutex, &attributes) == 0);
    }
    ~Pthread() { CHECK(pthread_mutex_destroy(&mutex) == 0); }
    void lock() { CHECK(pthread_mutex_lock(&mutex) == 0); }
    bool try_lock() { return took(pthread_mutex_trylock(&mutex)); }
    bool try_lock_until(Clock::time_point at) {
        const timespec deadline = to_timespec(at);
        return took(pthread_mutex_timedlock(&mutex, &deadline));
    }
    void unlock() { CHECK(pthread_mutex_unlock(&mutex) == 0); }
};

struct C11Condition {
    cnd_t cond;

    C11Condition() { CHECK(cnd_init(&cond) == thrd_success); }
    ~C11Condition() { cnd_destroy(&cond); }
    template <typename Lock>
    void wait(Lock& lock) {
        CHECK(cnd_wait(&cond, &lock.mutex) == thrd_success);
    }
    template <typename Lock>
    bool wait_until(Lock& lock, Clock::time_point at) {
        const timespec deadline = to_timespec(at);
        const int result = cnd_timedwait(&cond, &lock.mutex, &deadline);
        CHECK(result == thrd_success || result == thrd_timedout);
        return result == thrd_success;
    }
    void notify_one() { CHECK(cnd_signal(&cond) == thrd_success); }
    void notify_all() { CHECK(cnd_broadcast(&cond) == thrd_success); }
};

template <int type>
struct C11 {
    using Condition = C11Condition;
    mtx_t mutex;

    C11() { CHECK(mtx_init(&mutex, type) == thrd_success); }
    ~C11() { mtx_destroy(&mutex); }
    void lock() { CHECK(mtx_lock(&mutex) == thrd_success); }
    bool try_lock() {
        const int result = mtx_trylock(&mutex);
        CHECK(result == thrd_success || result == thrd_busy);
        return result == thrd_success;
    }
    bool try_lock_until(Clock::time_point at) requires((type & mtx_timed) != 0) {
        const timespec deadline = to_timespec(at);
        const int result = mtx_timedlock(&mutex, &deadline);
        CHECK(result == thrd_success || result == thrd_timedout);
        return result == thrd_success;
    }
    void unlock() { CHECK(mtx_unlock(&mutex) == thrd_success); }
};

// A standard mutex with std::condition_variable_any, which locks a mutex of its own inside.
template <typename Mutex>
struct Std : Mutex {
    struct Condition : std::condition_variable_any {
        bool wait_until(Std& lock, Clock::time_point at) {
            return std::condition_variable_any::wait_until(lock, at) == std::cv_status::no_timeout;
        }
    };
};

struct RwlockAsMutex {
    pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;

    ~RwlockAsMutex() { CHECK(pthread_rwlock_destroy(&rwlock) == 0); }
    void lock() { CHECK(pthread_rwlock_wrlock(&rwlock) == 0); }
    bool try_lock() { return took(pthread_rwlock_trywrlock(&rwlock)); }
    bool try_lock_until(Clock::time_point at) {
        const timespec deadline = to_timespec(at);
        return took(pthread_rwlock_timedwrlock(&rwlock, &deadline));
    }
    void unlock() { CHECK(pthread_rwlock_unlock(&rwlock) == 0); }
};

struct SemaphoreAsMutex {
    sem_t semaphore;

    SemaphoreAsMutex() { CHECK(sem_init(&semaphore, 0, 1) == 0); }
    ~SemaphoreAsMutex() { CHECK(sem_destroy(&semaphore) == 0); }
    void lock() { CHECK(sem_wait(&semaphore) == 0); }
    bool try_lock() {
        if (sem_trywait(&semaphore) == 0) return true;
        CHECK(errno == EAGAIN);
        return false;
    }
    bool try_lock_until(Clock::time_point at) {
        const timespec deadline = to_timespec(at);
        if (sem_timedwait(&semaphore, &deadline) == 0) return true;
        CHECK(errno == ETIMEDOUT);
        return false;
    }
    void unlock() { CHECK(sem_post(&semaphore) == 0); }
};

template <typename Lock>
concept Timed = requires(Lock lock, Clock::time_point at) {
    lock.try_lock_until(at);
};

template <typename Lock>
concept Waitable = requires {
    typename Lock::Condition;
};

// ---- the bodies

enum { kThreads = 8, kAdds = 400 };

// Eight threads add without atomics, by lock and by trying; some give up the cpu while they hold it.
template <typename Lock>
void check_exclusion() {
    Lock lock;
    long count = 0;
    int inside = 0;
    in_threads(kThreads, [&](int mine) {
        for (int i = 0; i < kAdds; ++i) {
            if ((i + mine) % 4 != 0)
                lock.lock();
            else
                while (!lock.try_lock()) std::this_thread::yield();
            CHECK(++inside == 1);
            ++count;
            if (i % 32 == mine) std::this_thread::yield();
            --inside;
            lock.unlock();
        }
    });
    CHECK(count == kThreads * kAdds);
}

// While one holds it another does not get it, however it asks; afterwards it does.
template <typename Lock>
void check_held() {
    Lock lock;
    lock.lock();
    in_threads(1, [&](int) {
        CHECK(!lock.try_lock());
        if constexpr (Timed<Lock>) {
            const auto soon = Clock::now() + microseconds(500);
            CHECK(!lock.try_lock_until(Clock::now() - microseconds(1000)));
            CHECK(!lock.try_lock_until(soon));
            CHECK(Clock::now() >= soon);
        }
    });
    lock.unlock();
    CHECK(lock.try_lock());
    lock.unlock();
}

// Random deadlines around the time the lock is held: whoever is told it has the lock has it, whoever is told
// the time is over has not, and nobody is forgotten.
template <typename Lock>
void check_deadlines() {
    Lock lock;
    long count = 0;
    std::atomic<long> got = 0;
    in_threads(kThreads, [&](int mine) {
        unsigned random = static_cast<unsigned>(mine) * 2654435761U + 1;
        for (int i = 0; i < 40; ++i) {
            random = random * 1664525 + 1013904223;
            if (lock.try_lock_until(Clock::now() + microseconds(random >> 16 & 255))) {
                ++count;
                ++got;
                if (random >> 30 == 0) std::this_thread::sleep_for(microseconds(100));
                lock.unlock();
            }
        }
        lock.lock();
        ++count;
        lock.unlock();
    });
    CHECK(count == got + kThreads);
}

// A bounded buffer of two condvars: every item put is taken, once.
template <typename Lock>
void check_buffer() {
    Lock lock;
    typename Lock::Condition not_full, not_empty;
    constexpr int kItems = 600;
    int put = 0, taken = 0;
    long sum = 0;
    in_threads(6, [&](int mine) {
        for (int i = 0; i < kItems / 3; ++i) {
            lock.lock();
            if (mine % 2) {
                while (put - taken == 3) not_full.wait(lock);
                sum += ++put;
            } else {
                while (put == taken) {
                    if (i % 2 == 0)
                        not_empty.wait(lock);
                    else
                        not_empty.wait_until(lock, Clock::now() + microseconds(300));
                }
                sum -= ++taken;
            }
            lock.unlock();
            mine % 2 ? not_empty.notify_one() : not_full.notify_one();
        }
    });
    CHECK(put == kItems && taken == kItems && sum == 0);
}

// Rounds led by broadcast; a wait whose time is over holds the lock again.
template <typename Lock>
void check_broadcast() {
    Lock lock;
    typename Lock::Condition changed, arrived;
    int round = 0, here = 0;
    in_threads(kThreads, [&](int mine) {
        for (int i = 1; i <= 20; ++i) {
            lock.lock();
            if (++here == kThreads) {
                here = 0;
                round = i;
                changed.notify_all();
            }
            while (round < i) {
                if (mine % 2)
                    changed.wait(lock);
                else
                    changed.wait_until(lock, Clock::now() + std::chrono::seconds(100));
            }
            lock.unlock();
        }
    });
    CHECK(round == 20);
    lock.lock();
    CHECK(!changed.wait_until(lock, Clock::now() - microseconds(1)));
    in_threads(1, [&](int) { CHECK(!lock.try_lock()); });
    lock.unlock();
}

template <typename Lock>
void check(const char* name) {
    kind_under_test = name;
    check_exclusion<Lock>();
    check_held<Lock>();
    if constexpr (Timed<Lock>) check_deadlines<Lock>();
    if constexpr (Waitable<Lock>) check_buffer<Lock>();
    if constexpr (Waitable<Lock>) check_broadcast<Lock>();
    std::puts(name);
    std::fflush(stdout);
}

}  // namespace

int main() {
    check<Pthread<PTHREAD_MUTEX_NORMAL>>("normal");
    check<Pthread<PTHREAD_MUTEX_RECURSIVE>>("recursive");
    check<Pthread<PTHREAD_MUTEX_ERRORCHECK>>("errorcheck");
    check<Pthread<PTHREAD_MUTEX_ADAPTIVE_NP>>("adaptive");
    check<Pthread<PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_ROBUST>>("robust");
    check<Pthread<PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_STALLED, PTHREAD_PROCESS_SHARED>>("process-shared");
    check<
        Pthread<PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_STALLED, PTHREAD_PROCESS_PRIVATE, PTHREAD_PRIO_INHERIT>>(
        "inheriting");
    check<C11<mtx_plain>>("C11 plain");
    check<C11<mtx_timed>>("C11 timed");
    check<C11<mtx_timed | mtx_recursive>>("C11 timed, recursive");
    check<Std<std::mutex>>("std::mutex");
    check<Std<std::timed_mutex>>("std::timed_mutex");
    check<Std<std::recursive_timed_mutex>>("std::recursive_timed_mutex");
    check<Std<std::shared_mutex>>("std::shared_mutex");
    check<Std<std::shared_timed_mutex>>("std::shared_timed_mutex");
    check<RwlockAsMutex>("rwlock as a mutex");
    check<SemaphoreAsMutex>("semaphore as a mutex");
    std::puts("EXIT-SUCCESS");
}
