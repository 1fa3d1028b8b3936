// SPDX-License-Identifier: Apache-2.0
//
// Built with _FORTIFY_SOURCE=2: sizes the compiler knows and lengths it does not, so that the checked
// twins (__read_chk and others) are called; an overlong read still ends the program with SIGABRT.
#include "victim.h"
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>

static volatile size_t length = 4;
static volatile int flags = O_RDONLY;

static void check_calls(void) {
    char buffer[8] = "";
    int pair[2];
    struct sockaddr_storage from;
    socklen_t from_size = sizeof from;
    int zero = open("/dev/zero", flags);
    CHECK(zero >= 0);
    CHECK_EQ(close(open64("/dev/zero", flags)), 0);
    CHECK_EQ(close(openat(AT_FDCWD, "/dev/zero", flags)), 0);
    CHECK_EQ(close(openat64(AT_FDCWD, "/dev/zero", flags)), 0);
    CHECK_EQ(read(zero, buffer, length), 4);
    CHECK_EQ(pread(zero, buffer, length, 0), 4);
    CHECK_EQ(pread64(zero, buffer, length, 0), 4);
    CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair), 0);
    CHECK_EQ(send(pair[0], "abcd", 4, 0), 4);
    CHECK_EQ(recv(pair[1], buffer, length, MSG_PEEK), 4);
    CHECK_EQ(recvfrom(pair[1], buffer, length, 0, (struct sockaddr*)&from, &from_size), 4);
    CHECK_EQ(memcmp(buffer, "abcd", 4), 0);
    struct pollfd polled[1] = {{.fd = pair[1], .events = POLLIN}};
    volatile nfds_t one = 1;
    struct timespec none = {0, 0};
    CHECK_EQ(poll(polled, one, 0), 0);
    CHECK_EQ(ppoll(polled, one, &none, NULL), 0);
    CHECK_EQ(close(pair[0]), 0);
    CHECK_EQ(close(pair[1]), 0);
    CHECK_EQ(close(zero), 0);
    say("checked calls");
}

static void overflow(void) {
    struct rlimit no_core = {0, 0};
    char buffer[8];
    int null = open("/dev/null", O_RDONLY);
    setrlimit(RLIMIT_CORE, &no_core);
    dup2(null, 2);
    length = 9;
    if (read(null, buffer, length) < 0) _exit(1);
    _exit(0);
}

int main(void) {
    check_calls();
    pid_t child = fork();
    if (child == 0) overflow();
    CHECK_EQ(wait_child(child), -SIGABRT);
    say("overflow: SIGABRT");
    return succeed();
}
