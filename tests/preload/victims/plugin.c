// SPDX-License-Identifier: Apache-2.0
//
// A library whose constructor and destructor lock and do I/O and whose function runs a thread of its own
// code; loader.c loads it.
#include "victim.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;

static void* lock_once(void* unused) {
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    CHECK_EQ(pthread_rwlock_wrlock(&rwlock), 0);
    CHECK_EQ(pthread_rwlock_unlock(&rwlock), 0);
    return unused;
}

__attribute__((constructor)) static void load(void) {
    lock_once(NULL);
    int null = open("/dev/null", O_WRONLY);
    CHECK_EQ(write(null, "x", 1), 1);
    CHECK_EQ(close(null), 0);
}

__attribute__((destructor)) static void unload(void) {
    lock_once(NULL);
}

int plugin_use(int value);
int plugin_use(int value) {
    join(start(lock_once, NULL));
    return value + 1;
}
