// SPDX-License-Identifier: Apache-2.0
//
// A handler leaves read, sem_wait and nanosleep by siglongjmp. Whatever a wrapper keeps about "I am
// inside" must not survive: afterwards calls work, and are counted, as before.
#include "victim.h"
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/time.h>

static sigjmp_buf out;
static sem_t never;
static int pipe_ends[2];
static volatile int jumps;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

static void jump(int signal) {
    (void)signal;
    siglongjmp(out, 1);
}

static void block_by(int call) {
    char byte;
    struct itimerval soon = {.it_value = {.tv_usec = 2000}};
    struct timespec time = {.tv_sec = 100};
    CHECK_EQ(setitimer(ITIMER_REAL, &soon, NULL), 0);
    switch (call % 3) {
        case 0:
            (void)!read(pipe_ends[0], &byte, 1);
            break;
        case 1:
            sem_wait(&never);
            break;
        default:
            nanosleep(&time, NULL);
    }
    CHECK(!"a blocking call returned");
}

int main(void) {
    struct sigaction action = {.sa_flags = 0};
    action.sa_handler = jump;
    CHECK_EQ(sigaction(SIGALRM, &action, NULL), 0);
    CHECK_EQ(pipe(pipe_ends), 0);
    CHECK_EQ(sem_init(&never, 0, 0), 0);
    for (jumps = 0; jumps < 30; ++jumps) {
        if (sigsetjmp(out, 1) == 0) block_by(jumps);
    }
    say("30 jumps");
    for (int i = 0; i < 777; ++i) {
        CHECK_EQ(pthread_mutex_lock(&mutex), 0);
        CHECK_EQ(write(pipe_ends[1], "x", 1), 1);
        CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    }
    return succeed();
}
