// SPDX-License-Identifier: Apache-2.0
//
// Who owns, in a fork child, what the forking thread held? For a kind that asks for its owner the C
// library's answer is printed (the child is another thread to it), and the child's own threads never own it.
#include "victim.h"

static pthread_mutex_t recursive = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static pthread_mutex_t checked = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;

static void* find_held(void* unused) {
    CHECK_EQ(pthread_mutex_trylock(&recursive), EBUSY);
    CHECK_EQ(pthread_mutex_trylock(&checked), EBUSY);
    CHECK_EQ(pthread_mutex_unlock(&recursive), EPERM);
    CHECK_EQ(pthread_mutex_unlock(&checked), EPERM);
    return unused;
}

static void show_as_child(void) {
    struct timespec past = in_ms(CLOCK_REALTIME, -1);
    join(start(find_held, NULL));
    printf("errorcheck: trylock %s", strerror(pthread_mutex_trylock(&checked)));
    printf(", timedlock %s", strerror(pthread_mutex_timedlock(&checked, &past)));
    printf(", unlock %s\n", strerror(pthread_mutex_unlock(&checked)));
    printf("recursive: trylock %s", strerror(pthread_mutex_trylock(&recursive)));
    printf(", unlock %s\n", strerror(pthread_mutex_unlock(&recursive)));
    fflush(stdout);
    _exit(0);
}

int main(void) {
    CHECK_EQ(pthread_mutex_lock(&recursive), 0);
    CHECK_EQ(pthread_mutex_lock(&checked), 0);
    join(start(find_held, NULL));
    pid_t child = fork();
    if (child == 0) show_as_child();
    CHECK_EQ(wait_child(child), 0);
    CHECK_EQ(pthread_mutex_lock(&checked), EDEADLK);
    CHECK_EQ(pthread_mutex_unlock(&checked), 0);
    CHECK_EQ(pthread_mutex_unlock(&recursive), 0);
    CHECK_EQ(pthread_mutex_unlock(&recursive), EPERM);
    return succeed();
}
