// SPDX-License-Identifier: Apache-2.0
#include "tests/subjects/drivers/harness.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <optional>
#include <stdexcept>

#include "tests/subjects/drivers/load.h"

namespace latchkey::subjects {
namespace {

struct Arguments {
    std::string dir;
    Load load;
    bool sync;
    bool quiet;
};

std::optional<Arguments> parse(int argc, char** argv, const Subject& subject) {
    if (argc != 6) return std::nullopt;
    Arguments arguments{};
    arguments.dir = argv[1];
    arguments.load.writers = static_cast<unsigned>(std::atoi(argv[2]));
    arguments.load.readers = static_cast<unsigned>(std::atoi(argv[3]));
    arguments.load.seconds = std::atof(argv[4]);
    arguments.load.operations = option("OPS");
    arguments.load.processes = static_cast<unsigned>(option("PROCS", 1));
    arguments.load.keys = subject.keys;
    arguments.sync = std::strcmp(argv[5], "1") == 0;
    arguments.quiet = option("QUIET") != 0;
    const bool idle = arguments.load.writers + arguments.load.readers == 0;
    if (idle || (arguments.load.processes > 1 && !subject.several_processes)) return std::nullopt;
    return arguments;
}

void print_latencies(const char* what, const Latencies& latencies, double seconds) {
    if (latencies.count() == 0) return;
    std::printf("%s: %" PRIu64 " operations, %.0f /s, p50 %.1f p95 %.1f p99 %.1f p99.9 %.1f max %.1f us\n",
                what, latencies.count(), static_cast<double>(latencies.count()) / seconds,
                latencies.percentile_us(0.5), latencies.percentile_us(0.95), latencies.percentile_us(0.99),
                latencies.percentile_us(0.999), latencies.max_us());
}

double seconds_of(const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

void print_outcome(const Outcome& outcome, unsigned process, const rusage& before,
                   const std::string& remark) {
    rusage now{};
    getrusage(RUSAGE_SELF, &now);
    const double cpu = seconds_of(now.ru_utime) + seconds_of(now.ru_stime) - seconds_of(before.ru_utime) -
                       seconds_of(before.ru_stime);
    const uint64_t operations = outcome.writes.count() + outcome.reads.count();
    std::printf("process %u: %.3f cpu us per operation, %ld voluntary, %ld involuntary switches\n", process,
                cpu * 1e6 / static_cast<double>(operations), now.ru_nvcsw - before.ru_nvcsw,
                now.ru_nivcsw - before.ru_nivcsw);
    print_latencies("writes", outcome.writes, outcome.seconds);
    print_latencies("reads", outcome.reads, outcome.seconds);
    if (!remark.empty()) std::printf("%s\n", remark.c_str());
}

void run_round(Engine& engine, const Arguments& arguments, unsigned process) {
    rusage before{};
    getrusage(RUSAGE_SELF, &before);
    const Outcome outcome = run_load(engine, arguments.load, process);
    if (arguments.quiet) {
        // Without OPS the number of operations is a timing too.
        if (arguments.load.operations != 0)
            std::printf("process %u: %" PRIu64 " writes, %" PRIu64 " reads\n", process,
                        outcome.writes.count(), outcome.reads.count());
    } else {
        print_outcome(outcome, process, before, engine.remark());
    }
    std::fflush(stdout);
}

void run_process(const Subject& subject, const Arguments& arguments, unsigned process) {
    const auto engine = subject.open(arguments.dir, arguments.sync);
    if (option("STEPS") == 0) return run_round(*engine, arguments, process);
    while (std::getc(stdin) == '\n') run_round(*engine, arguments, process);
}

// Children end with _Exit: nothing of the parent's is destroyed twice.
[[noreturn]] void be_child(const Subject& subject, const Arguments& arguments, unsigned process) {
    try {
        run_process(subject, arguments, process);
        std::_Exit(0);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "driver: process %u failed: %s\n", process, error.what());
        std::_Exit(1);
    }
}

void run_processes(const Subject& subject, const Arguments& arguments) {
    subject.open(arguments.dir, arguments.sync).reset();  // created once, before there is a race for it
    for (unsigned process = 0; process < arguments.load.processes; ++process) {
        const pid_t pid = fork();
        if (pid < 0) throw std::runtime_error(std::string("fork: ") + std::strerror(errno));
        if (pid == 0) be_child(subject, arguments, process);
    }
    bool failed = false;
    int status = 0;
    while (wait(&status) > 0) failed = failed || status != 0;
    if (failed) throw std::runtime_error("a child process failed");
}

// FNV-1a over all keys and values, in the order of the keys.
void print_contents(const Subject& subject, const Arguments& arguments) {
    uint64_t entries = 0;
    uint64_t digest = 0xcbf29ce484222325u;
    const auto add = [&digest](const void* data, size_t size) {
        const auto* bytes = static_cast<const unsigned char*>(data);
        for (size_t i = 0; i < size; ++i) digest = (digest ^ bytes[i]) * 0x100000001b3u;
    };
    subject.open(arguments.dir, arguments.sync)->scan([&](uint64_t key, std::string_view value) {
        ++entries;
        add(&key, sizeof key);
        add(value.data(), value.size());
    });
    std::printf("contents: %" PRIu64 " entries, digest %016" PRIx64 "\n", entries, digest);
}

}  // namespace

uint64_t option(const char* name, uint64_t otherwise) {
    const char* text = std::getenv(name);
    return text == nullptr ? otherwise : std::strtoull(text, nullptr, 0);
}

int run_subject(int argc, char** argv, const Subject& subject) {
    const auto arguments = parse(argc, argv, subject);
    if (!arguments) {
        std::fprintf(stderr, "usage: %s DIR WRITERS READERS SECONDS SYNC (see harness.h)\n", subject.name);
        return 2;
    }
    try {
        const bool one_by_hand = std::getenv("PROC") != nullptr;
        if (one_by_hand || arguments->load.processes == 1)
            run_process(subject, *arguments, static_cast<unsigned>(option("PROC")));
        else
            run_processes(subject, *arguments);
        if (arguments->load.operations != 0 && !one_by_hand) print_contents(subject, *arguments);
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s: failed: %s\n", subject.name, error.what());
        return 1;
    }
}

}  // namespace latchkey::subjects
