// SPDX-License-Identifier: Apache-2.0
//
// Sockets: receive, send, accept, connect.
#include "preload/descriptors.h"
#include "preload/io_call.h"

using namespace latchkey;

OBSERVED_IO(kRecv, ssize_t, recv, (int fd, void* to, size_t n, int flags), (fd, to, n, flags))
OBSERVED_IO(kRecv, ssize_t, recvfrom,
            (int fd, void* __restrict to, size_t n, int flags, sockaddr* __restrict from,
             socklen_t* __restrict size),
            (fd, to, n, flags, from, size))
OBSERVED_IO(kRecv, ssize_t, recvmsg, (int fd, msghdr* message, int flags), (fd, message, flags))
OBSERVED_IO(kRecv, ssize_t, __recv_chk, (int fd, void* to, size_t n, size_t size, int flags),
            (fd, to, n, size, flags))
OBSERVED_IO(kRecv, ssize_t, __recvfrom_chk,
            (int fd, void* to, size_t n, size_t size, int flags, void* from, void* from_size),
            (fd, to, n, size, flags, from, from_size))
OBSERVED_IO(kSend, ssize_t, send, (int fd, const void* from, size_t n, int flags), (fd, from, n, flags))
OBSERVED_IO(kSend, ssize_t, sendto,
            (int fd, const void* from, size_t n, int flags, const sockaddr* to, socklen_t size),
            (fd, from, n, flags, to, size))
OBSERVED_IO(kSend, ssize_t, sendmsg, (int fd, const msghdr* message, int flags), (fd, message, flags))
OBSERVED_IO(kSend, int, connect, (int fd, const sockaddr* to, socklen_t size), (fd, to, size))

// Several messages in one call: their bytes are what counts.
namespace {

template <class F>
int messages_observed(const IoSite& io, const mmsghdr* messages, F real_call) {
    ThreadRecord* record = observed(io.site);
    if (record == nullptr) return real_call();
    IoCall call(*record, io);
    const int done = real_call();
    int64_t bytes = done < 0 ? -errno : 0;
    for (int i = 0; i < done; i++) bytes += messages[i].msg_len;
    call.end(bytes);
    return done;
}

}  // namespace

INTERPOSE(int, recvmmsg, (int fd, mmsghdr* messages, unsigned n, int flags, timespec* timeout)) {
    return messages_observed({kCall_recvmmsg, IoGroup::kRecv, fd, CALLER}, messages,
                             [&] { return real::recvmmsg(fd, messages, n, flags, timeout); });
}

INTERPOSE(int, sendmmsg, (int fd, mmsghdr* messages, unsigned n, int flags)) {
    return messages_observed({kCall_sendmmsg, IoGroup::kSend, fd, CALLER}, messages,
                             [&] { return real::sendmmsg(fd, messages, n, flags); });
}

// A connection's descriptor is new; a wait for connections is a wait for work, so accept counts without the
// listener's descriptor as a file.
namespace {

template <class F>
int accept_observed(Call call, Site site, F real_accept) {
    const int fd = observe_io({call, IoGroup::kPoll, -1, site}, real_accept);
    forget_descriptor(fd);
    return fd;
}

}  // namespace

INTERPOSE(int, accept, (int fd, sockaddr* __restrict from, socklen_t* __restrict size)) {
    return accept_observed(kCall_accept, CALLER, [&] { return real::accept(fd, from, size); });
}

INTERPOSE(int, accept4, (int fd, sockaddr* __restrict from, socklen_t* __restrict size, int flags)) {
    return accept_observed(kCall_accept4, CALLER, [&] { return real::accept4(fd, from, size, flags); });
}
