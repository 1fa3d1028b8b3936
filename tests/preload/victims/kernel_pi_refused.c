// SPDX-License-Identifier: Apache-2.0
//
// Contention and time-outs on a kernel that lacks inheriting futexes, in part (argument new: FUTEX_LOCK_PI2)
// or all of them (all): a filter answers ENOSYS, and the program is executed once more behind it.
#include "victim.h"
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

enum { kLockPi2 = 13, kThreads = 4, kAdds = 5000 };
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static long count;

static void refuse(int all) {
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_futex, 0, 6),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, FUTEX_CMD_MASK),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, kLockPi2, 2, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, all ? FUTEX_LOCK_PI : kLockPi2, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, all ? FUTEX_UNLOCK_PI : kLockPi2, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {.len = sizeof filter / sizeof filter[0], .filter = filter};
    CHECK_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    CHECK_EQ(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0), 0);
    CHECK_EQ(syscall(SYS_futex, &count, kLockPi2, 0, NULL, NULL, 0), -1);
    CHECK_EQ(errno, ENOSYS);
}

static void* add(void* unused) {
    struct timespec far = in_ms(CLOCK_MONOTONIC, 3600 * 1000);
    for (int i = 0; i < kAdds; ++i) {
        CHECK_EQ(pthread_mutex_clocklock(&mutex, CLOCK_MONOTONIC, &far), 0);
        if (++count % 100 == 0) sched_yield();
        CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    }
    return unused;
}

static void* run_out_of_time(void* unused) {
    static const clockid_t kClocks[] = {CLOCK_MONOTONIC, CLOCK_REALTIME};
    for (int i = 0; i < 2; ++i) {
        struct timespec soon = in_ms(kClocks[i], 70);
        CHECK_EQ(pthread_mutex_clocklock(&mutex, kClocks[i], &soon), ETIMEDOUT);
        CHECK(now_ns(kClocks[i]) >= soon.tv_sec * 1000000000LL + soon.tv_nsec);
    }
    return unused;
}

static int use(void) {
    pthread_t threads[kThreads];
    for (int i = 0; i < kThreads; ++i) threads[i] = start(add, NULL);
    for (int i = 0; i < kThreads; ++i) join(threads[i]);
    CHECK_EQ(count, kThreads * kAdds);
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    join(start(run_out_of_time, NULL));
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    return succeed();
}

int main(int argc, char** argv) {
    CHECK(argc >= 2);
    if (strcmp(argv[1], "use") == 0) return use();
    refuse(strcmp(argv[1], "all") == 0);
    if (argc == 3) CHECK_EQ(putenv(argv[2]), 0);
    execl("/proc/self/exe", argv[0], "use", NULL);
    return 1;
}
