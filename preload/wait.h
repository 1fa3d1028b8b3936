// SPDX-License-Identifier: Apache-2.0
//
// What all waiting wrappers share: a wait for a lock (it has an owner) and a wait for a signal (it has a
// waker). A wrapper first tries without waiting; only when that fails does it make one of these objects, call
// the real function, and report the end. Clock reads, stacks and events happen here and nowhere on the
// uncontended paths.
#pragma once

#include "preload/emit.h"
#include "preload/interpose.h"
#include "runtime/passage.h"

namespace latchkey {

// The object waited for, and the call that waits.
struct Waited {
    Object object;
    Call call;
    const void* address;
    const void* mutex;  // condvar: its mutex; else null
    Site site;
    uint16_t kind;  // mutex: __kind; else 0
};

// A lock that is not free. begin ... real call ... end, in one thread.
class LockWait {
  public:
    // owner: thread id read from the lock, or 0 when it has none (readers): then holders are searched for.
    LockWait(ThreadRecord& record, const Waited& waited, uint32_t owner);

    // result: what the real call returned. acquired: the lock is held now, and is entered among the held
    // ones. passage: what only our own runtime knows; counted for a mutex.
    void end(int result, bool acquired, Passage passage = {});

  private:
    ThreadRecord& record_;
    const Waited waited_;
    uint64_t begin_ns_;
    uint64_t owner_site_ = 0;
    uint32_t owner_;
    uint32_t stack_ = 0;
};

// A wait for another thread's signal.
class SignalWait {
  public:
    SignalWait(ThreadRecord& record, const Waited& waited);

    // result: 0 or the error number. waker: the thread that ended it where that is known otherwise (join), or
    // 0. passage: as above; counted for a condvar.
    void end(int result, uint32_t waker = 0, Passage passage = {});

  private:
    ThreadRecord& record_;
    const Waited waited_;
    uint64_t begin_ns_;
    uint32_t stack_ = 0;
};

// Somebody is about to wake waiters of an object: tells them who, and emits `wake` when anybody waits.
// count: how many may be woken. waiters: known otherwise (semaphore), or 0.
void announce_wake(ThreadRecord& record, const Waited& waited, uint32_t count, uint32_t waiters = 0);

// A lock was acquired without waiting, or a trylock failed.
void note_acquired(ThreadRecord& record, const Waited& waited, int result);

// A release. begin before the real call, end after it when it succeeded. The release is stamped before the
// real call, the stack taken and the event emitted after it; the lock is not touched after the real call.
class Release {
  public:
    // waited_ns: how long the first waiter in the lock's own queue has been waiting, 0 if there is none or the
    // lock does not say; waiters that left a note among the held locks are known anyway.
    Release(ThreadRecord& record, const Waited& waited, uint64_t waited_ns = 0);
    void end();   // the lock is free
    void undo();  // the real call failed: still held

  private:
    void emit_contended();

    ThreadRecord& record_;
    const Waited waited_;
    HeldLocks::Removed removed_;
    bool is_foreign_;  // this thread never had it, as far as its table of held locks can tell
    uint64_t release_ns_ = 0;
};

// Where objects were initialised: remembered at init, forgotten at destroy, used when somebody waits.
void remember_init(const void* object, Site site);
void forget_init(const void* object);
Site init_site(const void* object);

// The process ends: emits the wait that another thread is in (result 255), if any. Must run in an Inside
// scope.
void emit_open_wait(ThreadRecord& self_record, const ThreadRecord& other, uint64_t now);

// A thread ends: closes a wait record that was left open by cancellation.
void abandon_wait(ThreadRecord& record);

// After fork: the other threads' waits are not ours.
void reset_waits_in_child();

}  // namespace latchkey
