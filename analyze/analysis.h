// SPDX-License-Identifier: Apache-2.0
//
// The pass over the events: hands each record to the models that care about it.
#pragma once

#include <array>
#include <cstdint>

#include "analyze/io_model.h"
#include "analyze/lock_model.h"
#include "analyze/signal_model.h"
#include "analyze/world.h"

namespace latchkey {

/// A setting of a priority, as often as the program made it.
struct PriorityKey {
    std::uint32_t process = 0, tid = 0;
    std::int64_t target = 0;
    std::uint64_t site = 0;
    std::int32_t value = 0, result = 0;
    std::uint32_t call = 0;
    bool operator==(const PriorityKey&) const = default;
    PriorityKey folded() const { return {process, 0, 0, kOtherSite, 0, 0, call}; }
};
inline std::uint64_t hash_of(const PriorityKey& key) {
    const std::uint64_t what =
        mix(static_cast<std::uint64_t>(key.target), std::uint64_t{key.call} << 32 | key.tid);
    const std::uint64_t how =
        static_cast<std::uint64_t>(key.value) << 32 ^ static_cast<std::uint32_t>(key.result);
    return mix(what ^ key.site, how + key.process);
}

class Analysis {
  public:
    Analysis()
        : locks(world), signals(world, locks.pool()), io(world, locks, locks.pool()), priorities(2048) {}

    World world;
    LockModel locks;
    SignalModel signals;
    IoModel io;
    BoundedTable<PriorityKey, std::uint64_t> priorities;
    std::uint64_t events = 0;
    std::uint64_t first_ns = UINT64_MAX, last_ns = 0;

    // The handler of reader.h and bt_reader.h.
    template <typename Record>
    void event(Source& source, std::uint64_t ts, std::int32_t vpid, std::int32_t vtid, const Record& record) {
        ++events;
        if (ts < first_ns) [[unlikely]]
            first_ns = ts;
        if (ts > last_ns) last_ns = ts;
        take(world.moment(source, ts, vpid, vtid), record);
    }
    void loss(std::uint32_t folder, const LossInterval& loss) { world.add_loss(folder, loss); }

    /// Call once, after the last event.
    void finish() {
        locks.finish();
        signals.finish();
    }

  private:
    template <typename Record>
    void take(const Moment& moment, const Record& record) {
        if constexpr (requires { locks.on(moment, record); }) locks.on(moment, record);
        if constexpr (requires { signals.on(moment, record); }) signals.on(moment, record);
        if constexpr (requires { io.on(moment, record); }) io.on(moment, record);
        if constexpr (requires { world.on(moment, record); }) world.on(moment, record);
        if constexpr (requires { on(moment, record); }) on(moment, record);
    }

    void on(const Moment& moment, const record::priority_set& event) {
        ++priorities.at({moment.process->index, moment.thread->tid, event.target, event.site, event.value,
                         event.result, event.call});
    }
};

}  // namespace latchkey
