// SPDX-License-Identifier: Apache-2.0
//
// A stack of its own within the one thread of the model, and the switch between two of them: no system call,
// so that a schedule costs microseconds.
#pragma once

#include <cstddef>
#include <memory>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace latchkey::model {

class Fiber {
  public:
    // The thread's own stack.
    Fiber() = default;
    Fiber(const Fiber&) = delete;
    Fiber& operator=(const Fiber&) = delete;

    // entry(argument) will run at the next switch to it, and never return. What the stack held is forgotten
    // without running destructors.
    void start(void (*entry)(void*), void* argument);

    // Leaves this fiber, which is running, for another one. Returns when somebody switches back.
    void switch_to(Fiber& next);

    // First call of an entry function: the switch to it is complete.
    static void arrived();

  private:
    std::unique_ptr<char[]> stack_;  // null: the thread's own
#if defined(__x86_64__)
    void* top_ = nullptr;  // where its registers are while it does not run
#else
    ucontext_t context_{};
#endif
    void* sanitizer_state_ = nullptr;
    const void* bottom_ = nullptr;
    size_t size_ = 0;
};

}  // namespace latchkey::model
