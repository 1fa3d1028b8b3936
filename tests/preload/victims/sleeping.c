// SPDX-License-Identifier: Apache-2.0
//
// Calls that sleep or poll: at least as long as asked, EINTR with the remaining time when a handler ran,
// and what they report when something is ready.
#include "victim.h"
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>

static _Atomic pid_t sleeper;
static _Atomic int handled;
static int pipe_ends[2];

static void handle(int signal) {
    (void)signal;
    atomic_fetch_add(&handled, 1);
}

static int epoll_of(int file) {
    struct epoll_event event = {.events = EPOLLIN};
    int epoll = epoll_create1(0);
    CHECK_EQ(epoll_ctl(epoll, EPOLL_CTL_ADD, file, &event), 0);
    return epoll;
}

enum {
    kNanosleep,
    kClockNanosleep,
    kSleep,
    kUsleep,
    kPoll,
    kPpoll,
    kSelect,
    kPselect,
    kEpoll,
    kPepoll,
    kPepoll2,
    kPause,
    kSigsuspend,
    kSigtimedwait,
    kCalls
};

// Sleeps 100 s by call number `call`; returns the error number, or EINTR for what reports it otherwise.
static int sleep_by(int call) {
    struct timespec time = {.tv_sec = 100};
    struct timespec left = {0};
    struct timeval value = {.tv_sec = 100};
    struct pollfd polled = {.fd = pipe_ends[0], .events = POLLIN};
    struct epoll_event event;
    fd_set set;
    sigset_t signals;
    FD_ZERO(&set);
    FD_SET(pipe_ends[0], &set);
    sigemptyset(&signals);
    int epoll = epoll_of(pipe_ends[0]);
    int result = -1;
    errno = 0;
    switch (call) {
        case kNanosleep:
            result = nanosleep(&time, &left);
            break;
        case kClockNanosleep:
            errno = clock_nanosleep(CLOCK_MONOTONIC, 0, &time, &left);
            break;
        case kSleep:
            errno = sleep(100) > 0 ? EINTR : 0;
            break;
        case kUsleep:
            result = usleep(100000000);
            break;
        case kPoll:
            result = poll(&polled, 1, 100000);
            break;
        case kPpoll:
            result = ppoll(&polled, 1, &time, NULL);
            break;
        case kSelect:
            result = select(pipe_ends[0] + 1, &set, NULL, NULL, &value);
            break;
        case kPselect:
            result = pselect(pipe_ends[0] + 1, &set, NULL, NULL, &time, &signals);
            break;
        case kEpoll:
            result = epoll_wait(epoll, &event, 1, 100000);
            break;
        case kPepoll:
            result = epoll_pwait(epoll, &event, 1, 100000, &signals);
            break;
        case kPepoll2:
            result = epoll_pwait2(epoll, &event, 1, &time, NULL);
            break;
        case kPause:
            result = pause();
            break;
        case kSigsuspend:
            result = sigsuspend(&signals);
            break;
        default:
            result = sigtimedwait(&signals, NULL, &time);
    }
    int error = errno;
    CHECK_EQ(result, -1);
    if (call <= kClockNanosleep) CHECK(left.tv_sec >= 90 && left.tv_sec <= 100);
    CHECK_EQ(close(epoll), 0);
    return error;
}

static void* be_interrupted(void* call) {
    atomic_store(&sleeper, gettid());
    return (void*)(long)sleep_by((int)(long)call);
}

static void check_interrupts(void) {
    for (long call = 0; call < kCalls; ++call) {
        atomic_store(&sleeper, 0);
        pthread_t thread = start(be_interrupted, (void*)call);
        wait_until_asleep(&sleeper);
        CHECK_EQ(pthread_kill(thread, SIGUSR1), 0);
        CHECK_EQ((long)join(thread), EINTR);
        CHECK_EQ(handled, call + 1);
    }
    say("14 calls interrupted: EINTR, remaining time");
}

static void check_durations(void) {
    struct timespec time = {.tv_nsec = 2000000};
    struct timespec at = in_ms(CLOCK_MONOTONIC, 5);
    long long began = now_ns(CLOCK_MONOTONIC);
    CHECK_EQ(nanosleep(&time, NULL), 0);
    CHECK_EQ(usleep(2000), 0);
    CHECK_EQ(poll(NULL, 0, 2), 0);
    CHECK_EQ(select(0, NULL, NULL, NULL, &(struct timeval){.tv_usec = 2000}), 0);
    CHECK(now_ns(CLOCK_MONOTONIC) - began >= 8000000);
    CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL), 0);
    CHECK_EQ(clock_nanosleep(4711, 0, &time, NULL), EINVAL);
    CHECK_EQ(nanosleep(&(struct timespec){.tv_nsec = -1}, NULL), -1);
    CHECK_EQ(errno, EINVAL);
    CHECK_EQ(sleep(0), 0);
    CHECK_EQ(sched_yield(), 0);
    say("not shorter than asked");
}

static void check_ready(void) {
    struct pollfd polled = {.fd = pipe_ends[0], .events = POLLIN};
    struct epoll_event event;
    sigset_t signals;
    int got = 0;
    int epoll = epoll_of(pipe_ends[0]);
    CHECK_EQ(write(pipe_ends[1], "x", 1), 1);
    CHECK_EQ(poll(&polled, 1, -1), 1);
    CHECK_EQ(polled.revents, POLLIN);
    CHECK_EQ(epoll_wait(epoll, &event, 1, -1), 1);
    CHECK_EQ(close(epoll), 0);
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR2);
    CHECK_EQ(pthread_sigmask(SIG_BLOCK, &signals, NULL), 0);
    CHECK_EQ(raise(SIGUSR2), 0);
    CHECK_EQ(sigwait(&signals, &got), 0);
    CHECK_EQ(got, SIGUSR2);
    CHECK_EQ(raise(SIGUSR2), 0);
    CHECK_EQ(sigwaitinfo(&signals, NULL), SIGUSR2);
    say("ready at once");
}

int main(void) {
    struct sigaction action = {.sa_flags = 0};
    action.sa_handler = handle;
    CHECK_EQ(sigaction(SIGUSR1, &action, NULL), 0);
    CHECK_EQ(pipe(pipe_ends), 0);
    check_interrupts();
    check_durations();
    check_ready();
    return succeed();
}
