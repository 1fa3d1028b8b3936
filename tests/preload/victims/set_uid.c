// SPDX-License-Identifier: Apache-2.0
//
// Run as root: copies itself, makes the copy setuid root, and runs it as nobody. The dynamic loader
// refuses the preload there; the copy must run as if nothing was asked for. Other users have no such
// program to make and see the plain copy.
#include "victim.h"
#include <sys/sendfile.h>
#include <sys/stat.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static int be_copy(void) {
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    CHECK_EQ(access("/proc/self/fd", F_OK), 0);
    say(geteuid() == 0 ? "the copy is root" : "the copy is not root");
    return 21;
}

int main(int count, char** arguments) {
    if (count == 2) return be_copy();
    char folder[] = "/tmp/latchkey-victim-XXXXXX";
    char path[64];
    struct stat status;
    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/copy", folder);
    CHECK_EQ(chmod(folder, 0755), 0);
    int from = open("/proc/self/exe", O_RDONLY);
    int to = open(path, O_WRONLY | O_CREAT | O_EXCL, 0755);
    CHECK_EQ(fstat(from, &status), 0);
    CHECK_EQ(sendfile(to, from, NULL, (size_t)status.st_size), status.st_size);
    CHECK_EQ(fchmod(to, getuid() == 0 ? 04755 : 0755), 0);
    close(from);
    close(to);
    pid_t child = fork();
    if (child == 0) {
        if (getuid() == 0) CHECK_EQ(setresuid(65534, 65534, 65534), 0);
        execl(path, arguments[0], "copy", (char*)NULL);
        _exit(98);
    }
    CHECK_EQ(wait_child(child), 21);
    CHECK_EQ(unlink(path), 0);
    CHECK_EQ(rmdir(folder), 0);
    return succeed();
}
