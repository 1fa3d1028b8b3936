// SPDX-License-Identifier: Apache-2.0
//
// Condvars whose memory goes away at once: the woken waiter destroys and unmaps condvar and mutex while the
// signaller is still in its unlock, and the broadcaster destroys and unmaps the condvar while those it woke
// are still on their way to the mutex.
#include "victim.h"
#include <sys/mman.h>

enum { kRounds = 1500, kCrowd = 5, kCrowdRounds = 150 };

struct page {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int state;
};
static pthread_barrier_t barrier;
static struct page* volatile current;
static pthread_cond_t* volatile crowd_changed;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int waiting, round_now;

static void* map_page(void) {
    void* page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(page != MAP_FAILED);
    return page;
}

static void* signal_each(void* unused) {
    for (int i = 0; i < kRounds; ++i) {
        pthread_barrier_wait(&barrier);
        struct page* page = current;
        CHECK_EQ(pthread_mutex_lock(&page->mutex), 0);
        page->state = 1;
        CHECK_EQ(i % 2 ? pthread_cond_signal(&page->changed) : pthread_cond_broadcast(&page->changed), 0);
        CHECK_EQ(pthread_mutex_unlock(&page->mutex), 0);
    }
    return unused;
}

static void check_waiter_destroys(void) {
    pthread_t thread = start(signal_each, NULL);
    for (int i = 0; i < kRounds; ++i) {
        struct page* page = map_page();
        CHECK_EQ(pthread_mutex_init(&page->mutex, NULL), 0);
        CHECK_EQ(pthread_cond_init(&page->changed, NULL), 0);
        if (i % 3) CHECK_EQ(pthread_mutex_lock(&page->mutex), 0);
        current = page;
        pthread_barrier_wait(&barrier);
        if (i % 3 == 0) CHECK_EQ(pthread_mutex_lock(&page->mutex), 0);
        while (page->state == 0) CHECK_EQ(pthread_cond_wait(&page->changed, &page->mutex), 0);
        CHECK_EQ(pthread_cond_destroy(&page->changed), 0);
        CHECK_EQ(pthread_mutex_unlock(&page->mutex), 0);
        CHECK_EQ(pthread_mutex_destroy(&page->mutex), 0);
        CHECK_EQ(munmap(page, 4096), 0);
    }
    join(thread);
    say("the waiter destroys and unmaps");
}

static void* wait_in_crowd(void* unused) {
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    for (int round = 1; round <= kCrowdRounds; ++round) {
        pthread_cond_t* changed = crowd_changed;
        ++waiting;
        while (round_now < round) CHECK_EQ(pthread_cond_wait(changed, &mutex), 0);
    }
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    return unused;
}

// The condvar of the next round is in place before anybody can look for it.
static void check_broadcaster_destroys(void) {
    pthread_t threads[kCrowd];
    crowd_changed = map_page();
    for (int i = 0; i < kCrowd; ++i) threads[i] = start(wait_in_crowd, NULL);
    for (int round = 1; round <= kCrowdRounds; ++round) {
        pthread_cond_t* changed = crowd_changed;
        CHECK_EQ(pthread_mutex_lock(&mutex), 0);
        while (waiting < kCrowd) {
            CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
            sched_yield();
            CHECK_EQ(pthread_mutex_lock(&mutex), 0);
        }
        waiting = 0;
        round_now = round;
        crowd_changed = map_page();
        CHECK_EQ(pthread_cond_broadcast(changed), 0);
        if (round % 2) CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
        CHECK_EQ(pthread_cond_destroy(changed), 0);
        CHECK_EQ(munmap(changed, 4096), 0);
        if (round % 2 == 0) CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    }
    for (int i = 0; i < kCrowd; ++i) join(threads[i]);
    say("the broadcaster destroys and unmaps");
}

int main(void) {
    CHECK_EQ(pthread_barrier_init(&barrier, NULL, 2), 0);
    check_waiter_destroys();
    check_broadcaster_destroys();
    return succeed();
}
