// SPDX-License-Identifier: Apache-2.0
//
// A normal mutex unlocked by a thread that does not hold it, and by the fork child of its holder.
#include "victim.h"

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void* unlock_it(void* unused) {
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    return unused;
}

int main(void) {
    for (int i = 0; i < 20; ++i) {
        CHECK_EQ(pthread_mutex_lock(&mutex), 0);
        join(start(unlock_it, NULL));
    }
    CHECK_EQ(pthread_mutex_trylock(&mutex), 0);
    say("unlocked by another thread");
    pid_t child = fork();
    if (child == 0) {
        CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
        CHECK_EQ(pthread_mutex_lock(&mutex), 0);
        CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
        _exit(7);
    }
    CHECK_EQ(wait_child(child), 7);
    say("unlocked by the fork child");
    CHECK_EQ(pthread_mutex_trylock(&mutex), EBUSY);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    return succeed();
}
