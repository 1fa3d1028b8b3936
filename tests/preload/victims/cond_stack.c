// SPDX-License-Identifier: Apache-2.0
//
// A fresh mutex and condvar on the stack for each wait ("self-block"), 20000 times, some at addresses of
// their own on the heap: more distinct condvars than any table may hold.
#include "victim.h"

enum { kWaits = 10000 };

struct request {
    pthread_mutex_t mutex;
    pthread_cond_t done_changed;
    int done;
};
static _Atomic(struct request*) queue;

static void* serve(void* unused) {
    for (int served = 0; served < 2 * kWaits;) {
        struct request* request = atomic_exchange(&queue, NULL);
        if (request == NULL) {
            sched_yield();
            continue;
        }
        CHECK_EQ(pthread_mutex_lock(&request->mutex), 0);
        request->done = 1;
        CHECK_EQ(pthread_cond_signal(&request->done_changed), 0);
        CHECK_EQ(pthread_mutex_unlock(&request->mutex), 0);
        ++served;
    }
    return unused;
}

static void ask(struct request* request) {
    CHECK_EQ(pthread_mutex_init(&request->mutex, NULL), 0);
    CHECK_EQ(pthread_cond_init(&request->done_changed, NULL), 0);
    request->done = 0;
    CHECK_EQ(pthread_mutex_lock(&request->mutex), 0);
    atomic_store(&queue, request);
    while (!request->done) CHECK_EQ(pthread_cond_wait(&request->done_changed, &request->mutex), 0);
    CHECK_EQ(pthread_mutex_unlock(&request->mutex), 0);
    CHECK_EQ(pthread_cond_destroy(&request->done_changed), 0);
    CHECK_EQ(pthread_mutex_destroy(&request->mutex), 0);
}

int main(void) {
    struct request* all = calloc(kWaits, sizeof *all);
    pthread_t server = start(serve, NULL);
    for (int i = 0; i < kWaits; ++i) {
        struct request request;
        ask(&request);
        ask(&all[i]);
    }
    join(server);
    free(all);
    return succeed();
}
