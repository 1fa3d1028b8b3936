// SPDX-License-Identifier: Apache-2.0
//
// The uncontended path of plain mutexes, done in the wrapper exactly as glibc 2.36 does it
// (nptl/pthread_mutex_lock.c: compare-and-swap 0 -> 1, owner, nusers; unlock the reverse): a call into glibc
// on top of our own work would cost a tenth of a lock and unlock pair. Allowed only for the glibc versions it
// is tested against, and after a look at what the real functions do to a mutex; otherwise trylock comes
// first, which any glibc supports.
#pragma once

#include <sys/single_threaded.h>

#include "preload/interpose.h"

namespace latchkey {

// Finds out whether this glibc's mutexes look as expected. Constructor only.
void choose_mutex_path();
bool is_mutex_layout_known();

constexpr int kNoElision = 0x200;  // PTHREAD_MUTEX_NO_ELISION_NP: a hint, not a kind

// Normal (0) and adaptive (3), without any flag: robust, process-shared, inheriting, protected and eliding
// mutexes are glibc's alone, recursive and errorcheck ones need more than a word.
inline bool is_plain(const pthread_mutex_t* m) {
    const int kind = m->__data.__kind & ~kNoElision;
    return kind == PTHREAD_MUTEX_NORMAL || kind == PTHREAD_MUTEX_ADAPTIVE_NP;
}

// The mark of a mutex that glibc's protocol has taken; any other is the slot id of its owner. glibc also
// keeps the owner's thread id and a number of users beside the word.
constexpr uint32_t kGlibcMark = 1;

// Takes a plain mutex that is free, for the calling thread: tid and mark are its own.
inline bool take_plain(pthread_mutex_t* m, uint32_t mark, int tid) {
    auto& word = reinterpret_cast<uint32_t&>(m->__data.__lock);
    if (__libc_single_threaded) {
        if (word != 0) return false;
        word = mark;
    } else {
        uint32_t free = 0;
        if (!__atomic_compare_exchange_n(&word, &free, mark, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
            return false;
    }
    if (mark == kGlibcMark) {
        m->__data.__owner = tid;
        m->__data.__nusers++;
    }
    return true;
}

// Gives back a plain mutex with this mark, if nobody waits; else leaves it held.
inline bool give_back_plain(pthread_mutex_t* m, uint32_t mark, int tid) {
    auto& word = reinterpret_cast<uint32_t&>(m->__data.__lock);
    if (mark == kGlibcMark) {
        m->__data.__owner = 0;
        m->__data.__nusers--;
    }
    uint32_t held = mark;
    if (__libc_single_threaded) {
        if (word == held) [[likely]] {
            word = 0;
            return true;
        }
    } else if (__atomic_compare_exchange_n(&word, &held, 0, false, __ATOMIC_RELEASE, __ATOMIC_RELAXED)) {
        return true;
    }
    if (mark == kGlibcMark) {
        m->__data.__owner = tid;
        m->__data.__nusers++;
    }
    return false;
}

}  // namespace latchkey
