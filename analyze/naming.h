// SPDX-License-Identifier: Apache-2.0
//
// Names for things that have only an address: locks, condition variables, semaphores, futex words.
//
// In this order: the variable, for static storage; the place that initialised it; the place that uses it
// most. Places inside lock wrappers (rocksdb::port::Mutex::Lock, inline_mysql_mutex_init) would give all
// locks of a program the same name, so the first frame outside of wrappers is taken where a stack is known.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "analyze/places.h"

namespace latchkey {

struct ObjectName {
    std::string name;
    const char* source = "address";  // symbol, init, site or address
};

/// What is known of an object that wants a name. 0: not known.
struct Unnamed {
    std::uint32_t process = 0;
    std::uint64_t address = 0;
    std::uint64_t init_site = 0;
    std::uint64_t use_site = 0;       // the commonest
    std::uint32_t stack_process = 0;  // of the costliest wait
    std::uint32_t stack = 0;
};

ObjectName name_of(Places& places, const Unnamed& object);

/// True for a function that only passes on to a lock or wait primitive.
bool is_lock_wrapper(std::string_view short_function, std::string_view module);

/// Frames of the program between a thread's start and the wait, lock wrappers apart; 0: no stack; kDeep
/// (signal_class.h) if the thread's start is not in the stack.
int depth_of(Places& places, std::uint32_t process, std::uint32_t stack);

}  // namespace latchkey
