// SPDX-License-Identifier: Apache-2.0
//
// liburing: writes and reads submitted, waited for in each way. Where the kernel has no io_uring the
// program says so, bare and preloaded alike.
#include "victim.h"
#include <liburing.h>

static char block[4096];

static void collect(struct io_uring* ring, int result) {
    struct io_uring_cqe* completion = NULL;
    CHECK_EQ(io_uring_wait_cqe(ring, &completion), 0);
    CHECK_EQ(completion->res, result);
    io_uring_cqe_seen(ring, completion);
}

int main(void) {
    char path[] = "/tmp/latchkey-victim-XXXXXX";
    struct io_uring ring;
    struct io_uring_cqe* completion = NULL;
    struct __kernel_timespec soon = {.tv_nsec = 1000000};
    int file = mkstemp(path);
    CHECK_EQ(unlink(path), 0);
    int error = io_uring_queue_init(8, &ring, 0);
    if (error != 0) {
        printf("io_uring: %s\n", strerror(-error));
        return succeed();
    }
    memset(block, 'u', sizeof block);
    for (int i = 0; i < 4; ++i) io_uring_prep_write(io_uring_get_sqe(&ring), file, block, 4096, i * 4096ULL);
    CHECK_EQ(io_uring_submit(&ring), 4);
    for (int i = 0; i < 4; ++i) collect(&ring, 4096);
    io_uring_prep_read(io_uring_get_sqe(&ring), file, block, 4096, 4096);
    CHECK_EQ(io_uring_submit_and_wait(&ring, 1), 1);
    collect(&ring, 4096);
    CHECK_EQ(io_uring_wait_cqe_timeout(&ring, &completion, &soon), -ETIME);
    io_uring_prep_read(io_uring_get_sqe(&ring), -1, block, 4096, 0);
    CHECK_EQ(io_uring_submit(&ring), 1);
    collect(&ring, -EBADF);
    io_uring_queue_exit(&ring);
    CHECK_EQ(close(file), 0);
    return succeed();
}
