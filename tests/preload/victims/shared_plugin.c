// SPDX-License-Identifier: Apache-2.0
//
// A library that uses the locks of the program that loads it; loader_deepbind.c does, with RTLD_DEEPBIND.
#include "victim.h"

void plugin_add(pthread_mutex_t* mutex, long* count);
void plugin_add(pthread_mutex_t* mutex, long* count) {
    CHECK_EQ(pthread_mutex_lock(mutex), 0);
    if (++*count % 32 == 0) sched_yield();
    CHECK_EQ(pthread_mutex_unlock(mutex), 0);
}

void plugin_take_turn(pthread_mutex_t* mutex, pthread_cond_t* changed, long* turn, int mine);
void plugin_take_turn(pthread_mutex_t* mutex, pthread_cond_t* changed, long* turn, int mine) {
    CHECK_EQ(pthread_mutex_lock(mutex), 0);
    while (*turn % 2 != mine) CHECK_EQ(pthread_cond_wait(changed, mutex), 0);
    ++*turn;
    CHECK_EQ(pthread_cond_signal(changed), 0);
    CHECK_EQ(pthread_mutex_unlock(mutex), 0);
}
