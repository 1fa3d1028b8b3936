// SPDX-License-Identifier: Apache-2.0
//
// A library loaded with RTLD_DEEPBIND (path in argument 1), which binds to the C library before anything that
// is preloaded, shares a mutex and a condvar with the program: both sides must speak of the same lock.
#include "victim.h"
#include <dlfcn.h>

enum { kAdds = 5000, kTurns = 1000 };
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static long count, turn;
static void (*plugin_add)(pthread_mutex_t*, long*);
static void (*plugin_take_turn)(pthread_mutex_t*, pthread_cond_t*, long*, int);

static void* add_in_plugin(void* unused) {
    for (int i = 0; i < kAdds; ++i) plugin_add(&mutex, &count);
    return unused;
}

static void* add_here(void* unused) {
    for (int i = 0; i < kAdds; ++i) {
        CHECK_EQ(pthread_mutex_lock(&mutex), 0);
        if (++count % 32 == 0) sched_yield();
        CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    }
    return unused;
}

static void* take_turns_in_plugin(void* unused) {
    for (int i = 0; i < kTurns; ++i) plugin_take_turn(&mutex, &changed, &turn, 1);
    return unused;
}

static void take_turns_here(void) {
    for (int i = 0; i < kTurns; ++i) {
        CHECK_EQ(pthread_mutex_lock(&mutex), 0);
        while (turn % 2 != 0) CHECK_EQ(pthread_cond_wait(&changed, &mutex), 0);
        ++turn;
        CHECK_EQ(pthread_cond_signal(&changed), 0);
        CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    }
}

int main(int arguments, char** values) {
    pthread_t threads[4];
    CHECK_EQ(arguments, 2);
    void* plugin = dlopen(values[1], RTLD_NOW | RTLD_DEEPBIND);
    CHECK(plugin != NULL);
    *(void**)&plugin_add = dlsym(plugin, "plugin_add");
    *(void**)&plugin_take_turn = dlsym(plugin, "plugin_take_turn");
    for (int i = 0; i < 4; ++i) threads[i] = start(i % 2 ? add_in_plugin : add_here, NULL);
    for (int i = 0; i < 4; ++i) join(threads[i]);
    CHECK_EQ(count, 4 * kAdds);
    say("mutex");
    pthread_t other = start(take_turns_in_plugin, NULL);
    take_turns_here();
    join(other);
    CHECK_EQ(turn, 2 * kTurns);
    say("condvar");
    CHECK_EQ(dlclose(plugin), 0);
    return succeed();
}
