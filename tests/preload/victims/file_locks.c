// SPDX-License-Identifier: Apache-2.0
//
// POSIX record locks (gone when any descriptor of the file is closed), open-file-description locks
// (shared by dup, not by a second open), flock and lockf; held against a child; the other fcntl commands.
#include "victim.h"
#include <sys/file.h>

static char path[] = "/tmp/latchkey-victim-XXXXXX";

static int set_lock(int file, int command, short type) {
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = 0, .l_len = 10};
    return fcntl(file, command, &lock) == 0 ? 0 : errno;
}

// Asks in a child, which inherits no record lock, whether it may lock.
static int child_gets(int (*try_lock)(int)) {
    pid_t child = fork();
    if (child == 0) {
        int file = open(path, O_RDWR);
        _exit(file < 0 ? 99 : try_lock(file));
    }
    return wait_child(child);
}

static int try_record(int file) {
    return set_lock(file, F_SETLK, F_WRLCK);
}
static int try_ofd(int file) {
    return set_lock(file, F_OFD_SETLK, F_WRLCK);
}
static int try_flock(int file) {
    return flock(file, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
}
static int try_lockf(int file) {
    return lockf(file, F_TLOCK, 10) == 0 ? 0 : errno;
}
static int try_lockf64(int file) {
    return lockf64(file, F_TEST, 10) == 0 ? 0 : errno;
}

static void check_record_locks(int file) {
    struct flock asked = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 10};
    CHECK_EQ(set_lock(file, F_SETLKW, F_WRLCK), 0);
    CHECK_EQ(child_gets(try_record), EAGAIN);
    CHECK_EQ(child_gets(try_lockf), EAGAIN);
    CHECK_EQ(child_gets(try_lockf64), EACCES);
    CHECK_EQ(fcntl(file, F_GETLK, &asked), 0);
    CHECK_EQ(asked.l_type, F_UNLCK);
    CHECK_EQ(close(dup(file)), 0);
    CHECK_EQ(child_gets(try_record), 0);
    say("record lock, gone with the first close");
}

static void check_ofd_locks(int file) {
    int same = dup(file);
    int other = open(path, O_RDWR);
    CHECK_EQ(set_lock(file, F_OFD_SETLKW, F_WRLCK), 0);
    CHECK_EQ(try_ofd(same), 0);
    CHECK_EQ(try_ofd(other), EAGAIN);
    CHECK_EQ(close(same), 0);
    CHECK_EQ(try_ofd(other), EAGAIN);
    CHECK_EQ(set_lock(file, F_OFD_SETLK, F_UNLCK), 0);
    CHECK_EQ(try_ofd(other), 0);
    CHECK_EQ(close(other), 0);
    say("open file description lock");
}

static void check_flock(int file) {
    CHECK_EQ(flock(file, LOCK_EX), 0);
    CHECK_EQ(child_gets(try_flock), EWOULDBLOCK);
    CHECK_EQ(flock(file, LOCK_UN), 0);
    CHECK_EQ(child_gets(try_flock), 0);
    CHECK_EQ(flock(-1, LOCK_EX), -1);
    CHECK_EQ(errno, EBADF);
    say("flock");
}

static void check_lockf(int file) {
    CHECK_EQ(lockf(file, F_LOCK, 10), 0);
    CHECK_EQ(child_gets(try_lockf), EAGAIN);
    CHECK_EQ(lockf64(file, F_ULOCK, 10), 0);
    CHECK_EQ(child_gets(try_lockf), 0);
    say("lockf");
}

// A child waits in F_SETLKW until we let go.
static void check_waiting(int file) {
    CHECK_EQ(set_lock(file, F_SETLKW, F_WRLCK), 0);
    pid_t child = fork();
    if (child == 0) _exit(set_lock(open(path, O_RDWR), F_SETLKW, F_WRLCK));
    usleep(20000);
    CHECK_EQ(set_lock(file, F_SETLK, F_UNLCK), 0);
    CHECK_EQ(wait_child(child), 0);
    say("waited for a record lock");
}

static void check_other_commands(int file) {
    CHECK_EQ(fcntl(file, F_GETFD), 0);
    CHECK_EQ(fcntl(file, F_SETFD, FD_CLOEXEC), 0);
    CHECK_EQ(fcntl(file, F_GETFD), FD_CLOEXEC);
    int copy = fcntl(file, F_DUPFD_CLOEXEC, 100);
    CHECK_EQ(copy, 100);
    CHECK_EQ(dup2(copy, 101), 101);
    CHECK_EQ(dup3(copy, 102, O_CLOEXEC), 102);
    for (int fd = 100; fd < 103; ++fd) CHECK_EQ(close(fd), 0);
    CHECK_EQ(fcntl(file, F_GETFL) & O_ACCMODE, O_RDWR);
    CHECK_EQ(fcntl64(file, F_SETFL, O_APPEND), 0);
    CHECK_EQ(fcntl64(file, F_GETFL) & O_APPEND, O_APPEND);
    CHECK_EQ(fcntl(file, 4711), -1);
    CHECK_EQ(errno, EINVAL);
    say("other fcntl commands");
}

int main(void) {
    int file = mkstemp(path);
    CHECK(file >= 0);
    check_record_locks(file);
    check_ofd_locks(file);
    check_flock(file);
    check_lockf(file);
    check_waiting(file);
    check_other_commands(file);
    CHECK_EQ(unlink(path), 0);
    return succeed();
}
