// SPDX-License-Identifier: Apache-2.0
//
// Feeds records straight into an Analysis, without a trace: for tests of the models.
#pragma once

#include "analyze/analysis.h"

namespace latchkey::testing {

class Feed {
  public:
    static constexpr std::int32_t kPid = 100;

    Feed() { source_.folder = analysis.world.add_folder(); }

    /// An event of a thread of process kPid.
    template <typename Record>
    void emit(std::uint64_t ts, std::int32_t tid, const Record& event) {
        emit_in(kPid, ts, tid, event);
    }
    template <typename Record>
    void emit_in(std::int32_t pid, std::uint64_t ts, std::int32_t tid, const Record& event) {
        analysis.event(source_, ts, pid, tid, event);
    }
    void lose(std::uint64_t begin, std::uint64_t end) { analysis.loss(source_.folder, {begin, end}); }

    Analysis analysis;

  private:
    Source source_;
};

inline record::lock_acquired acquired(std::uint64_t lock, std::uint64_t site, Object object = Object::mutex,
                                      std::uint8_t result = 0) {
    record::lock_acquired event;
    event.lock = lock;
    event.site = site;
    event.object = static_cast<std::uint8_t>(object);
    event.result = result;
    return event;
}

inline record::lock_released released(std::uint64_t lock, Object object = Object::mutex) {
    record::lock_released event;
    event.lock = lock;
    event.object = static_cast<std::uint8_t>(object);
    return event;
}

inline record::lock_wait waited(std::uint64_t lock, std::uint64_t wait_ns, std::uint32_t owner,
                                std::uint64_t owner_site, Object object = Object::mutex) {
    record::lock_wait event;
    event.lock = lock;
    event.site = 0x900;
    event.wait_ns = wait_ns;
    event.owner = owner;
    event.owner_site = owner_site;
    event.object = static_cast<std::uint8_t>(object);
    return event;
}

inline record::lock_contended_release contended_release(std::uint64_t lock, std::uint64_t release_ns,
                                                        std::uint64_t hold_ns, std::uint64_t acquire_site,
                                                        Object object = Object::mutex) {
    record::lock_contended_release event;
    event.lock = lock;
    event.site = acquire_site + 8;
    event.acquire_site = acquire_site;
    event.release_ns = release_ns;
    event.hold_ns = hold_ns;
    event.object = static_cast<std::uint8_t>(object);
    return event;
}

/// Time charged to holders that acquired at the site; 0: to nobody.
inline std::uint64_t charged_to(const LockModel& locks, std::uint64_t site) {
    std::uint64_t ns = 0;
    locks.places().for_each([&](const PlaceKey& key, const Tally& tally) {
        if (key.side == static_cast<std::uint32_t>(LockSide::holder) && key.site == site) ns += tally.ns;
    });
    return ns;
}

}  // namespace latchkey::testing
