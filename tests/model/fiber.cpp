// SPDX-License-Identifier: Apache-2.0
#include "tests/model/fiber.h"

#include <cstdint>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

namespace latchkey::model {

namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr size_t kStackSize = 512 << 10;
#else
constexpr size_t kStackSize = 128 << 10;
#endif

Fiber* leaving = nullptr;  // whom the last switch left: learns where its stack is (the thread's own only)

}  // namespace

#if defined(__x86_64__)
extern "C" void latchkey_model_switch(void** save, void* to);
extern "C" void latchkey_model_entry();

// The callee-saved registers and the return address; a new fiber finds its entry in r13, its argument in r12.
asm(R"(
    .text
    .p2align 4
    .type latchkey_model_switch, @function
latchkey_model_switch:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size latchkey_model_switch, .-latchkey_model_switch
    .p2align 4
    .type latchkey_model_entry, @function
latchkey_model_entry:
    movq %r12, %rdi
    call *%r13
    ud2
    .size latchkey_model_entry, .-latchkey_model_entry
)");
#endif

void Fiber::start(void (*entry)(void*), void* argument) {
    if (stack_ == nullptr) stack_ = std::make_unique<char[]>(kStackSize);
    bottom_ = stack_.get();
    size_ = kStackSize;
    sanitizer_state_ = nullptr;
#if defined(__SANITIZE_ADDRESS__)
    __asan_unpoison_memory_region(stack_.get(), kStackSize);
#endif
#if defined(__x86_64__)
    const uintptr_t end = (reinterpret_cast<uintptr_t>(stack_.get()) + kStackSize) & ~uintptr_t{15};
    auto** top = reinterpret_cast<void**>(end) - 2;
    *--top = reinterpret_cast<void*>(&latchkey_model_entry);
    *--top = nullptr;                         // rbp
    *--top = nullptr;                         // rbx
    *--top = argument;                        // r12
    *--top = reinterpret_cast<void*>(entry);  // r13
    *--top = nullptr;                         // r14
    *--top = nullptr;                         // r15
    top_ = top;
#else
    getcontext(&context_);
    context_.uc_stack.ss_sp = stack_.get();
    context_.uc_stack.ss_size = kStackSize;
    context_.uc_link = nullptr;
    makecontext(&context_, reinterpret_cast<void (*)()>(entry), 1, argument);
#endif
}

void Fiber::switch_to(Fiber& next) {
    leaving = this;
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(&sanitizer_state_, next.bottom_, next.size_);
#endif
#if defined(__x86_64__)
    latchkey_model_switch(&top_, next.top_);
#else
    swapcontext(&context_, &next.context_);
#endif
#if defined(__SANITIZE_ADDRESS__)
    const void* bottom;
    size_t size;
    __sanitizer_finish_switch_fiber(sanitizer_state_, &bottom, &size);
#endif
}

void Fiber::arrived() {
#if defined(__SANITIZE_ADDRESS__)
    const void* bottom;
    size_t size;
    __sanitizer_finish_switch_fiber(nullptr, &bottom, &size);
    if (leaving->stack_ == nullptr) {
        leaving->bottom_ = bottom;
        leaving->size_ = size;
    }
#endif
}

}  // namespace latchkey::model
