// SPDX-License-Identifier: Apache-2.0
//
// Loaded by loader_first_use.c, whose flags it reads: its constructor keeps the loader's lock until the
// program's other thread is done.
#include "victim.h"

extern _Atomic int constructor_runs, first_uses_done;

__attribute__((constructor)) static void hold_the_loader(void) {
    atomic_store(&constructor_runs, 1);
    while (!atomic_load(&first_uses_done)) sched_yield();
}
