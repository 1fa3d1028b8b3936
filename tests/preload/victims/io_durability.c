// SPDX-License-Identifier: Apache-2.0
//
// Calls that make data durable or reserve space, in all their forms, and what they did to the file size.
#include "victim.h"
#include <sys/mman.h>
#include <sys/stat.h>

static int file;

static void expect_size(long size) {
    struct stat status;
    CHECK_EQ(fstat(file, &status), 0);
    CHECK_EQ(status.st_size, size);
}

static void check_sync(void) {
    void* page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    memset(page, 'x', 4096);
    CHECK_EQ(msync(page, 4096, MS_SYNC), 0);
    CHECK_EQ(msync(page, 4096, MS_ASYNC), 0);
    CHECK_EQ(msync(page, 4096, MS_SYNC | MS_ASYNC), -1);
    CHECK_EQ(errno, EINVAL);
    CHECK_EQ(munmap(page, 4096), 0);
    CHECK_EQ(fsync(file), 0);
    CHECK_EQ(fdatasync(file), 0);
    CHECK_EQ(sync_file_range(file, 0, 4096, SYNC_FILE_RANGE_WRITE), 0);
    CHECK_EQ(syncfs(file), 0);
    say("sync");
}

static void check_space(const char* path) {
    CHECK_EQ(ftruncate(file, 100), 0);
    expect_size(100);
    CHECK_EQ(ftruncate64(file, 4096), 0);
    CHECK_EQ(truncate(path, 50), 0);
    expect_size(50);
    CHECK_EQ(truncate64(path, 5000), 0);
    expect_size(5000);
    CHECK_EQ(posix_fallocate(file, 0, 8192), 0);
    expect_size(8192);
    CHECK_EQ(posix_fallocate64(file, 0, 16384), 0);
    expect_size(16384);
    CHECK_EQ(posix_fallocate(file, -1, 10), EINVAL);
    CHECK_EQ(posix_fallocate(-1, 0, 10), EBADF);
    CHECK_EQ(posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED), 0);
    CHECK_EQ(posix_fadvise64(file, 0, 0, POSIX_FADV_WILLNEED), 0);
    CHECK_EQ(posix_fadvise(file, 0, 0, 4711), EINVAL);
    say("space");
}

// Not every file system under /tmp reserves space: its answer is only compared with the bare run's.
static void show_fallocate(void) {
    printf("fallocate: %s\n", fallocate(file, 0, 0, 20000) == 0 ? "done" : strerror(errno));
    printf("fallocate64: %s\n",
           fallocate64(file, FALLOC_FL_KEEP_SIZE, 0, 40000) == 0 ? "done" : strerror(errno));
    CHECK_EQ(fallocate(-1, 0, 0, 1), -1);
    CHECK_EQ(errno, EBADF);
}

int main(void) {
    char path[] = "/tmp/latchkey-victim-XXXXXX";
    file = mkstemp(path);
    CHECK(file >= 0);
    CHECK_EQ(ftruncate(file, 4096), 0);
    check_sync();
    check_space(path);
    show_fallocate();
    CHECK_EQ(close(file), 0);
    CHECK_EQ(close(creat(path, 0600)), 0);
    CHECK_EQ(close(creat64(path, 0600)), 0);
    CHECK_EQ(unlink(path), 0);
    return succeed();
}
