// SPDX-License-Identifier: Apache-2.0
//
// The last user destroys a mutex and unmaps its page while the previous holder is still inside its
// unlock call: nothing may touch the mutex after the store that released it.
#include "victim.h"
#include <sys/mman.h>

enum { kRounds = 3000 };

struct object {
    pthread_mutex_t mutex;
    int references;
};
static struct object* volatile current;
static pthread_barrier_t barrier;

static void drop(struct object* object) {
    CHECK_EQ(pthread_mutex_lock(&object->mutex), 0);
    int left = --object->references;
    CHECK_EQ(pthread_mutex_unlock(&object->mutex), 0);
    if (left != 0) return;
    CHECK_EQ(pthread_mutex_destroy(&object->mutex), 0);
    CHECK_EQ(munmap(object, 4096), 0);
}

static void* other_user(void* unused) {
    for (int i = 0; i < kRounds; ++i) {
        pthread_barrier_wait(&barrier);
        drop(current);
        pthread_barrier_wait(&barrier);
    }
    return unused;
}

int main(void) {
    CHECK_EQ(pthread_barrier_init(&barrier, NULL, 2), 0);
    pthread_t thread = start(other_user, NULL);
    for (int i = 0; i < kRounds; ++i) {
        current = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        CHECK_EQ(pthread_mutex_init(&current->mutex, NULL), 0);
        current->references = 2;
        pthread_barrier_wait(&barrier);
        drop(current);
        pthread_barrier_wait(&barrier);
    }
    join(thread);
    return succeed();
}
