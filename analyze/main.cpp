// SPDX-License-Identifier: Apache-2.0
//
// latchkey-analyze RUN_DIR: reads the trace and the counters of a run and writes result.db.
#include <sys/resource.h>

#include <boost/program_options.hpp>
#include <iostream>
#include <new>

#include "analyze/pipeline.h"

namespace po = boost::program_options;

namespace {

using latchkey::kOk;
using latchkey::kUnusable;
using latchkey::kUsage;
using latchkey::Options;
using latchkey::ReaderChoice;

ReaderChoice reader_of(const std::string& name) {
    if (name == "auto") return ReaderChoice::automatic;
    if (name == "own") return ReaderChoice::own;
    if (name == "babeltrace2") return ReaderChoice::babeltrace2;
    throw po::error("unknown reader '" + name + "': own, babeltrace2 or auto");
}

po::options_description visible_options() {
    po::options_description options("Options");
    options.add_options()  //
        ("output,o", po::value<std::string>()->value_name("FILE"),
         "write to FILE instead of RUN_DIR/result.db")  //
        ("reader", po::value<std::string>()->value_name("NAME")->default_value("auto"),
         "own, babeltrace2, or auto: our decoder where it can, libbabeltrace2 for the rest")  //
        ("dump", "print the events, one a line, and write no file")                           //
        ("limit-memory", po::value<std::uint64_t>()->value_name("MIB"),
         "fail rather than use more memory")  //
        ("help,h", "this text")               //
        ("version", "the version");
    return options;
}

void limit_memory(std::uint64_t mib) {
    const rlim_t bytes = mib << 20;
    const rlimit limit{bytes, bytes};
    if (mib == 0 || mib > (std::uint64_t{1} << 40) || setrlimit(RLIMIT_DATA, &limit) != 0)
        throw po::error("--limit-memory: not a usable number of MiB");
}

/// The options, or the exit status when there is nothing to do.
int parse(int argc, char** argv, Options& options) {
    const po::options_description visible = visible_options();
    po::options_description all;
    all.add(visible).add_options()("run", po::value<std::string>());
    po::positional_options_description positional;
    positional.add("run", 1);
    po::variables_map values;
    po::store(po::command_line_parser(argc, argv).options(all).positional(positional).run(), values);
    po::notify(values);
    if (values.contains("help")) {
        std::cout << "Usage: latchkey-analyze RUN_DIR [options]\n"
                     "Analyses what `latchkey record` recorded in RUN_DIR and writes RUN_DIR/result.db.\n"
                  << visible
                  << "Exit status: 0 done, 2 bad usage or not a run directory, 3 nothing usable in it.\n";
        return -1;
    }
    if (values.contains("version")) {
        std::cout << "latchkey-analyze " LATCHKEY_VERSION "\n";
        return -1;
    }
    if (!values.contains("run")) throw po::error("no run directory given");
    options.run = values["run"].as<std::string>();
    if (values.contains("output")) options.output = values["output"].as<std::string>();
    options.reader = reader_of(values["reader"].as<std::string>());
    options.dump = values.contains("dump");
    if (values.contains("limit-memory")) limit_memory(values["limit-memory"].as<std::uint64_t>());
    return kOk;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        Options options;
        if (parse(argc, argv, options) != kOk) return kOk;
        return latchkey::analyze(options);
    } catch (const po::error& error) {
        std::cerr << "latchkey-analyze: " << error.what() << "; see latchkey-analyze --help\n";
        return kUsage;
    } catch (const std::bad_alloc&) {
        std::cerr
            << "latchkey-analyze: out of memory: the limit is too low for this trace; raise --limit-memory\n";
        return kUnusable;
    }
}
