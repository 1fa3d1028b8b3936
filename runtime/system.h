// SPDX-License-Identifier: Apache-2.0
//
// What the algorithms need of the world, as Linux gives it. They are templates over such a System; the other
// one is the deterministic scheduler of tests/model.
#pragma once

#include <ctime>

#include <atomic>
#include <cstdint>

#include "runtime/lock_family.h"

namespace latchkey {

struct LinuxSystem {
    template <class T>
    using Atomic = std::atomic<T>;

    // An absolute point in time. clock: CLOCK_REALTIME or CLOCK_MONOTONIC; tv_nsec in range.
    struct Deadline {
        clockid_t clock;
        timespec time;
    };

    static constexpr uint32_t kBuckets = 2048;

    // ---- the calling thread

    // Its slot; claims one at the first call. Should all be taken, waits until a thread ends, and says so
    // once.
    static Slot<LinuxSystem>& self();

    // Claims its slot ahead of the first use. has_end: release_self() will be called when it ends.
    static void attach_self(bool has_end);

    // The thread is about to end; it may still lock and wait in its last destructors.
    static void release_self();

    // ---- sleeping

    // Sleeps while word is `expected`; returns early at will. False: the deadline (null: none) has passed.
    static bool park(Atomic<uint32_t>& word, uint32_t expected, const Deadline* deadline);

    // The same as a cancellation point: on_cancel(argument) runs before the handlers of the program.
    static bool park_cancellable(Atomic<uint32_t>& word, uint32_t expected, const Deadline* deadline,
                                 void (*on_cancel)(void*), void* argument);

    // Wakes one thread that sleeps on word. The memory may be gone.
    static void unpark(Atomic<uint32_t>& word);

    // Acts on a pending cancellation.
    static void test_cancel();

    static bool is_past(const Deadline& deadline);

    // ---- time and cpus

    static Stamp now() {
        timespec time;
        clock_gettime(CLOCK_MONOTONIC, &time);
        return stamps_of_ns(static_cast<uint64_t>(time.tv_sec) * 1'000'000'000u +
                            static_cast<uint64_t>(time.tv_nsec));
    }
    static void relax() {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#else
        asm volatile("" ::: "memory");
#endif
    }
    static void yield();

    // May the thread of a slot id be running on another cpu now? Then spinning for what it holds makes sense.
    static bool may_run(const Slot<LinuxSystem>& self, SlotId owner);

    // Has the kernel thread ended?
    static bool is_gone(uint32_t tid);

    // ---- the process

    static const Tuning& tuning() {
        return tuning_;
    }
    static SideTable<LinuxSystem>& table() {
        return table_;
    }
    static SlotTable<LinuxSystem>& slots() {
        return slots_;
    }

    // Gets memory for the slots (address space: 16 MiB, less if there is not so much; 256 bytes become used
    // per thread). False: there is none, nothing of the family may be used. Once, before any other call.
    static bool start(Handoff handoff);

    // In a fork child, before anything else of the family is used.
    static void restart_in_child();

    // The program has changed the priority of a thread (0: the calling one).
    static void refresh_urgency(uint32_t tid);

  private:
    static Tuning tuning_;
    static SideTable<LinuxSystem> table_;
    static SlotTable<LinuxSystem> slots_;
};

// The calling thread's slot and id. Initial-exec: one %fs: access on the fast paths.
struct CurrentThread {
    Slot<LinuxSystem>* slot;
    SlotId id;  // 0: none yet
};
extern thread_local constinit CurrentThread current_thread [[gnu::tls_model("initial-exec")]];

inline Slot<LinuxSystem>& LinuxSystem::self() {
    if (current_thread.slot == nullptr) [[unlikely]]
        attach_self(false);
    return *current_thread.slot;
}

}  // namespace latchkey
