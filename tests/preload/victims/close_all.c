// SPDX-License-Identifier: Apache-2.0
//
// The program closes every descriptor it may not know (argument: loop, close_range, closefrom, raw) in
// the middle of its work and goes on, alone and in a child.
#include "victim.h"
#include <sys/syscall.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int stage;

static void* work(void* unused) {
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    for (int i = 0; i < 1000; ++i) {
        while (stage % 2 == 0) CHECK_EQ(pthread_cond_wait(&changed, &mutex), 0);
        ++stage;
        CHECK_EQ(pthread_cond_signal(&changed), 0);
    }
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    return unused;
}

static void work_with_partner(void) {
    stage = 0;
    pthread_t thread = start(work, NULL);
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    for (int i = 0; i < 1000; ++i) {
        while (stage % 2 == 1) CHECK_EQ(pthread_cond_wait(&changed, &mutex), 0);
        ++stage;
        CHECK_EQ(pthread_cond_signal(&changed), 0);
    }
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    join(thread);
}

static void close_from_3(const char* how) {
    if (strcmp(how, "loop") == 0) {
        for (int fd = 3; fd < 1024; ++fd) close(fd);
    } else if (strcmp(how, "close_range") == 0) {
        CHECK_EQ(close_range(3, ~0U, 0), 0);
    } else if (strcmp(how, "closefrom") == 0) {
        closefrom(3);
    } else {
        CHECK_EQ(strcmp(how, "raw"), 0);
        CHECK_EQ(syscall(SYS_close_range, 3U, ~0U, 0U), 0);
    }
}

int main(int count, char** arguments) {
    CHECK_EQ(count, 2);
    int before = open("/dev/null", O_RDWR);
    work_with_partner();
    close_from_3(arguments[1]);
    CHECK_EQ(write(before, "x", 1), -1);
    CHECK_EQ(errno, EBADF);
    say("closed");
    int file = open("/dev/null", O_RDWR);
    CHECK(file >= 3);
    CHECK_EQ(write(file, "x", 1), 1);
    work_with_partner();
    pid_t child = fork();
    if (child == 0) {
        work_with_partner();
        exit(0);
    }
    CHECK_EQ(wait_child(child), 0);
    CHECK_EQ(close(file), 0);
    return succeed();
}
