// SPDX-License-Identifier: Apache-2.0
//
// Four threads fork again and again while all of them and two more fight for three locks that
// pthread_atfork handlers take before and give back after each fork. Each child fights for them with
// threads of its own, the parent goes on. What a child may release is told by the kind: a normal or adaptive
// mutex is unlocked, one with an owner is made anew.
#include "victim.h"

enum { kForkers = 4, kForks = 8, kFighters = 2, kAdds = 200 };
static pthread_mutex_t plain = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t adaptive = PTHREAD_ADAPTIVE_MUTEX_INITIALIZER_NP;
static pthread_mutex_t checked = PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP;
static pthread_mutex_t* const all[] = {&plain, &adaptive, &checked};
static long counts[3];
static _Atomic int stop;

static void prepare(void) {
    for (int i = 0; i < 3; ++i) CHECK_EQ(pthread_mutex_lock(all[i]), 0);
    CHECK_EQ(counts[0], counts[1]);
}

static void release_in_parent(void) {
    CHECK_EQ(counts[1], counts[2]);
    for (int i = 2; i >= 0; --i) CHECK_EQ(pthread_mutex_unlock(all[i]), 0);
}

static void release_in_child(void) {
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    CHECK_EQ(pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK), 0);
    CHECK_EQ(pthread_mutex_init(&checked, &attributes), 0);
    CHECK_EQ(pthread_mutex_unlock(&adaptive), 0);
    CHECK_EQ(pthread_mutex_unlock(&plain), 0);
}

static void add_once(void) {
    for (int i = 0; i < 3; ++i) CHECK_EQ(pthread_mutex_lock(all[i]), 0);
    for (int i = 0; i < 3; ++i) ++counts[i];
    for (int i = 0; i < 3; ++i) CHECK_EQ(pthread_mutex_unlock(all[i]), 0);
}

static void* add(void* unused) {
    for (int i = 0; i < kAdds; ++i) add_once();
    return unused;
}

static void* fight(void* unused) {
    while (!atomic_load(&stop)) add_once();
    return unused;
}

static void live_as_child(void) {
    pthread_t threads[3];
    long before = counts[0];
    for (int i = 0; i < 3; ++i) threads[i] = start(add, NULL);
    add(NULL);
    for (int i = 0; i < 3; ++i) join(threads[i]);
    for (int i = 0; i < 3; ++i) CHECK_EQ(counts[i] - before, 4 * kAdds);
    _exit(0);
}

static void* fork_often(void* unused) {
    for (int i = 0; i < kForks; ++i) {
        add(NULL);
        pid_t child = fork();
        if (child == 0) live_as_child();
        add(NULL);
        CHECK_EQ(wait_child(child), 0);
    }
    return unused;
}

int main(void) {
    pthread_t threads[kForkers + kFighters];
    CHECK_EQ(pthread_atfork(prepare, release_in_parent, release_in_child), 0);
    for (int i = 0; i < kForkers + kFighters; ++i)
        threads[i] = start(i < kForkers ? fork_often : fight, NULL);
    for (int i = 0; i < kForkers; ++i) join(threads[i]);
    atomic_store(&stop, 1);
    for (int i = kForkers; i < kForkers + kFighters; ++i) join(threads[i]);
    CHECK(counts[0] == counts[1] && counts[1] == counts[2]);
    CHECK(counts[0] >= 2L * kForkers * kForks * kAdds);
    return succeed();
}
