// SPDX-License-Identifier: Apache-2.0
//
// The functions of latchkey.h over the lock family. What they add: argument checks, start on first use, and
// the slots of threads that nobody announces.
#include "runtime/latchkey.h"

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <pthread.h>
#include <unistd.h>

#include "runtime/system.h"

namespace {

using namespace latchkey;
using System = LinuxSystem;
using OwnMutex = KindMutex<System>;
using OwnCond = Condvar<System>;
using OwnRwLock = RwLock<System>;
using OwnSlot = Slot<System>;

static_assert(sizeof(lk_mutex_t) == sizeof(OwnMutex) && alignof(lk_mutex_t) >= alignof(OwnMutex));
static_assert(sizeof(lk_cond_t) == sizeof(OwnCond) && alignof(lk_cond_t) >= alignof(OwnCond));
static_assert(sizeof(lk_rwlock_t) == sizeof(OwnRwLock) && alignof(lk_rwlock_t) >= alignof(OwnRwLock));
static_assert(__builtin_strcmp(LK_VERSION, LATCHKEY_VERSION) == 0, "latchkey.h has another version");
static_assert(static_cast<int>(Handoff::kAged) == LK_HANDOFF_AGED &&
              static_cast<int>(Handoff::kBarge) == LK_HANDOFF_BARGE &&
              static_cast<int>(Handoff::kFifo) == LK_HANDOFF_FIFO &&
              static_cast<int>(Handoff::kPrio) == LK_HANDOFF_PRIO);

OwnMutex& own(lk_mutex_t* mutex) {
    return *reinterpret_cast<OwnMutex*>(mutex);
}
OwnCond& own(lk_cond_t* cond) {
    return *reinterpret_cast<OwnCond*>(cond);
}
OwnRwLock& own(lk_rwlock_t* lock) {
    return *reinterpret_cast<OwnRwLock*>(lock);
}

// ---- start

constexpr int kUndecided = -1;

constinit std::atomic<int> policy{kUndecided};
pthread_once_t once =
    PTHREAD_ONCE_INIT;        // glibc's begins anew in a child that was forked in the middle of it
pthread_key_t end_of_thread;  // its destructor gives the slot back
// Written under `once`.
bool is_started = false;
bool has_key = false;

void start() {
    int handoff = kUndecided;
    if (policy.compare_exchange_strong(handoff, LK_HANDOFF_AGED)) handoff = LK_HANDOFF_AGED;
    is_started = System::start(static_cast<Handoff>(handoff)) &&
                 pthread_atfork(nullptr, nullptr, &System::restart_in_child) == 0;
    has_key = pthread_key_create(&end_of_thread, [](void*) { System::release_self(); }) == 0;
}

// Gets the calling thread its slot. False: the library cannot start.
bool attach() {
    const int saved_errno = errno;
    pthread_once(&once, &start);
    if (is_started) {
        System::attach_self(true);
        // Without a destructor the slot is at once one that is free when the kernel thread is gone.
        if (!has_key || pthread_setspecific(end_of_thread, current_thread.slot) != 0) System::release_self();
    }
    errno = saved_errno;
    return is_started;
}

[[gnu::noinline, gnu::cold]] OwnSlot& attached() {
    if (!attach()) {
        static constexpr char kText[] = "latchkey: no memory for the slots of threads: cannot lock\n";
        [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, kText, sizeof kText - 1);
        abort();
    }
    return *current_thread.slot;
}

OwnSlot& self() {
    OwnSlot* slot = current_thread.slot;
    return slot != nullptr ? *slot : attached();
}

// ---- arguments

bool is_valid(clockid_t clock, const timespec& deadline) {
    return (clock == CLOCK_REALTIME || clock == CLOCK_MONOTONIC) && deadline.tv_nsec >= 0 &&
           deadline.tv_nsec < 1'000'000'000;
}

// Calls wait(deadline) with a deadline in the family's form.
template <class F>
int until(clockid_t clock, const timespec* time, F wait) {
    if (!is_valid(clock, *time)) return EINVAL;
    const System::Deadline deadline{clock, *time};
    return wait(&deadline);
}

[[gnu::noinline]] int lock_mutex(lk_mutex_t* mutex, const System::Deadline* deadline) {
    Passage passage;
    return own(mutex).lock(self(), deadline, passage);
}

[[gnu::noinline]] int unlock_mutex(lk_mutex_t* mutex) {
    return own(mutex).unlock(self());
}

// May be taken and given back by the word alone: the same two steps as the family's, without a call.
bool is_plain(const lk_mutex_t* mutex) {
    return __atomic_load_n(&mutex->lk_kind, __ATOMIC_RELAXED) == LK_MUTEX_NORMAL;
}

int wait_for_signal(lk_cond_t* cond, lk_mutex_t* mutex, const System::Deadline* deadline) {
    OwnSlot& slot = self();
    if (!own(mutex).is_own(slot)) return EPERM;
    if (__atomic_load_n(&mutex->lk_count, __ATOMIC_RELAXED) != 0) return EINVAL;
    const MutexOfWait<System> of_wait{
        mutex, [](void* mutex) { return lk_mutex_unlock(static_cast<lk_mutex_t*>(mutex)); },
        [](void* mutex) { return lk_mutex_lock(static_cast<lk_mutex_t*>(mutex)); }, &own(mutex)};
    Passage passage;
    return own(cond).wait(slot, of_wait, deadline, passage);
}

int lock_to_read(lk_rwlock_t* lock, const System::Deadline* deadline) {
    Passage passage;
    return own(lock).read(self(), deadline, passage);
}

int lock_to_write(lk_rwlock_t* lock, const System::Deadline* deadline) {
    Passage passage;
    return own(lock).write(self(), deadline, passage);
}

}  // namespace

extern "C" {

const char* lk_version(void) {
    return LK_VERSION;
}

int lk_start(lk_handoff_t handoff) {
    const int wanted = handoff;
    if (wanted < LK_HANDOFF_AGED || wanted > LK_HANDOFF_PRIO) return EINVAL;
    int decided = kUndecided;
    if (!policy.compare_exchange_strong(decided, wanted) && decided != wanted) return EALREADY;
    return lk_thread_attach();
}

int lk_thread_attach(void) {
    return current_thread.slot != nullptr || attach() ? 0 : ENOMEM;
}

void lk_thread_detach(void) {
    OwnSlot* slot = current_thread.slot;
    if (slot == nullptr) return;
    current_thread = {};
    if (has_key) pthread_setspecific(end_of_thread, nullptr);
    slot->tid.store(0, std::memory_order_relaxed);  // no kernel thread to wait for: free at once
    SlotTable<System>::release(*slot);
}

lk_thread_id_t lk_thread_self(void) {
    return self().id.load(std::memory_order_relaxed);
}

pid_t lk_thread_tid(lk_thread_id_t id) {
    const OwnSlot* slot = System::slots().find(id);
    if (slot == nullptr) return 0;
    const uint32_t tid = slot->tid.load(std::memory_order_relaxed);
    const bool is_same = slot->id.load(std::memory_order_relaxed) == id;
    return is_same && !System::is_gone(tid) ? static_cast<pid_t>(tid) : 0;
}

uint32_t lk_thread_urgency(void) {
    return self().urgency.load(std::memory_order_relaxed);
}

void lk_thread_refresh(pid_t tid) {
    System::refresh_urgency(static_cast<uint32_t>(tid));
}

int lk_mutex_init(lk_mutex_t* mutex, lk_mutex_kind_t kind) {
    const int wanted = kind;
    if (wanted < LK_MUTEX_NORMAL || wanted > LK_MUTEX_ERRORCHECK) return EINVAL;
    *mutex = LK_MUTEX_INIT;
    mutex->lk_kind = wanted;
    return 0;
}

int lk_mutex_destroy(lk_mutex_t* mutex) {
    return own(mutex).raw_word() != 0 ? EBUSY : 0;
}

int lk_mutex_lock(lk_mutex_t* mutex) {
    const SlotId id = current_thread.id;
    uint32_t free = 0;
    if (is_plain(mutex) && id != 0 &&
        __atomic_compare_exchange_n(&mutex->lk_word, &free, id, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
        [[likely]]
        return 0;
    return lock_mutex(mutex, nullptr);
}

int lk_mutex_trylock(lk_mutex_t* mutex) {
    return own(mutex).try_lock(self());
}

int lk_mutex_clocklock(lk_mutex_t* mutex, clockid_t clock, const timespec* deadline) {
    return until(clock, deadline, [mutex](const auto* end) { return lock_mutex(mutex, end); });
}

int lk_mutex_unlock(lk_mutex_t* mutex) {
    uint32_t held = current_thread.id;
    if (is_plain(mutex) && __atomic_compare_exchange_n(&mutex->lk_word, &held, 0, false, __ATOMIC_RELEASE,
                                                       __ATOMIC_RELAXED)) [[likely]]
        return 0;
    return unlock_mutex(mutex);
}

lk_thread_id_t lk_mutex_owner(const lk_mutex_t* mutex) {
    return reinterpret_cast<const OwnMutex*>(mutex)->owner();
}

int lk_cond_init(lk_cond_t* cond) {
    *cond = LK_COND_INIT;
    return 0;
}

int lk_cond_destroy(lk_cond_t* cond) {
    return own(cond).has_waiters() ? EBUSY : 0;
}

int lk_cond_wait(lk_cond_t* cond, lk_mutex_t* mutex) {
    return wait_for_signal(cond, mutex, nullptr);
}

int lk_cond_clockwait(lk_cond_t* cond, lk_mutex_t* mutex, clockid_t clock, const timespec* deadline) {
    return until(clock, deadline,
                 [cond, mutex](const auto* end) { return wait_for_signal(cond, mutex, end); });
}

int lk_cond_signal(lk_cond_t* cond) {
    own(cond).signal(self());
    return 0;
}

int lk_cond_broadcast(lk_cond_t* cond) {
    own(cond).broadcast(self());
    return 0;
}

int lk_rwlock_init(lk_rwlock_t* lock, lk_rwlock_kind_t kind) {
    if (kind != LK_RWLOCK_PREFER_READERS && kind != LK_RWLOCK_PREFER_WRITERS) return EINVAL;
    *lock = LK_RWLOCK_INIT;
    lock->lk_kind = kind;
    return 0;
}

int lk_rwlock_destroy(lk_rwlock_t* lock) {
    return own(lock).raw_word() != 0 ? EBUSY : 0;
}

int lk_rwlock_rdlock(lk_rwlock_t* lock) {
    return lock_to_read(lock, nullptr);
}

int lk_rwlock_clockrdlock(lk_rwlock_t* lock, clockid_t clock, const timespec* deadline) {
    return until(clock, deadline, [lock](const auto* end) { return lock_to_read(lock, end); });
}

int lk_rwlock_tryrdlock(lk_rwlock_t* lock) {
    return own(lock).try_read();
}

int lk_rwlock_wrlock(lk_rwlock_t* lock) {
    return lock_to_write(lock, nullptr);
}

int lk_rwlock_clockwrlock(lk_rwlock_t* lock, clockid_t clock, const timespec* deadline) {
    return until(clock, deadline, [lock](const auto* end) { return lock_to_write(lock, end); });
}

int lk_rwlock_trywrlock(lk_rwlock_t* lock) {
    return own(lock).try_write(self());
}

int lk_rwlock_unlock(lk_rwlock_t* lock) {
    if ((own(lock).raw_word() & OwnRwLock::kHeld) == 0) return EPERM;
    own(lock).unlock(self());
    return 0;
}

}  // extern "C"
