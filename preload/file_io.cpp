// SPDX-License-Identifier: Apache-2.0
//
// File I/O: reads, writes, syncs, space and locks; plain, 64, vector and fortified forms.
#include "preload/descriptors.h"
#include "preload/io_call.h"

using namespace latchkey;

OBSERVED_IO(kRead, ssize_t, read, (int fd, void* to, size_t n), (fd, to, n))
OBSERVED_IO(kRead, ssize_t, pread, (int fd, void* to, size_t n, off_t at), (fd, to, n, at))
OBSERVED_IO(kRead, ssize_t, pread64, (int fd, void* to, size_t n, off64_t at), (fd, to, n, at))
OBSERVED_IO(kRead, ssize_t, readv, (int fd, const iovec* v, int n), (fd, v, n))
OBSERVED_IO(kRead, ssize_t, preadv, (int fd, const iovec* v, int n, off_t at), (fd, v, n, at))
OBSERVED_IO(kRead, ssize_t, preadv64, (int fd, const iovec* v, int n, off64_t at), (fd, v, n, at))
OBSERVED_IO(kRead, ssize_t, preadv2, (int fd, const iovec* v, int n, off_t at, int flags),
            (fd, v, n, at, flags))
OBSERVED_IO(kRead, ssize_t, preadv64v2, (int fd, const iovec* v, int n, off64_t at, int flags),
            (fd, v, n, at, flags))
OBSERVED_IO(kRead, ssize_t, __read_chk, (int fd, void* to, size_t n, size_t size), (fd, to, n, size))
OBSERVED_IO(kRead, ssize_t, __pread_chk, (int fd, void* to, size_t n, off_t at, size_t size),
            (fd, to, n, at, size))
OBSERVED_IO(kRead, ssize_t, __pread64_chk, (int fd, void* to, size_t n, off64_t at, size_t size),
            (fd, to, n, at, size))

OBSERVED_IO(kWrite, ssize_t, write, (int fd, const void* from, size_t n), (fd, from, n))
OBSERVED_IO(kWrite, ssize_t, pwrite, (int fd, const void* from, size_t n, off_t at), (fd, from, n, at))
OBSERVED_IO(kWrite, ssize_t, pwrite64, (int fd, const void* from, size_t n, off64_t at), (fd, from, n, at))
OBSERVED_IO(kWrite, ssize_t, writev, (int fd, const iovec* v, int n), (fd, v, n))
OBSERVED_IO(kWrite, ssize_t, pwritev, (int fd, const iovec* v, int n, off_t at), (fd, v, n, at))
OBSERVED_IO(kWrite, ssize_t, pwritev64, (int fd, const iovec* v, int n, off64_t at), (fd, v, n, at))
OBSERVED_IO(kWrite, ssize_t, pwritev2, (int fd, const iovec* v, int n, off_t at, int flags),
            (fd, v, n, at, flags))
OBSERVED_IO(kWrite, ssize_t, pwritev64v2, (int fd, const iovec* v, int n, off64_t at, int flags),
            (fd, v, n, at, flags))
// Transfers between descriptors count as writes to the target.
OBSERVED_IO(kWrite, ssize_t, sendfile, (int fd, int from, off_t* at, size_t n), (fd, from, at, n))
OBSERVED_IO(kWrite, ssize_t, sendfile64, (int fd, int from, off64_t* at, size_t n), (fd, from, at, n))

INTERPOSE(ssize_t, copy_file_range,
          (int from, off64_t* from_at, int fd, off64_t* at, size_t n, unsigned flags)) {
    const IoSite io{kCall_copy_file_range, IoGroup::kWrite, fd, CALLER};
    return observe_io(io, [&] { return real::copy_file_range(from, from_at, fd, at, n, flags); });
}

INTERPOSE(ssize_t, splice, (int from, off64_t* from_at, int fd, off64_t* at, size_t n, unsigned flags)) {
    const IoSite io{kCall_splice, IoGroup::kWrite, fd, CALLER};
    return observe_io(io, [&] { return real::splice(from, from_at, fd, at, n, flags); });
}

OBSERVED_IO(kSync, int, fsync, (int fd), (fd))
OBSERVED_IO(kSync, int, fdatasync, (int fd), (fd))
OBSERVED_IO(kSync, int, sync_file_range, (int fd, off64_t at, off64_t n, unsigned flags), (fd, at, n, flags))
OBSERVED_IO(kSync, int, syncfs, (int fd), (fd))

INTERPOSE(void, sync, ()) {
    const IoSite io{kCall_sync, IoGroup::kSync, -1, CALLER};
    observe_io(io, [] { return real::sync(), 0; });
}

INTERPOSE(int, msync, (void* address, size_t n, int flags)) {
    const IoSite io{kCall_msync, IoGroup::kSync, -1, CALLER};
    return observe_io(io, [&] { return real::msync(address, n, flags); });
}

OBSERVED_IO(kSpace, int, fallocate, (int fd, int mode, off_t at, off_t n), (fd, mode, at, n))
OBSERVED_IO(kSpace, int, fallocate64, (int fd, int mode, off64_t at, off64_t n), (fd, mode, at, n))
OBSERVED_IO(kSpace, int, ftruncate, (int fd, off_t n), (fd, n))
OBSERVED_IO(kSpace, int, ftruncate64, (int fd, off64_t n), (fd, n))

INTERPOSE(int, truncate, (const char* path, off_t n)) {
    const IoSite io{kCall_truncate, IoGroup::kSpace, -1, CALLER};
    return observe_io(io, [&] { return real::truncate(path, n); });
}

INTERPOSE(int, truncate64, (const char* path, off64_t n)) {
    const IoSite io{kCall_truncate64, IoGroup::kSpace, -1, CALLER};
    return observe_io(io, [&] { return real::truncate64(path, n); });
}

OBSERVED_IO_ERROR(kSpace, posix_fallocate, (int fd, off_t at, off_t n), (fd, at, n))
OBSERVED_IO_ERROR(kSpace, posix_fallocate64, (int fd, off64_t at, off64_t n), (fd, at, n))
OBSERVED_IO_ERROR(kSpace, posix_fadvise, (int fd, off_t at, off_t n, int advice), (fd, at, n, advice))
OBSERVED_IO_ERROR(kSpace, posix_fadvise64, (int fd, off64_t at, off64_t n, int advice), (fd, at, n, advice))

OBSERVED_IO(kFileLock, int, flock, (int fd, int operation), (fd, operation))
OBSERVED_IO(kFileLock, int, lockf, (int fd, int operation, off_t n), (fd, operation, n))
OBSERVED_IO(kFileLock, int, lockf64, (int fd, int operation, off64_t n), (fd, operation, n))

namespace {

constexpr bool is_lock_command(int command) {
    return command == F_SETLK || command == F_SETLKW || command == F_OFD_SETLK || command == F_OFD_SETLKW ||
           command == F_GETLK || command == F_OFD_GETLK;
}

// Only the lock commands are timed; F_DUPFD gives a descriptor anew.
template <class F>
int control(Call call, int fd, int command, Site site, F real_call) {
    if (is_lock_command(command)) return observe_io({call, IoGroup::kFileLock, fd, site}, real_call);
    if (ThreadRecord* record = observed(site); record != nullptr) record->calls[call]++;
    const int result = real_call();
    if (command == F_DUPFD || command == F_DUPFD_CLOEXEC) forget_descriptor(result);
    return result;
}

}  // namespace

INTERPOSE(int, fcntl, (int fd, int command, long argument)) {
    return control(kCall_fcntl, fd, command, CALLER, [&] { return real::fcntl(fd, command, argument); });
}

INTERPOSE(int, fcntl64, (int fd, int command, long argument)) {
    return control(kCall_fcntl64, fd, command, CALLER, [&] { return real::fcntl64(fd, command, argument); });
}
