// SPDX-License-Identifier: Apache-2.0
//
// libaio: writes submitted and collected, an error, a timeout.
#include "victim.h"
#include <libaio.h>

static char block[4096];

int main(void) {
    char path[] = "/tmp/latchkey-victim-XXXXXX";
    io_context_t context = 0;
    struct iocb blocks[8];
    struct iocb* pointers[8];
    struct io_event events[8];
    struct timespec soon = {.tv_nsec = 1000000};
    int file = mkstemp(path);
    CHECK_EQ(unlink(path), 0);
    CHECK_EQ(io_setup(8, &context), 0);
    memset(block, 'a', sizeof block);
    for (int i = 0; i < 8; ++i) {
        io_prep_pwrite(&blocks[i], file, block, sizeof block, i * 4096LL);
        pointers[i] = &blocks[i];
    }
    CHECK_EQ(io_submit(context, 8, pointers), 8);
    CHECK_EQ(io_getevents(context, 8, 8, events, NULL), 8);
    for (int i = 0; i < 8; ++i) CHECK_EQ(events[i].res, 4096);
    CHECK_EQ(lseek(file, 0, SEEK_END), 8 * 4096);
    CHECK_EQ(io_getevents(context, 1, 8, events, &soon), 0);
    io_prep_pwrite(&blocks[0], -1, block, sizeof block, 0);
    CHECK_EQ(io_submit(context, 1, pointers), -EBADF);
    CHECK_EQ(io_destroy(context), 0);
    CHECK_EQ(close(file), 0);
    return succeed();
}
