// SPDX-License-Identifier: Apache-2.0
//
// pthread_exit and cancellation unwind C++ frames, through whatever a preloaded library put between:
// destructors run, catch (...) sees them, the mutex is owned on the way; an exception that
// leaves a thread still ends in std::terminate.
#include <pthread.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <stdexcept>
#include <thread>

#define CHECK(claim)                                                                   \
    do {                                                                               \
        if (!(claim)) {                                                                \
            std::fprintf(stderr, "%s:%d: not true: %s\n", __FILE__, __LINE__, #claim); \
            std::_Exit(99);                                                            \
        }                                                                              \
    } while (0)

namespace {

std::atomic<int> destroyed = 0;
std::atomic<int> passed_catch = 0;
std::mutex mutex;
pthread_mutex_t plain = PTHREAD_MUTEX_INITIALIZER;
pthread_cond_t never = PTHREAD_COND_INITIALIZER;
std::atomic<bool> waiting = false;

struct Witness {
    ~Witness() { ++destroyed; }
};

void say(const char* line) {
    std::puts(line);
    std::fflush(stdout);
}

void* exit_deep(void*) {
    Witness witness;
    std::lock_guard lock(mutex);
    try {
        Witness inner;
        pthread_exit(nullptr);
    } catch (...) {
        ++passed_catch;
        throw;
    }
}

void* wait_cancellable(void*) {
    Witness witness;
    CHECK(pthread_mutex_lock(&plain) == 0);
    try {
        Witness inner;
        waiting = true;
        for (;;) pthread_cond_wait(&never, &plain);
    } catch (...) {
        ++passed_catch;
        CHECK(pthread_mutex_trylock(&plain) == EBUSY);
        pthread_mutex_unlock(&plain);
        throw;
    }
}

void* read_cancellable(void* argument) {
    Witness witness;
    char byte;
    waiting = true;
    for (;;) CHECK(read(*static_cast<int*>(argument), &byte, 1) == 1);
}

void run(void* (*routine)(void*), void* argument, bool cancel) {
    pthread_t thread;
    void* result = nullptr;
    waiting = false;
    CHECK(pthread_create(&thread, nullptr, routine, argument) == 0);
    if (cancel) {
        while (!waiting) sched_yield();
        CHECK(pthread_cancel(thread) == 0);
    }
    CHECK(pthread_join(thread, &result) == 0);
    CHECK((result == PTHREAD_CANCELED) == cancel);
}

void check_exceptions() {
    for (int i = 0; i < 100; ++i) {
        std::jthread([] {
            try {
                std::lock_guard lock(mutex);
                throw std::runtime_error("inside a lock");
            } catch (const std::exception&) {
                ++passed_catch;
            }
        }).join();
    }
}

int end_of_thread_that_throws() {
    pid_t child = fork();
    if (child == 0) {
        rlimit no_core = {0, 0};
        setrlimit(RLIMIT_CORE, &no_core);
        std::set_terminate([] { std::_Exit(33); });
        std::jthread([] { throw 1; }).join();
        std::_Exit(0);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child);
    return WEXITSTATUS(status);
}

}  // namespace

int main() {
    int pipe_ends[2];
    CHECK(pipe(pipe_ends) == 0);
    for (int i = 0; i < 50; ++i) run(exit_deep, nullptr, false);
    CHECK(destroyed == 100 && passed_catch == 50);
    say("pthread_exit unwinds");
    for (int i = 0; i < 50; ++i) run(wait_cancellable, nullptr, true);
    CHECK(destroyed == 200 && passed_catch == 100);
    for (int i = 0; i < 50; ++i) run(read_cancellable, &pipe_ends[0], true);
    CHECK(destroyed == 250);
    say("cancellation unwinds");
    check_exceptions();
    CHECK(passed_catch == 200);
    CHECK(mutex.try_lock());
    mutex.unlock();
    say("exceptions");
    CHECK(end_of_thread_that_throws() == 33);
    say("exception out of a thread: std::terminate");
    say("EXIT-SUCCESS");
}
