// SPDX-License-Identifier: Apache-2.0
//
// What all I/O wrappers share: two clock reads around the real call, sums per thread and per file, and an
// event when the call was slow (or at level full).
#pragma once

#include "preload/interpose.h"
#include "preload/real.h"

namespace latchkey {

enum class IoGroup : uint8_t {
    kRead,
    kWrite,
    kSync,
    kSpace,
    kFileLock,
    kOpen,
    kRecv,
    kSend,
    kPoll,
    kSleep,
    kAio
};

struct IoSite {
    Call call;
    IoGroup group;
    int fd;  // -1: none
    Site site;
};

// begin ... real call ... end, in one thread.
class IoCall {
  public:
    IoCall(ThreadRecord& record, const IoSite& io);

    // result: what the real call returned, or minus the error number. Keeps errno.
    void end(int64_t result);

  private:
    void add_to_file(uint32_t file, uint64_t duration_ns, int64_t result);
    void emit(uint32_t file, uint64_t duration_ns, int64_t result);

    ThreadRecord& record_;
    const IoSite io_;
    uint64_t begin_ns_;
};

// Runs real_call with everything around it. For functions that return -1 and set errno.
template <class F>
auto observe_io(const IoSite& io, F real_call) -> decltype(real_call()) {
    ThreadRecord* record = observed(io.site);
    if (record == nullptr) return real_call();
    IoCall call(*record, io);
    const auto result = real_call();
    call.end(result == -1 ? -errno : static_cast<int64_t>(result));
    return result;
}

// The same for functions that return an error number.
template <class F>
int observe_io_error(const IoSite& io, F real_call) {
    ThreadRecord* record = observed(io.site);
    if (record == nullptr) return real_call();
    IoCall call(*record, io);
    const int error = real_call();
    call.end(-error);
    return error;
}

// The same for functions that return minus the error number (libaio, liburing).
template <class F>
int observe_io_negative(const IoSite& io, F real_call) {
    ThreadRecord* record = observed(io.site);
    if (record == nullptr) return real_call();
    IoCall call(*record, io);
    const int result = real_call();
    call.end(result);
    return result;
}

}  // namespace latchkey

// Wrappers of functions whose descriptor is a parameter called fd: OBSERVED_IO returns -1 with errno,
// OBSERVED_IO_ERROR the error number. (group, result, NAME, (parameters), (arguments))
#define OBSERVED_IO(group, result, name, parameters, arguments)      \
    INTERPOSE(result, name, parameters) {                            \
        const IoSite io{kCall_##name, IoGroup::group, fd, CALLER};   \
        return observe_io(io, [&] { return real::name arguments; }); \
    }
#define OBSERVED_IO_ERROR(group, name, parameters, arguments)              \
    INTERPOSE(int, name, parameters) {                                     \
        const IoSite io{kCall_##name, IoGroup::group, fd, CALLER};         \
        return observe_io_error(io, [&] { return real::name arguments; }); \
    }
