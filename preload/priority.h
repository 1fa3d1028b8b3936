// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "preload/interpose.h"
#include "preload/real.h"

namespace latchkey {

// Emits priority_set. target, value: as the program gave them; result: 0 or the error number.
void note_priority(ThreadRecord& record, Call call, int64_t target, int32_t value, int32_t result, Site site);

}  // namespace latchkey
