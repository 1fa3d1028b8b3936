// SPDX-License-Identifier: Apache-2.0
//
// The process ends (argument: exit, _exit, quick_exit, abort, kill) while four threads are busy locking,
// waiting and writing.
#include "victim.h"
#include <signal.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t never = PTHREAD_COND_INITIALIZER;
static _Atomic int running;

static void* keep_busy(void* unused) {
    int null = open("/dev/null", O_WRONLY);
    for (int i = 0;; ++i) {
        struct timespec past = {.tv_sec = 1, .tv_nsec = 0};
        pthread_mutex_lock(&mutex);
        if (i % 16 == 0) pthread_cond_timedwait(&never, &mutex, &past);
        if (i % 64 == 0) (void)!write(null, "x", 1);
        pthread_mutex_unlock(&mutex);
        if (i == 100) atomic_fetch_add(&running, 1);
    }
    return unused;
}

int main(int count, char** arguments) {
    CHECK_EQ(count, 2);
    for (int i = 0; i < 4; ++i) start(keep_busy, NULL);
    wait_for(&running, 4);
    succeed();
    const char* how = arguments[1];
    if (strcmp(how, "_exit") == 0) _exit(3);
    if (strcmp(how, "quick_exit") == 0) quick_exit(4);
    if (strcmp(how, "abort") == 0) abort();
    if (strcmp(how, "kill") == 0) kill(getpid(), SIGKILL);
    if (strcmp(how, "exit") == 0) exit(5);
    return 6;
}
