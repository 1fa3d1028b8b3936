// SPDX-License-Identifier: Apache-2.0
//
// Reads trace folders through libbabeltrace2: for layouts that our decoder does not support, and to hold
// our decoder against in tests. About 60 times slower. One unreadable stream fails its whole folder, so
// each folder has a graph of its own and the folders are merged here.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "analyze/record_sink.h"

namespace latchkey {

/// A folder to read; what came of it is filled in.
struct BtFolder {
    std::filesystem::path path;
    Source source{};
    std::string problem{};  // empty: read to the end
    std::uint64_t lost = 0;
    std::uint64_t foreign = 0;
};

/// Hands every event of ours in the folders to the sink, in time order.
void read_with_babeltrace(std::vector<BtFolder>& folders, RecordSink& sink);

}  // namespace latchkey
