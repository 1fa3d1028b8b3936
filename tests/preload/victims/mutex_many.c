// SPDX-License-Identifier: Apache-2.0
//
// 20000 mutexes alive at once, all used by four threads, some of them contended; then all over again at
// the same addresses without a destroy call.
#include "victim.h"

enum { kLocks = 20000 };
static struct {
    pthread_mutex_t mutex;
    long count;
} * table;

static void* use_all(void* argument) {
    unsigned step = 2 * (unsigned)(long)argument + 7919;
    unsigned at = 0;
    for (int i = 0; i < kLocks; ++i, at = (at + step) % kLocks) {
        CHECK_EQ(pthread_mutex_lock(&table[at].mutex), 0);
        ++table[at].count;
        CHECK_EQ(pthread_mutex_unlock(&table[at].mutex), 0);
    }
    return NULL;
}

int main(void) {
    table = malloc(kLocks * sizeof *table);
    for (int round = 0; round < 2; ++round) {
        long total = 0;
        pthread_t threads[4];
        memset(table, 0, kLocks * sizeof *table);
        for (long i = 0; i < 4; ++i) threads[i] = start(use_all, (void*)i);
        for (int i = 0; i < 4; ++i) join(threads[i]);
        for (int i = 0; i < kLocks; ++i) total += table[i].count;
        CHECK_EQ(total, 4 * kLocks);
    }
    free(table);
    return succeed();
}
