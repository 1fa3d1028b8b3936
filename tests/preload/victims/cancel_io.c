// SPDX-License-Identifier: Apache-2.0
//
// Every blocking I/O or sleeping call is a cancellation point: a thread cancelled in it runs its cleanup
// handler and the descriptor stays usable.
#include "victim.h"
#include <poll.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

static _Atomic pid_t sleeper;
static int pair[2];
static sem_t never;
static int cleaned;

static void clean(void* unused) {
    (void)unused;
    ++cleaned;
}

enum { kCalls = 17 };

static void block_by(int call) {
    char byte;
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    struct pollfd polled = {.fd = pair[0], .events = POLLIN};
    struct timespec time = {.tv_sec = 1000};
    struct timespec late = in_ms(CLOCK_REALTIME, 1000000);
    struct epoll_event event;
    fd_set set;
    sigset_t none;
    FD_ZERO(&set);
    FD_SET(pair[0], &set);
    sigemptyset(&none);
    switch (call) {
        case 0:
            (void)!read(pair[0], &byte, 1);
            break;
        case 1:
            (void)!readv(pair[0], &part, 1);
            break;
        case 2:
            recv(pair[0], &byte, 1, 0);
            break;
        case 3:
            recvfrom(pair[0], &byte, 1, 0, NULL, NULL);
            break;
        case 4:
            recvmsg(pair[0], &message, 0);
            break;
        case 5:
            poll(&polled, 1, -1);
            break;
        case 6:
            ppoll(&polled, 1, NULL, NULL);
            break;
        case 7:
            select(pair[0] + 1, &set, NULL, NULL, NULL);
            break;
        case 8:
            pselect(pair[0] + 1, &set, NULL, NULL, NULL, NULL);
            break;
        case 9:
            epoll_wait(epoll_create1(EPOLL_CLOEXEC), &event, 1, -1);
            break;
        case 10:
            nanosleep(&time, NULL);
            break;
        case 11:
            usleep(1000000000);
            break;
        case 12:
            sem_wait(&never);
            break;
        case 13:
            sem_timedwait(&never, &late);
            break;
        case 14:
            pause();
            break;
        case 15:
            sigsuspend(&none);
            break;
        default:
            clock_nanosleep(CLOCK_MONOTONIC, 0, &time, NULL);
    }
}

static void* be_cancelled(void* call) {
    pthread_cleanup_push(clean, NULL);
    atomic_store(&sleeper, gettid());
    block_by((int)(long)call);
    pthread_cleanup_pop(0);
    return NULL;
}

static void* wait_for_ever(void* unused) {
    for (;;) pause();
    return unused;
}

static void* be_cancelled_joining(void* other) {
    pthread_cleanup_push(clean, NULL);
    atomic_store(&sleeper, gettid());
    pthread_join(*(pthread_t*)other, NULL);
    pthread_cleanup_pop(0);
    return NULL;
}

int main(void) {
    CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    CHECK_EQ(sem_init(&never, 0, 0), 0);
    for (long call = 0; call < kCalls; ++call) {
        atomic_store(&sleeper, 0);
        pthread_t thread = start(be_cancelled, (void*)call);
        wait_until_asleep(&sleeper);
        CHECK_EQ(pthread_cancel(thread), 0);
        CHECK(join(thread) == PTHREAD_CANCELED);
        CHECK_EQ(cleaned, call + 1);
    }
    say("17 calls cancelled");
    atomic_store(&sleeper, 0);
    pthread_t other = start(wait_for_ever, NULL);
    pthread_t joiner = start(be_cancelled_joining, &other);
    wait_until_asleep(&sleeper);
    CHECK_EQ(pthread_cancel(joiner), 0);
    CHECK(join(joiner) == PTHREAD_CANCELED);
    CHECK_EQ(pthread_cancel(other), 0);
    CHECK(join(other) == PTHREAD_CANCELED);
    say("pthread_join cancelled; the thread can be joined again");
    char byte;
    CHECK_EQ(write(pair[1], "x", 1), 1);
    CHECK_EQ(read(pair[0], &byte, 1), 1);
    return succeed();
}
