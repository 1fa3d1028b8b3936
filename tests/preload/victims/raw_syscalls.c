// SPDX-License-Identifier: Apache-2.0
//
// syscall(): futex waits and wakes (InnoDB's mutexes), and calls with 0 to 6 arguments passed on as they
// are, with results and errno.
#include "victim.h"
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>

static _Atomic int turn;

static long futex(int operation, int value, const struct timespec* timeout) {
    return syscall(SYS_futex, &turn, operation, value, timeout, NULL, 0);
}

static void take_turns(int mine) {
    for (int i = 0; i < 1000; ++i) {
        for (int seen = atomic_load(&turn); seen % 2 != mine; seen = atomic_load(&turn)) {
            if (futex(FUTEX_WAIT_PRIVATE, seen, NULL) == -1) CHECK(errno == EAGAIN || errno == EINTR);
        }
        atomic_fetch_add(&turn, 1);
        CHECK(futex(FUTEX_WAKE_PRIVATE, 1, NULL) >= 0);
    }
}

static void* second(void* unused) {
    take_turns(1);
    return unused;
}

static void check_futex(void) {
    struct timespec soon = {.tv_nsec = 5000000};
    pthread_t thread = start(second, NULL);
    take_turns(0);
    join(thread);
    CHECK_EQ(turn, 2000);
    CHECK_EQ(futex(FUTEX_WAIT, 1, NULL), -1);
    CHECK_EQ(errno, EAGAIN);
    CHECK_EQ(futex(FUTEX_WAIT, 2000, &soon), -1);
    CHECK_EQ(errno, ETIMEDOUT);
    CHECK_EQ(futex(FUTEX_WAKE, 1, NULL), 0);
    say("futex");
}

int main(void) {
    check_futex();
    errno = 0;
    CHECK_EQ(syscall(SYS_getpid), getpid());
    CHECK_EQ(errno, 0);
    CHECK_EQ(syscall(100000), -1);
    CHECK_EQ(errno, ENOSYS);
    CHECK_EQ(syscall(SYS_close, -1), -1);
    CHECK_EQ(errno, EBADF);
    char* page =
        (char*)syscall(SYS_mmap, NULL, 4096UL, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0L);
    CHECK(page != MAP_FAILED);
    page[4095] = 1;
    CHECK_EQ(syscall(SYS_munmap, page, 4096UL), 0);
    CHECK_EQ(syscall(SYS_ioprio_get, 1, 0) >= 0, 1);
    say("0 to 6 arguments");
    return succeed();
}
