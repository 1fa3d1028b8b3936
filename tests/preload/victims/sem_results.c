// SPDX-License-Identifier: Apache-2.0
//
// Semaphores return -1 and set errno: each error, timeouts by both clocks, named semaphores, hand-off.
#include "victim.h"
#include <limits.h>
#include <semaphore.h>

static sem_t ping, pong;

static void* answer(void* unused) {
    for (int i = 0; i < 5000; ++i) {
        CHECK_EQ(sem_wait(&ping), 0);
        CHECK_EQ(sem_post(&pong), 0);
    }
    return unused;
}

static void expect_error(int result, int error) {
    int seen = errno;
    CHECK_EQ(result, -1);
    CHECK_EQ(seen, error);
}

static void check_errors(void) {
    struct timespec past = in_ms(CLOCK_REALTIME, -1000);
    struct timespec bad = {.tv_sec = past.tv_sec + 100, .tv_nsec = 1000000000};
    struct timespec soon = in_ms(CLOCK_REALTIME, 20);
    struct timespec soon_monotonic = in_ms(CLOCK_MONOTONIC, 40);
    expect_error(sem_trywait(&ping), EAGAIN);
    expect_error(sem_timedwait(&ping, &past), ETIMEDOUT);
    expect_error(sem_timedwait(&ping, &bad), EINVAL);
    expect_error(sem_clockwait(&ping, 4711, &past), EINVAL);
    expect_error(sem_timedwait(&ping, &soon), ETIMEDOUT);
    expect_error(sem_clockwait(&ping, CLOCK_MONOTONIC, &soon_monotonic), ETIMEDOUT);
    CHECK(now_ns(CLOCK_MONOTONIC) >= soon_monotonic.tv_sec * 1000000000LL + soon_monotonic.tv_nsec);
    say("EAGAIN, ETIMEDOUT, EINVAL");
    sem_t full;
    CHECK_EQ(sem_init(&full, 0, SEM_VALUE_MAX), 0);
    expect_error(sem_post(&full), EOVERFLOW);
    say("EOVERFLOW");
}

static void check_named(void) {
    char name[64];
    snprintf(name, sizeof name, "/latchkey-victim-%d", getpid());
    sem_t* named = sem_open(name, O_CREAT | O_EXCL, 0600, 1);
    CHECK(named != SEM_FAILED);
    CHECK_EQ(sem_unlink(name), 0);
    CHECK_EQ(sem_wait(named), 0);
    expect_error(sem_trywait(named), EAGAIN);
    CHECK_EQ(sem_post(named), 0);
    CHECK_EQ(sem_close(named), 0);
    say("named semaphore");
}

int main(void) {
    CHECK_EQ(sem_init(&ping, 0, 0), 0);
    CHECK_EQ(sem_init(&pong, 0, 0), 0);
    check_errors();
    check_named();
    pthread_t thread = start(answer, NULL);
    for (int i = 0; i < 5000; ++i) {
        CHECK_EQ(sem_post(&ping), 0);
        CHECK_EQ(sem_wait(&pong), 0);
    }
    join(thread);
    say("5000 hand-offs");
    return succeed();
}
