// SPDX-License-Identifier: Apache-2.0
//
// The functions behind the interposed ones: real::NAME is a function pointer, typed by libc's own header,
// for each row of symbols.def. A slot starts at a stub that resolves all slots and forwards, so a call made
// before our constructor works and no wrapper tests for null. The constructor resolves everything at once:
// resolving on first use would deadlock when that use happens inside dlopen while another thread waits for
// the loader.
#pragma once

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <threads.h>
#include <time.h>
#include <unistd.h>

namespace latchkey::real {

// A function pointer type without noexcept: wrappers and slots are spelled without it.
template <class F>
struct Signature;
template <class R, class... A>
struct Signature<R (*)(A...)> {
    using Type = R (*)(A...);
};
template <class R, class... A>
struct Signature<R (*)(A...) noexcept> {
    using Type = R (*)(A...);
};

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wignored-attributes"
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#define SYMBOL(group, name, version) extern Signature<decltype(&::name)>::Type name;
#define SYMBOL_AS(group, name, version, ...) extern Signature<__VA_ARGS__>::Type name;
#include "preload/symbols.def"
#undef SYMBOL
#undef SYMBOL_AS
#pragma GCC diagnostic pop

// Resolves all slots. Called by the constructor, and by a stub when something calls us before that.
void resolve_all();

// Looks for the optional functions that were still missing, in a library just loaded. handle: from dlopen.
void resolve_optional(void* handle);

}  // namespace latchkey::real

namespace latchkey {

// The row numbers of symbols.def: index of the call counters and value of the `call` field of events.
enum Call : unsigned short {
#define SYMBOL(group, name, version) kCall_##name,
#define SYMBOL_AS(group, name, version, ...) kCall_##name,
#include "preload/symbols.def"
#undef SYMBOL
#undef SYMBOL_AS
    kCallCount
};

}  // namespace latchkey
