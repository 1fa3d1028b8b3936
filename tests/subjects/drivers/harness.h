// SPDX-License-Identifier: Apache-2.0
//
// What the drivers of the embedded engines share: arguments, threads, load, latencies, output.
//
//     DRIVER DIR WRITERS READERS SECONDS SYNC
//
// One thread per writer and reader, named writerN and readerN, runs a closed loop over one Session. Each
// writer owns the keys that are its number modulo the number of writers (of all processes), and what it
// writes follows from its number and the operation's: with OPS the contents at the end are the same in every
// run.
//
// Environment (numbers; an engine may know more, see its file):
//     OPS=N     N operations per thread instead of SECONDS, then one line that digests the whole contents
//     PROCS=N   N forked processes, each with the given writers and readers
//     PROC=I    be process I of PROCS, started by hand: nothing is forked
//     QUIET=1   only lines that are the same in every run
//     STEPS=1   one round of the load for each line of standard input, until it ends
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace latchkey::subjects {

// One thread's access to an engine. A failure throws std::runtime_error.
class Session {
  public:
    virtual ~Session() = default;
    // Stores one value in a transaction of its own.
    virtual void write(uint64_t key, std::string_view value) = 0;
    // Looks one key up; false if it is not there.
    virtual bool read(uint64_t key) = 0;
};

// An open database. session() is called from many threads, the rest from one.
class Engine {
  public:
    using Visitor = std::function<void(uint64_t key, std::string_view value)>;

    virtual ~Engine() = default;
    virtual std::unique_ptr<Session> session() = 0;
    // Visits all entries in the order of their keys.
    virtual void scan(const Visitor& visit) = 0;
    // One more line for the output, empty for none.
    virtual std::string remark() { return {}; }
};

// How a driver describes its engine to the harness.
struct Subject {
    const char* name;
    uint64_t keys;           // keys are 0 .. keys-1
    bool several_processes;  // may PROCS processes have the same database open?
    // Opens the database in `dir`, created if missing; `sync`: commits are durable.
    std::function<std::unique_ptr<Engine>(const std::string& dir, bool sync)> open;
};

// main() of every driver: 0, 1 when the engine failed, 2 for a wrong argument.
int run_subject(int argc, char** argv, const Subject& subject);

// The number in environment variable `name`, or `otherwise`.
uint64_t option(const char* name, uint64_t otherwise = 0);

}  // namespace latchkey::subjects
