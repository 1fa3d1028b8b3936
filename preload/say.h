// SPDX-License-Identifier: Apache-2.0
//
// One line to the program's standard error: "latchkey: what: why; what to do". No allocation, errno kept,
// never standard output. Each message is said once per process image and inherited as said by fork children.
#pragma once

#include <atomic>

namespace latchkey {

// Up to four parts are joined. `said` belongs to the call site: static std::atomic<bool> said.
void say_once(std::atomic<bool>& said, const char* a, const char* b = "", const char* c = "",
              const char* d = "");

}  // namespace latchkey
