// SPDX-License-Identifier: Apache-2.0
#include "preload/config.h"

#include <fnmatch.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "preload/say.h"

namespace latchkey {

constinit Config config{.is_passive = true,
                        .level = Level::kContended,
                        .min_wait_ns = 0,
                        .min_io_ns = 0,
                        .takes_waiter_stacks = true,
                        .takes_holder_stacks = true,
                        .stack_depth = 16,
                        .runtime = Runtime::kOff,
                        .handoff = Handoff::kAged,
                        .directory = nullptr,
                        .events_lib = nullptr,
                        .exe = ""};

namespace {

constexpr uint32_t kMaxDepth = 64;

struct Option {
    const char* name;  // LATCHKEY_<NAME>
    const char* default_value;
    bool (*parse)(const char* value);
};

bool parse_level(const char* v) {
    if (strcmp(v, "counters") == 0)
        config.level = Level::kCounters;
    else if (strcmp(v, "contended") == 0)
        config.level = Level::kContended;
    else if (strcmp(v, "full") == 0)
        config.level = Level::kFull;
    else
        return false;
    return true;
}

bool parse_duration(const char* v, uint64_t& ns) {
    char* unit;
    if (*v < '0' || *v > '9') return false;
    const unsigned long long n = strtoull(v, &unit, 10);
    uint64_t scale;
    if (strcmp(unit, "ns") == 0)
        scale = 1;
    else if (strcmp(unit, "us") == 0)
        scale = 1000;
    else if (strcmp(unit, "ms") == 0)
        scale = 1000 * 1000;
    else if (strcmp(unit, "s") == 0)
        scale = 1000ull * 1000 * 1000;
    else if (*unit == '\0' && n == 0)
        scale = 1;
    else
        return false;
    return !__builtin_mul_overflow(n, scale, &ns);
}

bool parse_min_wait(const char* v) {
    return parse_duration(v, config.min_wait_ns);
}
bool parse_min_io(const char* v) {
    return parse_duration(v, config.min_io_ns);
}

bool parse_stacks(const char* v) {
    const bool is_both = strcmp(v, "waiter,holder") == 0 || strcmp(v, "holder,waiter") == 0;
    const bool is_number = *v >= '1' && *v <= '9';
    if (is_number) {
        char* end;
        const unsigned long depth = strtoul(v, &end, 10);
        if (*end != '\0' || depth > kMaxDepth) return false;
        config.stack_depth = static_cast<uint32_t>(depth);
    } else if (!is_both && strcmp(v, "waiter") != 0 && strcmp(v, "holder") != 0 && strcmp(v, "none") != 0) {
        return false;
    }
    config.takes_waiter_stacks = is_number || is_both || strcmp(v, "waiter") == 0;
    config.takes_holder_stacks = is_number || is_both || strcmp(v, "holder") == 0;
    return true;
}

bool parse_runtime(const char* v) {
    if (strcmp(v, "off") == 0)
        config.runtime = Runtime::kOff;
    else if (strcmp(v, "own") == 0)
        config.runtime = Runtime::kOwn;
    else if (strcmp(v, "kernel-pi") == 0)
        config.runtime = Runtime::kKernelPi;
    else
        return false;
    return true;
}

bool parse_handoff(const char* v) {
    if (strcmp(v, "aged") == 0)
        config.handoff = Handoff::kAged;
    else if (strcmp(v, "barge") == 0)
        config.handoff = Handoff::kBarge;
    else if (strcmp(v, "fifo") == 0)
        config.handoff = Handoff::kFifo;
    else if (strcmp(v, "prio") == 0)
        config.handoff = Handoff::kPrio;
    else
        return false;
    return true;
}

// Patterns joined by commas against the executable's file name. Empty: all.
bool parse_only(const char* v) {
    if (*v == '\0') return true;
    const char* slash = strrchr(config.exe, '/');
    const char* base = slash != nullptr ? slash + 1 : config.exe;
    char pattern[128];
    while (*v != '\0') {
        const size_t n = strcspn(v, ",");
        if (n >= sizeof pattern) return false;
        memcpy(pattern, v, n);
        pattern[n] = '\0';
        if (fnmatch(pattern, base, 0) == 0) return true;
        v += n + (v[n] == ',');
    }
    config.is_passive = true;
    return true;
}

// Copied: a program that sets its title (setproctitle) writes over its environment, and its fork children
// open their counters file after that.
bool copy_path(const char* v, char (&storage)[PATH_MAX], const char*& path) {
    const size_t n = strlen(v);
    if (n >= sizeof storage) return false;
    memcpy(storage, v, n + 1);
    path = n != 0 ? storage : nullptr;
    return true;
}

bool parse_dir(const char* v) {
    static constinit char storage[PATH_MAX];
    return copy_path(v, storage, config.directory);
}

bool parse_events_lib(const char* v) {
    static constinit char storage[PATH_MAX];
    return copy_path(v, storage, config.events_lib);
}

const Option options[] = {
#define OPTION(kind, name, default_value, values, help) {#name, default_value, parse_##name},
#include "preload/options.def"
#undef OPTION
};

// Does `entry` ("LATCHKEY_MIN_WAIT=5us") set option `name` ("min_wait")? Returns the value or null.
const char* value_of(const char* entry, const char* name) {
    entry += strlen("LATCHKEY_");
    for (; *name != '\0'; name++, entry++)
        if (*entry != (*name >= 'a' && *name <= 'z' ? *name - 'a' + 'A' : *name)) return nullptr;
    return *entry == '=' ? entry + 1 : nullptr;
}

void read_variable(const char* entry) {
    for (const Option& option : options) {
        const char* value = value_of(entry, option.name);
        if (value == nullptr) continue;
        if (option.parse(value)) return;
        option.parse(option.default_value);
        static constinit std::atomic<bool> said{false};
        say_once(said, entry, ": not understood; its default is used: ", option.default_value);
        return;
    }
    static constinit std::atomic<bool> said{false};
    say_once(said, entry, ": no such option; see latchkey-environment(7)");
}

// LTTng-UST keeps pointers to its variables (LTTNG_HOME, the time to wait for the session daemon) and looks
// at them again in fork children; so they, too, must lie where setproctitle does not write.
void move_tracer_variables(char** environment) {
    static constinit char storage[2 * PATH_MAX];
    size_t used = 0;
    for (char** entry = environment; *entry != nullptr; entry++) {
        if (strncmp(*entry, "LTTNG_", strlen("LTTNG_")) != 0) continue;
        const size_t n = strlen(*entry) + 1;
        if (n > sizeof storage - used) return;
        *entry = static_cast<char*>(memcpy(storage + used, *entry, n));
        used += n;
    }
}

}  // namespace

void read_config(char** environment) {
    const ssize_t n = readlink("/proc/self/exe", config.exe, sizeof config.exe - 1);
    config.exe[n > 0 ? n : 0] = '\0';
    if (getauxval(AT_SECURE) != 0) return;  // setuid: stay passive
    config.is_passive = false;
    for (const Option& option : options) option.parse(option.default_value);
    for (char** entry = environment; *entry != nullptr; entry++)
        if (strncmp(*entry, "LATCHKEY_", strlen("LATCHKEY_")) == 0 &&
            strncmp(*entry, "LATCHKEY_TEST_", 14) != 0 && strncmp(*entry, "LATCHKEY_BUILD", 14) != 0)
            read_variable(*entry);
    move_tracer_variables(environment);
}

}  // namespace latchkey
