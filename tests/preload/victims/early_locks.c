// SPDX-License-Identifier: Apache-2.0
//
// Goes on with the locks that early_holder.c took before anybody else was initialised (argument: mutexes,
// blocked, rwlock, cond): they are held, by this thread, and can be released and used ever after; who was
// blocked on one gets it, who waited is woken.
#include "victim.h"

extern pthread_mutex_t early_plain, early_contended, early_recursive, early_checked, early_cond_mutex;
extern pthread_rwlock_t early_rwlock;
extern pthread_cond_t early_changed;
extern int early_is_done;
extern pthread_t early_thread;

static long count;

static void* find_held(void* unused) {
    struct timespec past = in_ms(CLOCK_REALTIME, -1);
    pthread_mutex_t* all[] = {&early_plain, &early_contended, &early_recursive, &early_checked};
    for (int i = 0; i < 4; ++i) {
        CHECK_EQ(pthread_mutex_trylock(all[i]), EBUSY);
        CHECK_EQ(pthread_mutex_timedlock(all[i], &past), ETIMEDOUT);
        CHECK_EQ(pthread_mutex_destroy(all[i]), EBUSY);
    }
    CHECK_EQ(pthread_mutex_unlock(&early_recursive), EPERM);
    CHECK_EQ(pthread_mutex_unlock(&early_checked), EPERM);
    return unused;
}

static void* add(void* mutex) {
    for (int i = 0; i < 2000; ++i) {
        CHECK_EQ(pthread_mutex_lock(mutex), 0);
        ++count;
        CHECK_EQ(pthread_mutex_unlock(mutex), 0);
    }
    return NULL;
}

static void use_hard(pthread_mutex_t* mutex) {
    pthread_t threads[3];
    count = 0;
    for (int i = 0; i < 3; ++i) threads[i] = start(add, mutex);
    for (int i = 0; i < 3; ++i) join(threads[i]);
    CHECK_EQ(count, 6000);
}

static void* wait_for_plain(void* unused) {
    CHECK_EQ(pthread_mutex_lock(&early_plain), 0);
    CHECK_EQ(pthread_mutex_unlock(&early_plain), 0);
    return unused;
}

static void go_on_with_mutexes(void) {
    join(start(find_held, NULL));
    say("held");
    CHECK_EQ(pthread_mutex_lock(&early_checked), EDEADLK);
    CHECK_EQ(pthread_mutex_lock(&early_recursive), 0);
    pthread_t late = start(wait_for_plain, NULL);
    CHECK_EQ(pthread_mutex_unlock(&early_plain), 0);
    CHECK_EQ(pthread_mutex_unlock(&early_contended), 0);
    CHECK_EQ(pthread_mutex_unlock(&early_checked), 0);
    for (int i = 0; i < 3; ++i) CHECK_EQ(pthread_mutex_unlock(&early_recursive), 0);
    CHECK_EQ(pthread_mutex_unlock(&early_recursive), EPERM);
    join(late);
    if (early_thread != 0) join(early_thread);
    say("released");
    use_hard(&early_plain);
    use_hard(&early_contended);
    use_hard(&early_recursive);
    use_hard(&early_checked);
}

static void* find_read(void* unused) {
    CHECK_EQ(pthread_rwlock_trywrlock(&early_rwlock), EBUSY);
    CHECK_EQ(pthread_rwlock_rdlock(&early_rwlock), 0);
    CHECK_EQ(pthread_rwlock_unlock(&early_rwlock), 0);
    return unused;
}

static void* find_free(void* unused) {
    CHECK_EQ(pthread_rwlock_trywrlock(&early_rwlock), 0);
    CHECK_EQ(pthread_rwlock_unlock(&early_rwlock), 0);
    return unused;
}

static void go_on_with_rwlock(void) {
    join(start(find_read, NULL));
    say("read-held");
    CHECK_EQ(pthread_rwlock_unlock(&early_rwlock), 0);
    CHECK_EQ(pthread_rwlock_wrlock(&early_rwlock), 0);
    CHECK_EQ(pthread_rwlock_unlock(&early_rwlock), 0);
    join(start(find_free, NULL));
}

static void go_on_with_cond(void) {
    CHECK_EQ(pthread_mutex_lock(&early_cond_mutex), 0);
    early_is_done = 1;
    CHECK_EQ(pthread_cond_signal(&early_changed), 0);
    CHECK_EQ(pthread_mutex_unlock(&early_cond_mutex), 0);
    join(early_thread);
}

int main(int count, char** arguments) {
    CHECK_EQ(count, 2);
    if (strcmp(arguments[1], "rwlock") == 0)
        go_on_with_rwlock();
    else if (strcmp(arguments[1], "cond") == 0)
        go_on_with_cond();
    else
        go_on_with_mutexes();
    return succeed();
}
