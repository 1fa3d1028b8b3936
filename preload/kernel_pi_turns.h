// SPDX-License-Identifier: Apache-2.0
//
// For kernel_pi.cpp: sleeping for a mutex that the kernel cannot or must not be asked for, and the arithmetic
// of time-outs. Nothing here is a cancellation point; errno is kept.
#pragma once

#include <errno.h>
#include <linux/futex.h>
#include <sys/syscall.h>

#include "preload/real.h"
#include "runtime/system.h"

namespace latchkey::kernel_pi {

using System = LinuxSystem;
using Deadline = System::Deadline;

constexpr uint64_t kTurnNs = 10'000'000;  // a sleep here, before the kernel is asked again
constexpr uint64_t kSecondNs = 1'000'000'000;

// The error number, 0: success.
inline int futex(std::atomic<uint32_t>& word, int operation, uint32_t value, const timespec* end) {
    const int saved = errno;
    const long result =
        real::syscall(SYS_futex, reinterpret_cast<long>(&word), operation | FUTEX_PRIVATE_FLAG, value,
                      reinterpret_cast<long>(end), 0, 0);
    const int error = result < 0 ? errno : 0;
    errno = saved;
    return error;
}

// The moment `ns` from now.
inline timespec after(clockid_t clock, uint64_t ns) {
    timespec time;
    clock_gettime(clock, &time);
    const uint64_t sum = static_cast<uint64_t>(time.tv_nsec) + ns;
    time.tv_sec += static_cast<time_t>(sum / kSecondNs);
    time.tv_nsec = static_cast<long>(sum % kSecondNs);
    return time;
}

// Nanoseconds from now, at most `most`; 0: it has passed. No deadline: `most`.
inline uint64_t ns_until(const Deadline* deadline, uint64_t most) {
    if (deadline == nullptr) return most;
    timespec now;
    clock_gettime(deadline->clock, &now);
    if (now.tv_sec > deadline->time.tv_sec) return 0;
    if (deadline->time.tv_sec - now.tv_sec > 1) return most;
    const int64_t ns = (deadline->time.tv_sec - now.tv_sec) * static_cast<int64_t>(kSecondNs) +
                       (deadline->time.tv_nsec - now.tv_nsec);
    return ns <= 0 ? 0 : static_cast<uint64_t>(ns) < most ? static_cast<uint64_t>(ns) : most;
}

// Sleepers for one or more mutexes. Whoever releases one of them for good ends the turn of all.
class alignas(64) Bucket {
  public:
    uint32_t turn() const { return turn_.load(std::memory_order_seq_cst); }

    // Sleeps for kTurnNs at most, unless the turn has changed since.
    void wait(uint32_t turn, const Deadline* deadline) {
        sleepers_.fetch_add(1, std::memory_order_seq_cst);  // pairs with wake: one of us sees the other
        park(turn_, turn, ns_until(deadline, kTurnNs));
        sleepers_.fetch_sub(1, std::memory_order_relaxed);
    }
    void wake() {
        turn_.fetch_add(1, std::memory_order_seq_cst);
        if (sleepers_.load(std::memory_order_seq_cst) != 0) futex(turn_, FUTEX_WAKE, 0x7fffffff, nullptr);
    }
    void reset() { sleepers_.store(0, std::memory_order_relaxed); }

    static void park(std::atomic<uint32_t>& word, uint32_t expected, uint64_t ns) {
        const Deadline end{CLOCK_MONOTONIC, after(CLOCK_MONOTONIC, ns)};
        System::park(word, expected, &end);
    }

  private:
    std::atomic<uint32_t> turn_{0};
    std::atomic<uint32_t> sleepers_{0};
};

}  // namespace latchkey::kernel_pi
