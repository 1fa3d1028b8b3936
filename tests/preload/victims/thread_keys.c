// SPDX-License-Identifier: Apache-2.0
//
// Creates as many keys as argument 1 says (PTHREAD_KEYS_MAX is 1024) and uses them from two threads.
#include "victim.h"

static pthread_key_t* keys;
static int count;

static void* use_keys(void* unused) {
    for (int i = 0; i < count; ++i) CHECK_EQ(pthread_setspecific(keys[i], &keys[i]), 0);
    for (int i = 0; i < count; ++i) CHECK(pthread_getspecific(keys[i]) == &keys[i]);
    return unused;
}

int main(int arguments, char** values) {
    CHECK_EQ(arguments, 2);
    count = atoi(values[1]);
    keys = calloc((size_t)count, sizeof *keys);
    for (int i = 0; i < count; ++i) CHECK_EQ(pthread_key_create(&keys[i], NULL), 0);
    use_keys(NULL);
    join(start(use_keys, NULL));
    for (int i = 0; i < count; ++i) CHECK_EQ(pthread_key_delete(keys[i]), 0);
    free(keys);
    return succeed();
}
