// SPDX-License-Identifier: Apache-2.0
//
// Whose locks the program gets: the seam between the wrappers and what does the work. With --runtime=off
// every call goes to libc. With own, private objects go to the runtime's lock family and all others to libc:
// robust, process-shared, inheriting and protected mutexes, shared condvars and rwlocks keep glibc's words,
// because another process may not be preloaded. With kernel-pi, private mutexes go to kernel_pi.h, the rest
// to libc. The whole family is taken over before the first constructor of the program, or not at all; this
// does not depend on whether a thread is observed.
//
// Functions are named after libc's and return the same results; those that wait say how they got through.
#pragma once

#include <pthread.h>
#include <semaphore.h>
#include <sys/single_threaded.h>

#include "preload/mutex.h"
#include "runtime/passage.h"
#include "runtime/system.h"

namespace latchkey::family {

// Decided once, by the constructor.
extern bool is_own;

// Takes the family over as config.runtime says. Constructor only, after the real functions are known.
void take_over();

// In a fork child, before any lock is touched.
void restart_in_child();

// The life of a thread, for its slot. A thread not announced here gets its slot at its first lock.
void begin_thread();
void end_thread();

// The program changed the priority of thread `tid` (0: the calling one).
void note_priority(uint32_t tid);

// The result of waiting(passage) for a caller that is not observed.
template <class F>
int without_passage(F waiting) {
    Passage passage;
    return waiting(passage);
}

// ---- mutexes

// What the calling thread writes into the word of a plain mutex that it takes: see take_plain.
uint32_t mutex_mark();

int pthread_mutex_trylock(pthread_mutex_t* m);
int pthread_mutex_lock(pthread_mutex_t* m, Passage& passage);
int pthread_mutex_clocklock(pthread_mutex_t* m, clockid_t clock, const timespec* deadline, Passage& passage);
int pthread_mutex_unlock(pthread_mutex_t* m);
int pthread_mutex_destroy(pthread_mutex_t* m);

// Takes it by spinning for some microseconds, if that may help. False: not taken. Never with libc's mutexes.
bool spin_for_mutex(pthread_mutex_t* m);

// How long the first waiter in its queue has been waiting; 0: nobody is queued, or it is libc's.
uint64_t queued_ns(pthread_mutex_t* m);

// The kernel thread id of its owner; 0: none, or not known.
uint32_t owner_of(const pthread_mutex_t* m);

// ---- condvars

int pthread_cond_wait(pthread_cond_t* cond, pthread_mutex_t* m, Passage& passage);
int pthread_cond_timedwait(pthread_cond_t* cond, pthread_mutex_t* m, const timespec* deadline,
                           Passage& passage);
int pthread_cond_clockwait(pthread_cond_t* cond, pthread_mutex_t* m, clockid_t clock,
                           const timespec* deadline, Passage& passage);
int pthread_cond_signal(pthread_cond_t* cond);
int pthread_cond_broadcast(pthread_cond_t* cond);
int pthread_cond_destroy(pthread_cond_t* cond);

// ---- read-write locks. clock: ignored without deadline.

int pthread_rwlock_tryrdlock(pthread_rwlock_t* lock);
int pthread_rwlock_trywrlock(pthread_rwlock_t* lock);
int pthread_rwlock_rdlock(pthread_rwlock_t* lock, Passage& passage);
int pthread_rwlock_wrlock(pthread_rwlock_t* lock, Passage& passage);
int pthread_rwlock_clockrdlock(pthread_rwlock_t* lock, clockid_t clock, const timespec* deadline,
                               Passage& passage);
int pthread_rwlock_clockwrlock(pthread_rwlock_t* lock, clockid_t clock, const timespec* deadline,
                               Passage& passage);
int pthread_rwlock_unlock(pthread_rwlock_t* lock);

// The kernel thread id of the writer that holds it; 0: none.
uint32_t writer_of(const pthread_rwlock_t* lock);

// ---- semaphores keep glibc's word, which other processes and signal handlers use; the wait may spin before
// it

// Takes one unit by spinning for some microseconds, if that may help.
bool spin_for_semaphore(sem_t* sem);

}  // namespace latchkey::family
