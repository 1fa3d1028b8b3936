// SPDX-License-Identifier: Apache-2.0
//
// Process-shared mutex, rwlock, condvar, semaphore, spin lock and barrier between this process and one
// that it executes from its own file WITHOUT any preload: unrelated address spaces, one of them unknown
// to Latchkey. Exclusion holds and both make progress.
#include "victim.h"
#include <semaphore.h>
#include <sys/mman.h>

enum { kAdds = 20000, kTurns = 2000 };

struct area {
    pthread_mutex_t mutex, robust;
    pthread_rwlock_t rwlock;
    pthread_cond_t turn_changed;
    pthread_spinlock_t spin;
    pthread_barrier_t barrier;
    sem_t semaphore;
    long by_mutex, by_robust, by_rwlock, by_spin, by_semaphore;
    int turn;
};

static void init(struct area* area) {
    pthread_mutexattr_t mutex;
    pthread_rwlockattr_t rwlock;
    pthread_condattr_t cond;
    pthread_barrierattr_t barrier;
    pthread_mutexattr_init(&mutex);
    pthread_rwlockattr_init(&rwlock);
    pthread_condattr_init(&cond);
    pthread_barrierattr_init(&barrier);
    CHECK_EQ(pthread_mutexattr_setpshared(&mutex, PTHREAD_PROCESS_SHARED), 0);
    CHECK_EQ(pthread_rwlockattr_setpshared(&rwlock, PTHREAD_PROCESS_SHARED), 0);
    CHECK_EQ(pthread_condattr_setpshared(&cond, PTHREAD_PROCESS_SHARED), 0);
    CHECK_EQ(pthread_barrierattr_setpshared(&barrier, PTHREAD_PROCESS_SHARED), 0);
    CHECK_EQ(pthread_mutex_init(&area->mutex, &mutex), 0);
    CHECK_EQ(pthread_mutexattr_setrobust(&mutex, PTHREAD_MUTEX_ROBUST), 0);
    CHECK_EQ(pthread_mutex_init(&area->robust, &mutex), 0);
    CHECK_EQ(pthread_rwlock_init(&area->rwlock, &rwlock), 0);
    CHECK_EQ(pthread_cond_init(&area->turn_changed, &cond), 0);
    CHECK_EQ(pthread_spin_init(&area->spin, PTHREAD_PROCESS_SHARED), 0);
    CHECK_EQ(pthread_barrier_init(&area->barrier, &barrier, 2), 0);
    CHECK_EQ(sem_init(&area->semaphore, 1, 1), 0);
}

static void add(struct area* area) {
    for (int i = 0; i < kAdds; ++i) {
        CHECK_EQ(pthread_mutex_lock(&area->mutex), 0);
        ++area->by_mutex;
        CHECK_EQ(pthread_mutex_unlock(&area->mutex), 0);
        CHECK_EQ(pthread_mutex_lock(&area->robust), 0);
        ++area->by_robust;
        CHECK_EQ(pthread_mutex_unlock(&area->robust), 0);
        CHECK_EQ(pthread_rwlock_wrlock(&area->rwlock), 0);
        ++area->by_rwlock;
        CHECK_EQ(pthread_rwlock_unlock(&area->rwlock), 0);
        CHECK_EQ(pthread_spin_lock(&area->spin), 0);
        ++area->by_spin;
        CHECK_EQ(pthread_spin_unlock(&area->spin), 0);
        CHECK_EQ(sem_wait(&area->semaphore), 0);
        ++area->by_semaphore;
        CHECK_EQ(sem_post(&area->semaphore), 0);
    }
}

static void take_turns(struct area* area, int mine) {
    CHECK_EQ(pthread_mutex_lock(&area->mutex), 0);
    for (int i = 0; i < kTurns; ++i) {
        while (area->turn % 2 != mine) CHECK_EQ(pthread_cond_wait(&area->turn_changed, &area->mutex), 0);
        ++area->turn;
        CHECK_EQ(pthread_cond_signal(&area->turn_changed), 0);
    }
    CHECK_EQ(pthread_mutex_unlock(&area->mutex), 0);
}

static struct area* map(int file) {
    void* memory = mmap(NULL, sizeof(struct area), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    CHECK(memory != MAP_FAILED);
    return memory;
}

static void be_partner(struct area* area) {
    CHECK(getenv("LD_PRELOAD") == NULL);
    pthread_barrier_wait(&area->barrier);
    add(area);
    pthread_barrier_wait(&area->barrier);
    take_turns(area, 1);
}

int main(int count, char** arguments) {
    if (count == 2) {
        be_partner(map(atoi(arguments[1])));
        return 0;
    }
    int file = memfd_create("shared", 0);
    char number[16];
    snprintf(number, sizeof number, "%d", file);
    CHECK_EQ(ftruncate(file, sizeof(struct area)), 0);
    struct area* area = map(file);
    init(area);
    pid_t child = fork();
    if (child == 0) {
        unsetenv("LD_PRELOAD");
        execl("/proc/self/exe", arguments[0], number, (char*)NULL);
        _exit(98);
    }
    pthread_barrier_wait(&area->barrier);
    add(area);
    pthread_barrier_wait(&area->barrier);
    CHECK_EQ(area->by_mutex, 2 * kAdds);
    CHECK_EQ(area->by_robust, 2 * kAdds);
    CHECK_EQ(area->by_rwlock, 2 * kAdds);
    CHECK_EQ(area->by_spin, 2 * kAdds);
    CHECK_EQ(area->by_semaphore, 2 * kAdds);
    say("exclusion");
    take_turns(area, 0);
    CHECK_EQ(wait_child(child), 0);
    CHECK_EQ(area->turn, 2 * kTurns);
    say("turns");
    return succeed();
}
