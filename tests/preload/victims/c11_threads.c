// SPDX-License-Identifier: Apache-2.0
//
// The C11 family: the same objects as their pthread twins, with results of its own.
#include "victim.h"
#include <threads.h>

static mtx_t plain, timed, recursive;
static cnd_t changed;
static once_flag once = ONCE_FLAG_INIT;
static int stage, once_count;

static void count_once(void) {
    ++once_count;
}

static int partner(void* argument) {
    call_once(&once, count_once);
    struct timespec past = in_ms(CLOCK_REALTIME, -10);
    CHECK_EQ(mtx_trylock(&timed), thrd_busy);
    CHECK_EQ(mtx_timedlock(&timed, &past), thrd_timedout);
    CHECK_EQ(mtx_lock(&plain), thrd_success);
    stage = 1;
    CHECK_EQ(cnd_broadcast(&changed), thrd_success);
    while (stage != 2) CHECK_EQ(cnd_wait(&changed, &plain), thrd_success);
    CHECK_EQ(mtx_unlock(&plain), thrd_success);
    thrd_yield();
    thrd_exit(*(int*)argument);
}

int main(void) {
    int seed = 42;
    int result = 0;
    thrd_t thread;
    struct timespec past = in_ms(CLOCK_REALTIME, -10);
    CHECK_EQ(mtx_init(&plain, mtx_plain), thrd_success);
    CHECK_EQ(mtx_init(&timed, mtx_timed), thrd_success);
    CHECK_EQ(mtx_init(&recursive, mtx_plain | mtx_recursive), thrd_success);
    CHECK_EQ(cnd_init(&changed), thrd_success);
    call_once(&once, count_once);
    CHECK_EQ(mtx_lock(&timed), thrd_success);
    CHECK_EQ(mtx_lock(&plain), thrd_success);
    CHECK_EQ(thrd_create(&thread, partner, &seed), thrd_success);
    while (stage != 1) CHECK_EQ(cnd_wait(&changed, &plain), thrd_success);
    CHECK_EQ(cnd_timedwait(&changed, &plain, &past), thrd_timedout);
    stage = 2;
    CHECK_EQ(cnd_signal(&changed), thrd_success);
    CHECK_EQ(mtx_unlock(&plain), thrd_success);
    CHECK_EQ(thrd_join(thread, &result), thrd_success);
    CHECK_EQ(result, 42);
    CHECK_EQ(once_count, 1);
    CHECK_EQ(mtx_unlock(&timed), thrd_success);
    CHECK_EQ(mtx_lock(&recursive), thrd_success);
    CHECK_EQ(mtx_trylock(&recursive), thrd_success);
    CHECK_EQ(mtx_unlock(&recursive), thrd_success);
    CHECK_EQ(mtx_unlock(&recursive), thrd_success);
    CHECK_EQ(thrd_sleep(&(struct timespec){.tv_nsec = 1000}, NULL), 0);
    mtx_destroy(&plain);
    mtx_destroy(&timed);
    mtx_destroy(&recursive);
    cnd_destroy(&changed);
    return succeed();
}
