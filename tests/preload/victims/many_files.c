// SPDX-License-Identifier: Apache-2.0
//
// 3000 distinct files read and written, 800 of them open at once, descriptor numbers used again for other
// files, dup'ed, passed over by dup2: more files than any table of files holds.
#include "victim.h"
#include <sys/resource.h>

enum { kFiles = 3000, kOpen = 800 };
static char folder[] = "/tmp/latchkey-victim-XXXXXX";
static int open_files[kOpen];

static const char* path_of(int number) {
    static char path[80];
    snprintf(path, sizeof path, "%s/%d", folder, number);
    return path;
}

static void use(int file, int number) {
    int got = -1;
    CHECK_EQ(write(file, &number, sizeof number), sizeof number);
    CHECK_EQ(pread(file, &got, sizeof got, 0), sizeof got);
    CHECK_EQ(got, number);
}

int main(void) {
    struct rlimit limit = {.rlim_cur = 1024, .rlim_max = 1024};
    CHECK_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0);
    CHECK(mkdtemp(folder) != NULL);
    for (int i = 0; i < kFiles; ++i) {
        int slot = i % kOpen;
        if (i >= kOpen) CHECK_EQ(close(open_files[slot]), 0);
        open_files[slot] = open(path_of(i), O_RDWR | O_CREAT | O_EXCL, 0600);
        CHECK(open_files[slot] >= 0);
        use(open_files[slot], i);
    }
    int copy = dup(open_files[0]);
    CHECK_EQ(dup2(open_files[1], copy), copy);
    CHECK_EQ(lseek(copy, 0, SEEK_SET), 0);
    use(copy, kFiles);
    CHECK_EQ(close(copy), 0);
    for (int i = 0; i < kOpen; ++i) CHECK_EQ(close(open_files[i]), 0);
    for (int i = 0; i < kFiles; ++i) CHECK_EQ(unlink(path_of(i)), 0);
    CHECK_EQ(rmdir(folder), 0);
    return succeed();
}
