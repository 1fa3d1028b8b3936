// SPDX-License-Identifier: Apache-2.0
//
// One thread holds 500 locks at once (more than any table of held locks takes), released in the order
// taken, in the reverse order, and mixed; I/O under all of them.
#include "victim.h"

enum { kLocks = 500 };
static pthread_mutex_t locks[kLocks];

static void take_all(void) {
    for (int i = 0; i < kLocks; ++i) CHECK_EQ(pthread_mutex_lock(&locks[i]), 0);
}

static void* nest(void* unused) {
    int null = open("/dev/null", O_WRONLY);
    take_all();
    CHECK_EQ(write(null, "x", 1), 1);
    for (int i = 0; i < kLocks; ++i) CHECK_EQ(pthread_mutex_unlock(&locks[i]), 0);
    take_all();
    for (int i = kLocks - 1; i >= 0; --i) CHECK_EQ(pthread_mutex_unlock(&locks[i]), 0);
    take_all();
    for (int i = 0; i < kLocks; ++i) CHECK_EQ(pthread_mutex_unlock(&locks[(i * 7) % kLocks]), 0);
    close(null);
    return unused;
}

int main(void) {
    for (int i = 0; i < kLocks; ++i) CHECK_EQ(pthread_mutex_init(&locks[i], NULL), 0);
    nest(NULL);
    join(start(nest, NULL));
    for (int i = 0; i < kLocks; ++i) CHECK_EQ(pthread_mutex_destroy(&locks[i]), 0);
    return succeed();
}
