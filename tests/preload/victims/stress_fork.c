// SPDX-License-Identifier: Apache-2.0
//
// For a time (milliseconds in argument 1) three threads fork children that lock, create threads and write,
// then end in different ways, while two more threads lock and a timer's handler posts a semaphore.
#include "victim.h"
#include <semaphore.h>
#include <signal.h>
#include <sys/time.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static sem_t ticks;
static long long deadline;
static _Atomic long children;

static void tick(int signal) {
    int saved = errno;
    (void)signal;
    sem_post(&ticks);
    errno = saved;
}

static void* lock_some(void* unused) {
    pthread_mutex_t own = PTHREAD_MUTEX_INITIALIZER;
    for (int i = 0; i < 50; ++i) {
        CHECK_EQ(pthread_mutex_lock(&own), 0);
        CHECK_EQ(pthread_mutex_unlock(&own), 0);
    }
    return unused;
}

static void live_as_child(int how) {
    int null = open("/dev/null", O_WRONLY);
    pthread_t thread = start(lock_some, NULL);
    CHECK_EQ(write(null, "x", 1), 1);
    join(thread);
    if (how % 3 == 0) _exit(how);
    if (how % 3 == 1) quick_exit(how);
    execl("/bin/true", "true", (char*)NULL);
    _exit(98);
}

static void* fork_often(void* unused) {
    for (int i = 0; now_ns(CLOCK_MONOTONIC) < deadline; ++i) {
        pid_t child = fork();
        if (child == 0) live_as_child(i % 90);
        int status = 0;
        while (waitpid(child, &status, 0) == -1) CHECK_EQ(errno, EINTR);
        CHECK(WIFEXITED(status));
        CHECK_EQ(WEXITSTATUS(status), i % 90 % 3 == 2 ? 0 : i % 90);
        atomic_fetch_add(&children, 1);
    }
    return unused;
}

static void* lock_often(void* unused) {
    while (now_ns(CLOCK_MONOTONIC) < deadline) {
        CHECK_EQ(pthread_mutex_lock(&mutex), 0);
        CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
        while (sem_trywait(&ticks) == 0) {
        }
    }
    return unused;
}

int main(int count, char** arguments) {
    pthread_t threads[5];
    struct sigaction action = {.sa_flags = SA_RESTART};
    struct itimerval every = {.it_interval = {.tv_usec = 20000}, .it_value = {.tv_usec = 20000}};
    CHECK_EQ(count, 2);
    action.sa_handler = tick;
    CHECK_EQ(sigaction(SIGALRM, &action, NULL), 0);
    CHECK_EQ(sem_init(&ticks, 0, 0), 0);
    deadline = now_ns(CLOCK_MONOTONIC) + atol(arguments[1]) * 1000000LL;
    CHECK_EQ(setitimer(ITIMER_REAL, &every, NULL), 0);
    for (int i = 0; i < 5; ++i) threads[i] = start(i < 3 ? fork_often : lock_often, NULL);
    for (int i = 0; i < 5; ++i) join(threads[i]);
    CHECK(children > 0);
    return succeed();
}
