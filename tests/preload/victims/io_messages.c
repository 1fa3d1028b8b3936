// SPDX-License-Identifier: Apache-2.0
//
// Socket pairs, pipes, eventfds and a TCP connection on loopback: every send and receive call, and a
// ping-pong of threads over an eventfd.
#include "victim.h"
#include <arpa/inet.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

static char buffer[64];

static void check_pair(void) {
    int pair[2];
    struct iovec part = {(void*)"message", 7};
    struct iovec into = {buffer, sizeof buffer};
    struct msghdr out = {.msg_iov = &part, .msg_iovlen = 1};
    struct msghdr in = {.msg_iov = &into, .msg_iovlen = 1};
    struct mmsghdr outs[2] = {{.msg_hdr = out}, {.msg_hdr = out}};
    struct mmsghdr ins[2] = {{.msg_hdr = in}, {.msg_hdr = in}};
    CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    CHECK_EQ(send(pair[0], "plain", 5, 0), 5);
    CHECK_EQ(recv(pair[1], buffer, sizeof buffer, 0), 5);
    CHECK_EQ(sendto(pair[0], "to", 2, 0, NULL, 0), 2);
    CHECK_EQ(recvfrom(pair[1], buffer, sizeof buffer, 0, NULL, NULL), 2);
    CHECK_EQ(sendmsg(pair[0], &out, 0), 7);
    CHECK_EQ(recvmsg(pair[1], &in, 0), 7);
    CHECK_EQ(sendmmsg(pair[0], outs, 2, 0), 2);
    CHECK_EQ(recvmmsg(pair[1], ins, 2, 0, NULL), 2);
    CHECK_EQ(ins[1].msg_len, 7);
    CHECK_EQ(recv(pair[1], buffer, sizeof buffer, MSG_DONTWAIT), -1);
    CHECK_EQ(errno, EAGAIN);
    CHECK_EQ(write(pair[0], "file call", 9), 9);
    CHECK_EQ(read(pair[1], buffer, sizeof buffer), 9);
    CHECK_EQ(close(pair[1]), 0);
    CHECK_EQ(send(pair[0], "x", 1, MSG_NOSIGNAL), -1);
    CHECK_EQ(errno, EPIPE);
    CHECK_EQ(close(pair[0]), 0);
    say("socket pair");
}

static void* connect_and_send(void* address) {
    int client = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(connect(client, address, sizeof(struct sockaddr_in)), 0);
    CHECK_EQ(send(client, "over loopback", 13, 0), 13);
    CHECK_EQ(close(client), 0);
    return NULL;
}

static void check_loopback(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    int server = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_EQ(bind(server, (struct sockaddr*)&address, sizeof address), 0);
    CHECK_EQ(listen(server, 2), 0);
    CHECK_EQ(getsockname(server, (struct sockaddr*)&address, &size), 0);
    for (int i = 0; i < 2; ++i) {
        pthread_t client = start(connect_and_send, &address);
        int accepted = i == 0 ? accept(server, NULL, NULL) : accept4(server, NULL, NULL, SOCK_CLOEXEC);
        CHECK(accepted >= 0);
        CHECK_EQ(recv(accepted, buffer, 13, MSG_WAITALL), 13);
        CHECK_EQ(recv(accepted, buffer, 13, 0), 0);
        CHECK_EQ(close(accepted), 0);
        join(client);
    }
    CHECK_EQ(close(server), 0);
    CHECK_EQ(connect(-1, (struct sockaddr*)&address, sizeof address), -1);
    CHECK_EQ(errno, EBADF);
    say("loopback");
}

static int ping, pong;

static void* answer(void* unused) {
    for (int i = 0; i < 1000; ++i) {
        eventfd_t value;
        CHECK_EQ(read(ping, &value, sizeof value), sizeof value);
        CHECK_EQ(write(pong, &value, sizeof value), sizeof value);
    }
    return unused;
}

static void check_eventfd(void) {
    ping = eventfd(0, 0);
    pong = eventfd(0, 0);
    pthread_t thread = start(answer, NULL);
    for (int i = 1; i <= 1000; ++i) {
        eventfd_t value = (eventfd_t)i;
        CHECK_EQ(write(ping, &value, sizeof value), sizeof value);
        CHECK_EQ(read(pong, &value, sizeof value), sizeof value);
        CHECK_EQ(value, i);
    }
    join(thread);
    CHECK_EQ(close(ping), 0);
    CHECK_EQ(close(pong), 0);
    say("eventfd ping-pong");
}

int main(void) {
    check_pair();
    check_loopback();
    check_eventfd();
    return succeed();
}
