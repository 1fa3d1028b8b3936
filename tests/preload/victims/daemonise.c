// SPDX-License-Identifier: Apache-2.0
//
// The classic daemon: fork twice, setsid, close every descriptor, reopen 0 to 2; and daemon(3). The
// daemon goes on locking and writing and reports through a file.
#include "victim.h"
#include <sys/stat.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void* lock_some(void* unused) {
    for (int i = 0; i < 1000; ++i) {
        CHECK_EQ(pthread_mutex_lock(&mutex), 0);
        CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    }
    return unused;
}

static void work_and_report(const char* path) {
    pthread_t thread = start(lock_some, NULL);
    lock_some(NULL);
    join(thread);
    int file = open(path, O_WRONLY);
    if (file < 0 || write(file, "ok", 2) != 2) _exit(1);
    exit(0);
}

static void classic(const char* path) {
    if (fork() != 0) _exit(0);
    setsid();
    if (fork() != 0) _exit(0);
    for (int fd = 0; fd < 1024; ++fd) close(fd);
    open("/dev/null", O_RDWR);
    (void)!dup(0);
    (void)!dup(0);
    work_and_report(path);
}

static void by_library(const char* path) {
    CHECK_EQ(daemon(1, 0), 0);
    work_and_report(path);
}

static void check(void (*become_daemon)(const char*), const char* name) {
    char path[] = "/tmp/latchkey-victim-XXXXXX";
    char text[3] = "";
    close(mkstemp(path));
    unlink(path);
    CHECK_EQ(mkfifo(path, 0600), 0);
    pid_t child = fork();
    if (child == 0) become_daemon(path);
    CHECK_EQ(wait_child(child), 0);
    int file = open(path, O_RDONLY);
    CHECK_EQ(read(file, text, 2), 2);
    CHECK_EQ(strcmp(text, "ok"), 0);
    CHECK_EQ(read(file, text, 2), 0);
    close(file);
    unlink(path);
    say(name);
}

int main(void) {
    check(classic, "fork twice and close everything");
    check(by_library, "daemon(3)");
    return succeed();
}
