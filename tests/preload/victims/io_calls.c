// SPDX-License-Identifier: Apache-2.0
//
// Every read and write of a file: plain, positioned, vectored, their 64 and v2 forms, sendfile, splice,
// copy_file_range; contents, offsets, counts and errors.
#include "victim.h"
#include <sys/sendfile.h>
#include <sys/uio.h>

static char buffer[64];

static int make_file(const char* text) {
    char path[] = "/tmp/latchkey-victim-XXXXXX";
    int file = mkstemp(path);
    CHECK(file >= 0);
    CHECK_EQ(unlink(path), 0);
    CHECK_EQ(write(file, text, strlen(text)), strlen(text));
    return file;
}

static void expect(const char* text) {
    CHECK_EQ(memcmp(buffer, text, strlen(text)), 0);
    memset(buffer, 0, sizeof buffer);
}

static void check_reads(int file) {
    struct iovec halves[2] = {{buffer, 2}, {buffer + 2, 3}};
    CHECK_EQ(lseek(file, 1, SEEK_SET), 1);
    CHECK_EQ(read(file, buffer, 4), 4);
    expect("1234");
    CHECK_EQ(readv(file, halves, 2), 5);
    expect("56789");
    CHECK_EQ(read(file, buffer, 4), 0);
    CHECK_EQ(pread(file, buffer, 3, 7), 3);
    expect("789");
    CHECK_EQ(pread64(file, buffer, 3, 6), 3);
    expect("678");
    CHECK_EQ(preadv(file, halves, 2, 3), 5);
    expect("34567");
    CHECK_EQ(preadv64(file, halves, 2, 2), 5);
    expect("23456");
    CHECK_EQ(preadv2(file, halves, 2, 1, 0), 5);
    expect("12345");
    CHECK_EQ(preadv64v2(file, halves, 2, 0, RWF_HIPRI), 5);
    expect("01234");
    CHECK_EQ(lseek(file, 0, SEEK_CUR), 10);
    say("reads");
}

static void check_writes(int file) {
    struct iovec halves[2] = {{(void*)"ab", 2}, {(void*)"cde", 3}};
    CHECK_EQ(lseek(file, 0, SEEK_SET), 0);
    CHECK_EQ(write(file, "A", 1), 1);
    CHECK_EQ(writev(file, halves, 2), 5);
    CHECK_EQ(pwrite(file, "B", 1, 6), 1);
    CHECK_EQ(pwrite64(file, "C", 1, 7), 1);
    CHECK_EQ(pwritev(file, halves, 2, 8), 5);
    CHECK_EQ(pwritev64(file, halves, 2, 13), 5);
    CHECK_EQ(pwritev2(file, halves, 2, 18, RWF_SYNC), 5);
    CHECK_EQ(pwritev64v2(file, halves, 2, -1, RWF_APPEND), 5);
    CHECK_EQ(pread(file, buffer, 40, 0), 28);
    expect("AabcdeBCabcdeabcdeabcdeabcde");
    say("writes");
}

static void check_copies(int from) {
    int to = make_file("");
    int pipe_ends[2];
    off_t at = 0;
    off64_t at64 = 2;
    off64_t at_copy = 4;
    off64_t to_copy = 0;
    off64_t at_splice = 6;
    CHECK_EQ(pipe(pipe_ends), 0);
    CHECK_EQ(sendfile(to, from, &at, 2), 2);
    CHECK_EQ(at, 2);
    CHECK_EQ(sendfile64(to, from, &at64, 2), 2);
    CHECK_EQ(at64, 4);
    to_copy = 4;
    CHECK_EQ(copy_file_range(from, &at_copy, to, &to_copy, 2, 0), 2);
    CHECK_EQ(at_copy, 6);
    CHECK_EQ(splice(from, &at_splice, pipe_ends[1], NULL, 2, 0), 2);
    CHECK_EQ(read(pipe_ends[0], buffer, 8), 2);
    expect("BC");
    CHECK_EQ(pread(to, buffer, 16, 0), 6);
    expect("Aabcde");
    CHECK_EQ(close(to), 0);
    CHECK_EQ(close(pipe_ends[0]), 0);
    CHECK_EQ(write(pipe_ends[1], "x", 0), 0);
    CHECK_EQ(close(pipe_ends[1]), 0);
    say("copies");
}

static void expect_error(long result, int error) {
    int seen = errno;
    CHECK_EQ(result, -1);
    CHECK_EQ(seen, error);
}

static void check_errors(void) {
    struct iovec wrong[1] = {{buffer, (size_t)-1}};
    int directory = open("/tmp", O_RDONLY | O_DIRECTORY);
    int read_only = open("/dev/null", O_RDONLY);
    expect_error(read(-1, buffer, 1), EBADF);
    expect_error(write(12345, buffer, 1), EBADF);
    expect_error(read(directory, buffer, 1), EISDIR);
    expect_error(write(read_only, buffer, 1), EBADF);
    expect_error(pread(read_only, buffer, 1, -1), EINVAL);
    expect_error(readv(read_only, wrong, 1), EINVAL);
    expect_error(open("/nonexistent", O_RDONLY), ENOENT);
    expect_error(close(12345), EBADF);
    expect_error(fsync(-1), EBADF);
    CHECK_EQ(close(directory), 0);
    CHECK_EQ(close(read_only), 0);
    say("errors");
}

int main(void) {
    int file = make_file("0123456789");
    check_reads(file);
    check_writes(file);
    check_copies(file);
    check_errors();
    CHECK_EQ(close(file), 0);
    return succeed();
}
