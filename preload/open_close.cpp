// SPDX-License-Identifier: Apache-2.0
//
// Opening and closing: timed like other I/O, and what keeps descriptors.h true. A close forgets the
// descriptor before the real call: afterwards another thread may have the number already.
#include "preload/descriptors.h"
#include "preload/io_call.h"

using namespace latchkey;

namespace {

template <class F>
int open_observed(Call call, Site site, F real_open) {
    ThreadRecord* record = observed(site);
    if (record == nullptr) {
        const int fd = real_open();
        forget_descriptor(fd);
        return fd;
    }
    IoCall io(*record, {call, IoGroup::kOpen, -1, site});
    const int fd = real_open();
    forget_descriptor(fd);
    io.end(fd == -1 ? -errno : fd);
    return fd;
}

}  // namespace

// OPENING(NAME, (parameters), (arguments)): returns a descriptor.
#define OPENING(name, parameters, arguments)                                              \
    INTERPOSE(int, name, parameters) {                                                    \
        return open_observed(kCall_##name, CALLER, [&] { return real::name arguments; }); \
    }

OPENING(open, (const char* path, int flags, mode_t mode), (path, flags, mode))
OPENING(open64, (const char* path, int flags, mode_t mode), (path, flags, mode))
OPENING(openat, (int directory, const char* path, int flags, mode_t mode), (directory, path, flags, mode))
OPENING(openat64, (int directory, const char* path, int flags, mode_t mode), (directory, path, flags, mode))
OPENING(__open_2, (const char* path, int flags), (path, flags))
OPENING(__open64_2, (const char* path, int flags), (path, flags))
OPENING(__openat_2, (int directory, const char* path, int flags), (directory, path, flags))
OPENING(__openat64_2, (int directory, const char* path, int flags), (directory, path, flags))
OPENING(creat, (const char* path, mode_t mode), (path, mode))
OPENING(creat64, (const char* path, mode_t mode), (path, mode))
OPENING(dup2, (int from, int to), (from, to))
OPENING(dup3, (int from, int to, int flags), (from, to, flags))

INTERPOSE(int, close, (int fd)) {
    forget_descriptor(fd);
    const IoSite io{kCall_close, IoGroup::kOpen, -1, CALLER};
    const ThroughTracer through;
    return observe_io(io, [&] { return real::close(fd); });
}

INTERPOSE(int, fclose, (FILE * stream)) {
    if (ThreadRecord* record = observed(CALLER); record != nullptr) record->calls[kCall_fclose]++;
    forget_descriptor(fileno(stream));
    const ThroughTracer through;
    return real::fclose(stream);
}

// LTTng keeps its buffers and sockets in descriptors; its descriptor library guards them against close(), but
// not against close_range() and closefrom() (lttng-ust 2.13). So while tracing they become what the manual
// says they equal, a loop of close(), which asks that library each time.
namespace {

constexpr int kCloexecFlag = 4;  // CLOSE_RANGE_CLOEXEC: nothing is closed now

bool is_tracer_loaded() {
    return config.level != Level::kCounters && config.events_lib != nullptr;
}

// Closes the open descriptors of [first, last], one by one; the limit of open files ends an open range.
void close_each(unsigned first, unsigned last) {
    const long limit = sysconf(_SC_OPEN_MAX);
    for (unsigned fd = first; fd <= last && fd < static_cast<unsigned long>(limit); fd++) {
        if (real::fcntl(static_cast<int>(fd), F_GETFD, 0) == -1) continue;
        real::close(static_cast<int>(fd));
    }
}

}  // namespace

int latchkey::close_descriptors(unsigned first, unsigned last, int flags) {
    if ((flags & kCloexecFlag) == 0) forget_descriptors(first, last);
    if (!is_tracer_loaded() || first > last || flags != 0) return real::close_range(first, last, flags);
    close_each(first, last);
    return 0;
}

INTERPOSE(int, close_range, (unsigned first, unsigned last, int flags)) {
    if (ThreadRecord* record = observed(CALLER); record != nullptr) record->calls[kCall_close_range]++;
    return close_descriptors(first, last, flags);
}

INTERPOSE(void, closefrom, (int first)) {
    if (ThreadRecord* record = observed(CALLER); record != nullptr) record->calls[kCall_closefrom]++;
    const unsigned from = first > 0 ? static_cast<unsigned>(first) : 0;
    forget_descriptors(from, ~0u);
    if (is_tracer_loaded())
        close_each(from, ~0u);
    else
        real::closefrom(first);
}
