// SPDX-License-Identifier: Apache-2.0
//
// Names by pthread_setname_np (self and other) and prctl arrive in the kernel; errors are kept.
#include "victim.h"
#include <sys/prctl.h>

static _Atomic int leave, named;

static void* rename_self(void* unused) {
    char name[16] = "";
    CHECK_EQ(prctl(PR_SET_NAME, "by-prctl"), 0);
    CHECK_EQ(pthread_getname_np(pthread_self(), name, sizeof name), 0);
    CHECK_EQ(strcmp(name, "by-prctl"), 0);
    CHECK_EQ(pthread_setname_np(pthread_self(), "by-itself"), 0);
    CHECK_EQ(prctl(PR_GET_NAME, name), 0);
    CHECK_EQ(strcmp(name, "by-itself"), 0);
    CHECK_EQ(pthread_setname_np(pthread_self(), "sixteen bytes or more"), ERANGE);
    atomic_store(&named, 1);
    wait_for(&leave, 1);
    CHECK_EQ(prctl(PR_GET_NAME, name), 0);
    CHECK_EQ(strcmp(name, "by-other"), 0);
    return unused;
}

int main(void) {
    pthread_t thread = start(rename_self, NULL);
    wait_for(&named, 1);
    CHECK_EQ(pthread_setname_np(thread, "by-other"), 0);
    atomic_store(&leave, 1);
    join(thread);
    CHECK_EQ(prctl(PR_GET_DUMPABLE), 1);
    errno = 0;
    CHECK_EQ(prctl(-1), -1);
    CHECK_EQ(errno, EINVAL);
    return succeed();
}
