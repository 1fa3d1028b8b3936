// SPDX-License-Identifier: Apache-2.0
//
// All streams of a run as one sequence of records in time order. Ties between streams come in any order:
// they say nothing about cause.
//
// A handler has
//     template <typename Record> void event(Source&, std::uint64_t ts, std::int32_t vpid, std::int32_t vtid,
//                                           Record&);
//     void loss(std::uint32_t folder, const LossInterval&);    before the first event after the loss began
#pragma once

#include <deque>
#include <filesystem>
#include <string>
#include <vector>

#include "analyze/stream.h"
#include "analyze/world.h"

namespace latchkey {

/// A trace folder or stream that could not be read, and why.
struct Unreadable {
    std::filesystem::path path;
    std::string why;
};

/// The stream files and folders below RUN/trace.
struct TraceSet {
    std::deque<TraceFolder> folders;
    std::vector<std::vector<std::filesystem::path>> streams;  // per folder
};

/// Finds and opens every trace folder (one that holds a `metadata` file) below a directory.
TraceSet find_traces(const std::filesystem::path& directory);

/// The streams of some folders, merged. `sources[i]` of a folder's streams carry the folder's number.
class Merger {
  public:
    /// Opens the streams of the folder; unreadable ones are appended to the list.
    void add(const TraceFolder& folder, std::uint32_t number,
             const std::vector<std::filesystem::path>& streams, std::vector<Unreadable>& unreadable);

    template <typename Handler>
    void run(Handler& handler) {
        start(handler);
        while (!heap_.empty()) {
            Input& input = *heap_.front();
            const std::uint64_t limit = second_best();
            bool more = true;
            do more = deliver(input, handler);
            while (more && input.cursor.timestamp() <= limit);
            if (!more) {
                heap_.front() = heap_.back();
                heap_.pop_back();
            }
            sift_down();
        }
    }

    template <typename Use>
    void for_each_stream(Use&& use) const {
        for (const Input& input : inputs_) use(input.cursor);
    }

  private:
    struct Input {
        Input(const TraceFolder& folder, const std::filesystem::path& path, std::uint32_t number)
            : cursor(folder, path) {
            source.folder = number;
        }
        StreamCursor cursor;
        Source source;
    };

    template <typename Handler>
    void start(Handler& handler) {
        for (Input& input : inputs_) {
            if (!input.cursor.start()) continue;
            announce_loss(input, handler);
            heap_.push_back(&input);
        }
        for (std::size_t i = heap_.size(); i-- > 0;) sift_down(i);
    }

    template <typename Handler>
    static void announce_loss(Input& input, Handler& handler) {
        LossInterval loss;
        if (input.cursor.take_loss(loss)) [[unlikely]]
            handler.loss(input.source.folder, loss);
    }

    /// Hands over the event under the cursor and moves on. False: the stream has ended.
    template <typename Handler>
    static bool deliver(Input& input, Handler& handler) {
        StreamCursor& cursor = input.cursor;
        const EventPlan& plan = cursor.plan();
        const unsigned char* end = nullptr;
        with_record(plan.id, [&](auto& event) {
            end = decode(plan, cursor.payload(), cursor.packet_end(), event);
            if (end != nullptr) [[likely]]
                handler.event(input.source, cursor.timestamp(), cursor.vpid(), cursor.vtid(), event);
        });
        const bool more = cursor.advance(end);
        announce_loss(input, handler);
        return more;
    }

    std::uint64_t second_best() const;
    void sift_down(std::size_t i = 0);

    std::deque<Input> inputs_;
    std::vector<Input*> heap_;  // smallest timestamp first
};

}  // namespace latchkey
