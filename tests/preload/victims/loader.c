// SPDX-License-Identifier: Apache-2.0
//
// dlopen and dlclose of plugin.c (path in argument 1) in four threads at once, beside a thread that walks
// the loaded objects (locking under the loader's lock) and one that looks symbols up.
#include "victim.h"
#include <dlfcn.h>
#include <link.h>

enum { kLoops = 100 };
static const char* plugin;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static _Atomic int stop;

static void* load_and_unload(void* unused) {
    for (int i = 0; i < kLoops; ++i) {
        void* handle = dlopen(plugin, i % 2 ? RTLD_NOW : RTLD_LAZY);
        CHECK(handle != NULL);
        int (*use)(int) = (int (*)(int))(__extension__(size_t) dlsym(handle, "plugin_use"));
        CHECK_EQ(use(i), i + 1);
        CHECK_EQ(dlclose(handle), 0);
    }
    return unused;
}

static int lock_in_callback(struct dl_phdr_info* info, size_t size, void* unused) {
    (void)info, (void)size, (void)unused;
    CHECK_EQ(pthread_mutex_lock(&mutex), 0);
    CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    return 0;
}

static void* walk(void* unused) {
    while (!atomic_load(&stop)) dl_iterate_phdr(lock_in_callback, NULL);
    return unused;
}

static void* look_up_and_lock(void* unused) {
    while (!atomic_load(&stop)) {
        CHECK(dlsym(RTLD_DEFAULT, "function_that_is_nowhere") == NULL);
        CHECK_EQ(pthread_mutex_lock(&mutex), 0);
        CHECK_EQ(pthread_mutex_unlock(&mutex), 0);
    }
    return unused;
}

static void check_errors(void) {
    CHECK(dlopen("/nonexistent/plugin.so", RTLD_NOW) == NULL);
    CHECK(strstr(dlerror(), "/nonexistent/plugin.so") != NULL);
    CHECK(dlerror() == NULL);
    void* self = dlopen(NULL, RTLD_NOW);
    CHECK(self != NULL);
    CHECK_EQ(dlclose(self), 0);
    void* isolated = dlmopen(LM_ID_NEWLM, plugin, RTLD_NOW);
    CHECK(isolated != NULL);
    CHECK_EQ(dlclose(isolated), 0);
    say("errors, own handle, new namespace");
}

int main(int count, char** arguments) {
    pthread_t loaders[4];
    CHECK_EQ(count, 2);
    plugin = arguments[1];
    check_errors();
    pthread_t walker = start(walk, NULL);
    pthread_t locker = start(look_up_and_lock, NULL);
    for (int i = 0; i < 4; ++i) loaders[i] = start(load_and_unload, NULL);
    for (int i = 0; i < 4; ++i) join(loaders[i]);
    atomic_store(&stop, 1);
    join(walker);
    join(locker);
    say("four threads loading");
    return succeed();
}
