// SPDX-License-Identifier: Apache-2.0
#include "analyze/reader.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace latchkey {

namespace fs = std::filesystem;

TraceSet find_traces(const fs::path& directory) {
    TraceSet set;
    std::error_code error;
    std::vector<fs::path> folders;
    const auto options = fs::directory_options::skip_permission_denied;
    for (fs::recursive_directory_iterator it(directory, options, error), end; !error && it != end;
         it.increment(error))
        if (it->path().filename() == "metadata") folders.push_back(it->path().parent_path());
    std::sort(folders.begin(), folders.end());
    for (const fs::path& folder : folders) {
        std::vector<fs::path> streams;
        for (fs::directory_iterator it(folder, options, error), end; !error && it != end; it.increment(error))
            if (it->is_regular_file(error) && it->path().filename() != "metadata")
                streams.push_back(it->path());
        std::sort(streams.begin(), streams.end());
        set.folders.push_back(open_folder(folder));
        set.streams.push_back(std::move(streams));
    }
    return set;
}

void Merger::add(const TraceFolder& folder, std::uint32_t number, const std::vector<fs::path>& streams,
                 std::vector<Unreadable>& unreadable) {
    for (const fs::path& path : streams) {
        errno = 0;
        inputs_.emplace_back(folder, path, number);
        if (inputs_.back().cursor.is_readable()) continue;
        unreadable.push_back({path, std::strerror(errno)});
        inputs_.pop_back();
    }
}

std::uint64_t Merger::second_best() const {
    std::uint64_t best = UINT64_MAX;
    for (std::size_t i = 1; i < std::min<std::size_t>(heap_.size(), 3); ++i)
        best = std::min(best, heap_[i]->cursor.timestamp());
    return best;
}

void Merger::sift_down(std::size_t i) {
    for (;;) {
        std::size_t least = i;
        for (std::size_t child = 2 * i + 1; child <= 2 * i + 2 && child < heap_.size(); ++child)
            if (heap_[child]->cursor.timestamp() < heap_[least]->cursor.timestamp()) least = child;
        if (least == i) return;
        std::swap(heap_[i], heap_[least]);
        i = least;
    }
}

}  // namespace latchkey
