// SPDX-License-Identifier: Apache-2.0
//
// A handler of records (reader.h) behind virtual functions, one per event: for readers that are not
// templates. The dump and the babeltrace2 reader use it; the fast path does not.
#pragma once

#include <cstdint>

#include "analyze/events.h"
#include "analyze/world.h"

namespace latchkey {

class RecordSink {
  public:
    virtual ~RecordSink() = default;
    virtual void loss(std::uint32_t folder, const LossInterval& loss) = 0;
#define EVENT(name, help, ...) \
    virtual void event(Source&, std::uint64_t ts, std::int32_t vpid, std::int32_t vtid, record::name&) = 0;
#include "preload/events.def"
#undef EVENT
};

template <typename Handler>
class SinkFor final : public RecordSink {
  public:
    explicit SinkFor(Handler& handler) : handler_(handler) {}
    void loss(std::uint32_t folder, const LossInterval& loss) override { handler_.loss(folder, loss); }
#define EVENT(name, help, ...)                                                                          \
    void event(Source& source, std::uint64_t ts, std::int32_t vpid, std::int32_t vtid, record::name& e) \
        override {                                                                                      \
        handler_.event(source, ts, vpid, vtid, e);                                                      \
    }
#include "preload/events.def"
#undef EVENT

  private:
    Handler& handler_;
};

}  // namespace latchkey
