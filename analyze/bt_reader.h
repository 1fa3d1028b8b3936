// SPDX-License-Identifier: Apache-2.0
//
// Reads one trace folder through libbabeltrace2: for layouts that our decoder does not support, and to
// hold our decoder against in tests. About 60 times slower. One unreadable stream fails its whole folder.
#pragma once

#include <filesystem>
#include <string>

#include "analyze/record_sink.h"

namespace latchkey {

struct BtResult {
    std::string problem;  // empty: read to the end
    std::uint64_t lost = 0;
    std::uint64_t foreign = 0;
};

/// Hands every event of ours in the folder to the sink, in time order.
BtResult read_with_babeltrace(const std::filesystem::path& folder, Source& source, RecordSink& sink);

}  // namespace latchkey
