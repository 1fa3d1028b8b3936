// SPDX-License-Identifier: Apache-2.0
//
// From descriptor to file record. A descriptor's file is looked up in /proc at its first use and remembered
// until the descriptor is closed or given anew; calls that libc makes internally (fclose, popen) are covered
// because the next open of the same number forgets it too.
#pragma once

#include "preload/interpose.h"

namespace latchkey {

enum FileClass : uint32_t {
    kFileClass_file,
    kFileClass_socket,
    kFileClass_pipe,
    kFileClass_event,
    kFileClass_other
};

// The index of fd's file record; 0, the record of all others, when there is no room or no descriptor.
// Emits file_opened for a file that is new to the trace. Must run in an Inside scope.
uint32_t file_of(ThreadRecord& record, int fd);

// fd is about to be closed, or was just opened.
void forget_descriptor(int fd);
void forget_descriptors();  // all: after fork
void forget_descriptors(unsigned first, unsigned last);

// close_range(2), which spares the tracer's descriptors while it is loaded. Also for the raw system call.
int close_descriptors(unsigned first, unsigned last, int flags);

}  // namespace latchkey
