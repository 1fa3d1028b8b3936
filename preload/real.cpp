// SPDX-License-Identifier: Apache-2.0
#include "preload/real.h"

#include <errno.h>
#include <string.h>

#include <atomic>

namespace latchkey::real {
namespace {

template <auto Slot, class F>
struct Entry;

// What a slot points to at first (stub), and for good when libc has no such function (absent).
template <auto Slot, class R, class... A>
struct Entry<Slot, R (*)(A...)> {
    static R stub(A... args) {
        resolve_all();
        return (*Slot)(args...);
    }
    static R absent([[maybe_unused]] A... args) {
        errno = ENOSYS;
        if constexpr (!__is_same(R, void)) return (R)(-1);
    }
    // libaio and liburing return minus the error number.
    static R absent_optional([[maybe_unused]] A... args) {
        if constexpr (!__is_same(R, void)) return (R)(-ENOSYS);
    }
};

struct Row {
    const char* name;
    const char* version;
    void** slot;
    void* absent;
    bool is_optional;
    bool is_resolved;
};

constexpr bool optional_version(const char* version) {
    return version[0] == 'o';
}

}  // namespace

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wignored-attributes"
#define SYMBOL(group, name, version)                    \
    constinit Signature<decltype(&::name)>::Type name = \
        Entry<&real::name, Signature<decltype(&::name)>::Type>::stub;
#define SYMBOL_AS(group, name, version, ...) \
    constinit Signature<__VA_ARGS__>::Type name = Entry<&real::name, Signature<__VA_ARGS__>::Type>::stub;
#include "preload/symbols.def"
#undef SYMBOL
#undef SYMBOL_AS

namespace {

#define ROW(name, version)                                                                     \
    {#name,                                                                                    \
     version,                                                                                  \
     reinterpret_cast<void**>(&real::name),                                                    \
     optional_version(version)                                                                 \
         ? reinterpret_cast<void*>(&Entry<&real::name, decltype(real::name)>::absent_optional) \
         : reinterpret_cast<void*>(&Entry<&real::name, decltype(real::name)>::absent),         \
     optional_version(version),                                                                \
     false},
#define SYMBOL(group, name, version) ROW(name, version)
#define SYMBOL_AS(group, name, version, ...) ROW(name, version)
Row rows[] = {
#include "preload/symbols.def"
};
#undef SYMBOL
#undef SYMBOL_AS
#pragma GCC diagnostic pop

void resolve(Row& row) {
    void* found = row.is_optional || row.version[0] == '\0' ? dlsym(RTLD_NEXT, row.name)
                                                            : dlvsym(RTLD_NEXT, row.name, row.version);
    if (found == nullptr && !row.is_optional) found = dlsym(RTLD_NEXT, row.name);
    row.is_resolved = found != nullptr;
    __atomic_store_n(row.slot, found != nullptr ? found : row.absent, __ATOMIC_RELEASE);
}

}  // namespace

// dlsym may allocate (its error text) and an allocator may lock: such a nested call finds the mutex rows, the
// first ones, resolved already; any other resolves again from the top, which is harmless: the results are
// equal.
void resolve_all() {
    for (Row& row : rows)
        if (!row.is_resolved) resolve(row);
}

void resolve_optional(void* handle) {
    for (Row& row : rows) {
        if (!row.is_optional || row.is_resolved) continue;
        void* found = dlsym(handle, row.name);
        if (found == nullptr) continue;
        Dl_info ours, theirs;
        if (dladdr(reinterpret_cast<void*>(&resolve_optional), &ours) != 0 && dladdr(found, &theirs) != 0 &&
            ours.dli_fbase == theirs.dli_fbase)
            continue;  // our own wrapper, found through the global scope
        row.is_resolved = true;
        __atomic_store_n(row.slot, found, __ATOMIC_RELEASE);
    }
}

}  // namespace latchkey::real
