// SPDX-License-Identifier: Apache-2.0
//
// When main ends with pthread_exit, glibc ends the process with the last thread. LTTng's listener threads
// outlive the program's, so while they are there the last thread of the program must end the process itself.
#pragma once

namespace latchkey {

// A thread of the program is about to be created. Undone by thread_is_gone when that fails.
void thread_is_coming();

// A thread of the program came whose end we shall not see: from now on glibc decides alone.
void thread_is_unseen();

// A thread of the program ends. If it is the last one and only the tracer's are left, the process ends after
// it.
void thread_is_gone();

// In a fork child the calling thread is alone.
void reset_last_thread_in_child();

}  // namespace latchkey
