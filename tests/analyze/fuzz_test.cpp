// SPDX-License-Identifier: Apache-2.0
//
// Damaged run directories: thousands of seeded mutations of a good one (bits flipped, bytes overwritten,
// files cut, pages swapped) in metadata, streams and counters. Whatever is in the files, the analysis ends
// with a result or with status 3. Built with the address and undefined-behaviour sanitizers.
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <random>

#include "analyze/pipeline.h"
#include "tests/analyze/random_record.h"
#include "tests/analyze/run_writer.h"
#include "tests/analyze/trace_writer.h"

namespace latchkey {
namespace {

namespace fs = std::filesystem;

constexpr int kMutations = 1500;  // LATCHKEY_FUZZ_MUTATIONS sets another number

int mutations() {
    const char* wanted = std::getenv("LATCHKEY_FUZZ_MUTATIONS");
    return wanted != nullptr ? std::atoi(wanted) : kMutations;
}

std::string bytes_of(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

void write_bytes(const fs::path& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

/// A run of two processes that uses every event.
void write_run(const fs::path& run) {
    testing::write_run_json(run, "full");
    std::mt19937_64 random(3);
    for (std::int32_t pid : {10, 20}) {
        testing::TraceWriter trace(run / "trace" / ("p-" + std::to_string(pid)), 2,
                                   static_cast<std::uint32_t>(pid), 2000);
        std::uint64_t ts = 1'000'000;
        for (int i = 0; i < 300; ++i) {
            with_record(static_cast<EventId>(random() % kEventCount), [&](auto& event) {
                testing::RecordFiller filler(random);
                for_each_field(event, filler);
                if constexpr (requires { event.object; }) event.object = event.object % 10;
                if constexpr (requires { event.lock; }) event.lock = event.lock % 8;
                if constexpr (requires { event.wait_ns; }) event.wait_ns = event.wait_ns % 1'000'000;
                ts += random() % 1000;
                trace.emit(random() % 2, ts, pid, pid + static_cast<std::int32_t>(random() % 4), event);
            });
            if (i == 150) trace.lose(0, 3);
        }
        testing::CountersWriter counters;
        counters.set("process", 0, "pid", static_cast<std::uint64_t>(pid));
        counters.set("process", 0, "start_ns", 900'000);
        counters.set("process", 0, "exe", "/usr/bin/program");
        for (std::uint64_t i = 1; i < 4; ++i) {
            counters.set("thread", i, "state", 1);
            counters.set("thread", i, "tid", static_cast<std::uint64_t>(pid) + i);
            counters.set("thread", i, "wait_object", i);
            counters.set("thread", i, "wait_since_ns", 950'000);
            counters.set("thread", i, "calls.write", i);
        }
        counters.set("file", 1, "state", 1);
        counters.set("file", 1, "path", "/data/file");
        counters.write(run / "counters" / std::to_string(pid));
    }
}

void mutate(std::string& bytes, std::mt19937_64& random) {
    if (bytes.empty()) return;
    const std::size_t at = random() % bytes.size();
    switch (random() % 6) {
        case 0:
            bytes.resize(at);
            break;
        case 1:
            bytes[at] = static_cast<char>(random());
            break;
        case 2:  // a number that is too large
            for (std::size_t i = at; i < std::min(at + 8, bytes.size()); ++i) bytes[i] = '\xff';
            break;
        case 3:
            bytes.erase(at, random() % 64);
            break;
        case 4:
            if (bytes.size() > 8192)
                std::swap_ranges(bytes.begin(), bytes.begin() + 4096, bytes.begin() + 4096);
            break;
        default:
            for (int i = 0; i < 8; ++i)
                bytes[random() % bytes.size()] ^= static_cast<char>(1 << random() % 8);
    }
}

TEST(Fuzz, DamagedRunsNeverCrash) {
    testing::TemporaryDirectory directory;
    const fs::path good = directory.path() / "good", bad = directory.path() / "bad";
    write_run(good);
    fs::copy(good, bad, fs::copy_options::recursive);
    std::vector<fs::path> files;
    for (const auto& entry : fs::recursive_directory_iterator(good))
        if (entry.is_regular_file()) files.push_back(fs::relative(entry.path(), good));
    std::sort(files.begin(), files.end());

    Options options;
    options.run = good;
    ASSERT_EQ(analyze(options), kOk);
    options.run = bad;
    options.reader = ReaderChoice::own;  // libbabeltrace2 is not what is tested
    for (int seed = 0; seed < mutations(); ++seed) {
        std::mt19937_64 random(static_cast<std::uint64_t>(seed));
        const fs::path file = files[random() % files.size()];
        std::string bytes = bytes_of(good / file);
        for (std::uint64_t n = 1 + random() % 3; n > 0; --n) mutate(bytes, random);
        write_bytes(bad / file, bytes);
        const int status = analyze(options);
        ASSERT_TRUE(status == kOk || status == kUnusable || (status == kUsage && file == "run.json"))
            << "seed " << seed << " in " << file << ": status " << status;
        write_bytes(bad / file, bytes_of(good / file));
    }
}

}  // namespace
}  // namespace latchkey
