// SPDX-License-Identifier: Apache-2.0
#include "preload/say.h"

#include <errno.h>
#include <string.h>

#include "preload/real.h"

namespace latchkey {

void say_once(std::atomic<bool>& said, const char* a, const char* b, const char* c, const char* d) {
    if (said.exchange(true, std::memory_order_relaxed)) return;
    const int saved = errno;
    char line[512];
    size_t n = 0;
    for (const char* part : {"latchkey: ", a, b, c, d, "\n"})
        for (; *part != '\0' && n < sizeof line; part++) line[n++] = *part;
    [[maybe_unused]] const ssize_t written = real::write(STDERR_FILENO, line, n);
    errno = saved;
}

}  // namespace latchkey
