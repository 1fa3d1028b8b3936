// SPDX-License-Identifier: Apache-2.0
//
// What every wrapper starts with: INTERPOSE, the caller's address, and the gate.
//
// The rules of code that runs inside somebody's database:
//   - the gate comes first: a nested call (from our own code, libunwind, LTTng) or a thread that is not
//   observed
//     goes to the real function at once;
//   - the gate is open again while the real function blocks: signal handlers that run meanwhile are observed;
//   - errno after a wrapper is what the real function left;
//   - nothing on these paths allocates, throws, prints or takes a lock that the program could hold.
#pragma once

#include <errno.h>

#include "preload/config.h"
#include "preload/thread_record.h"

namespace latchkey {

using Site = uint64_t;

// The calling thread. Initial-exec: one %fs: access, never an allocation.
struct Self {
    ThreadRecord* fast;    // record, if uncontended mutex calls need nothing but counting; else null
    ThreadRecord* record;  // null: not attached
    uint32_t depth;        // > 0: inside our own code
    int32_t tid;
    uint32_t mark;  // what the word of a mutex holds that this thread has taken: see mutex.h
    bool is_quiet;  // a thread of the tracer: never observed
    bool is_slow;   // see ThroughTracer
    bool is_ended;  // its start routine is over: counted to the end, but the tracer has let it go
};
extern thread_local constinit Self self [[gnu::tls_model("initial-exec")]];

// May `fast` be used? Set when main is about to run: the fast path is known, and the level is not full.
extern bool is_fast_allowed;

// Slow part of observed(): gives the calling thread a record. Null: pass through.
ThreadRecord* attach_thread();

// Address ranges of the tracer's libraries; what they do is not the program's doing. None until the events
// library is loaded. A call of theirs must also not emit: it may come with the tracer's own locks held.
struct TracerCode {
    static constexpr uint32_t kMost = 8;
    std::atomic<uint32_t> count;
    struct {
        uint64_t begin, end;
    } ranges[kMost];

    bool contains(Site site) const {
        for (uint32_t i = 0; i < count.load(std::memory_order_acquire); i++)
            if (site >= ranges[i].begin && site < ranges[i].end) return true;
        return false;
    }
};
extern TracerCode tracer_code;

// The gate: the calling thread's record, or null when the call must go straight to the real function.
inline ThreadRecord* observed(Site site) {
    if (self.depth != 0 || tracer_code.contains(site)) [[unlikely]]
        return nullptr;
    if (self.record != nullptr) [[likely]]
        return self.record;
    return attach_thread();
}

inline void restore_fast() {
    if (is_fast_allowed && !self.is_slow && !self.is_ended) self.fast = self.record;
}

// A real function is called in this scope that LTTng has wrapped as well: its locks are not the program's.
// The fast path, which does not look at its caller, is off.
class ThroughTracer {
  public:
    ThroughTracer() : was_slow_(self.is_slow) {
        self.is_slow = true;
        self.fast = nullptr;
    }
    ~ThroughTracer() {
        self.is_slow = was_slow_;
        if (self.depth == 0) restore_fast();
    }
    ThroughTracer(const ThroughTracer&) = delete;
    ThroughTracer& operator=(const ThroughTracer&) = delete;

  private:
    const bool was_slow_;  // nested: LTTng's fork closes descriptors
};

// Our own code runs in this scope: interposed calls made from it pass straight through, and errno is kept.
class Inside {
  public:
    Inside() : errno_(errno) {
        self.depth++;
        self.fast = nullptr;
    }
    ~Inside() {
        if (--self.depth == 0) restore_fast();
        errno = errno_;
    }
    Inside(const Inside&) = delete;
    Inside& operator=(const Inside&) = delete;

  private:
    const int errno_;
};

// CLOCK_MONOTONIC, the trace's clock, in nanoseconds.
inline uint64_t now_ns() {
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<uint64_t>(t.tv_sec) * 1000000000u + static_cast<uint64_t>(t.tv_nsec);
}

}  // namespace latchkey

// Defines the exported function NAME. Its C++ name differs (an assembler label gives the real one), so that
// libc's attributes and noexcept do not bind us; its type is checked against the slot's.
#define INTERPOSE(result, name, parameters)                                                     \
    extern "C" [[gnu::visibility("default")]] result latchkey_##name parameters __asm__(#name); \
    static_assert(__is_same(decltype(&latchkey_##name), decltype(latchkey::real::name)));       \
    extern "C" result latchkey_##name parameters

// The return address of the call into the wrapper: the call site in the program.
#define CALLER reinterpret_cast<latchkey::Site>(__builtin_return_address(0))
