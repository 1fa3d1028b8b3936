// SPDX-License-Identifier: Apache-2.0
//
// A process with as many threads and mutexes as a large server, that holds still to be looked at.
#include "tests/bench/overhead_measures.h"

#include <pthread.h>
#include <unistd.h>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace bench {
namespace {

constexpr size_t kStackBytes = 64 << 10;

struct Crowd {
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    pthread_cond_t all_wait = PTHREAD_COND_INITIALIZER;
    pthread_cond_t leave = PTHREAD_COND_INITIALIZER;
    int missing = 0;  // members that do not wait yet
    bool over = false;
};

struct Member {
    Crowd* crowd;
    pthread_mutex_t* begin;  // its part of the mutexes
    pthread_mutex_t* end;
    pthread_t thread;
};

void* live(void* argument) {
    const Member& member = *static_cast<Member*>(argument);
    for (pthread_mutex_t* mutex = member.begin; mutex != member.end; mutex++) {
        pthread_mutex_lock(mutex);
        pthread_mutex_unlock(mutex);
    }
    Crowd& crowd = *member.crowd;
    pthread_mutex_lock(&crowd.mutex);
    if (--crowd.missing == 0) pthread_cond_signal(&crowd.all_wait);
    while (!crowd.over) pthread_cond_wait(&crowd.leave, &crowd.mutex);
    pthread_mutex_unlock(&crowd.mutex);
    return nullptr;
}

void start(Member& member, const pthread_attr_t& attributes) {
    if (pthread_create(&member.thread, &attributes, live, &member) == 0) return;
    std::fputs("overhead_pairs: too many threads for this system\n", stderr);
    std::exit(4);
}

}  // namespace

// Each thread locks its share of the mutexes, one after the other; then all wait on one condition variable.
void hold_crowd(int threads, int mutexes) {
    std::vector<pthread_mutex_t> all(static_cast<size_t>(mutexes), PTHREAD_MUTEX_INITIALIZER);
    std::vector<Member> members(static_cast<size_t>(threads));
    Crowd crowd;
    crowd.missing = threads;
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, kStackBytes);
    for (size_t i = 0; i < members.size(); i++) {
        members[i] = {&crowd,
                      &all[0] + i * all.size() / members.size(),
                      &all[0] + (i + 1) * all.size() / members.size(),
                      {}};
        start(members[i], attributes);
    }
    pthread_attr_destroy(&attributes);
    pthread_mutex_lock(&crowd.mutex);
    while (crowd.missing != 0) pthread_cond_wait(&crowd.all_wait, &crowd.mutex);
    pthread_mutex_unlock(&crowd.mutex);
    std::printf("%d\n", getpid());
    std::fflush(stdout);
    char line[16];
    if (std::fgets(line, sizeof line, stdin) == nullptr) line[0] = '\0';  // the end of input ends it too
    pthread_mutex_lock(&crowd.mutex);
    crowd.over = true;
    pthread_cond_broadcast(&crowd.leave);
    pthread_mutex_unlock(&crowd.mutex);
    for (const Member& member : members) pthread_join(member.thread, nullptr);
}

}  // namespace bench
