// SPDX-License-Identifier: Apache-2.0
#include "analyze/signal_model.h"

#include <cerrno>

namespace latchkey {

namespace {

constexpr std::uint8_t kStillWaiting = 255;
constexpr std::size_t kLateWaits = 256;
constexpr std::size_t kMaxWokenAddresses = 1u << 15;
constexpr std::uint64_t kLateWakeNs =
    1'000'000;  // a wake reported this long after the return may be its cause

std::uint64_t object_key(Object object, std::uint32_t family) {
    return std::uint64_t{family} << 8 | static_cast<std::uint8_t>(object);
}

}  // namespace

std::uint32_t SignalModel::signal_at(Process& process, std::uint64_t address, Object object,
                                     std::uint64_t init_site) {
    const std::uint64_t key = mix(address, object_key(object, process.family));
    std::uint32_t* known = by_address_.find(key);
    if (known != nullptr) {
        Signal& signal = signals_[*known];
        if (init_site == 0 || signal.init_site == 0 || init_site == signal.init_site) {
            if (init_site != 0) signal.init_site = init_site;
            if (signal.process != process.index) signal.one_process = false;
            return *known;
        }
    }
    const bool is_full = signals_.size() >= kMaxSignals;
    std::uint32_t* slot = known;
    if (is_full) {
        ++folded_;
        slot = &by_class_[mix(init_site, object_key(object, process.family))];
        if (*slot != 0) return *slot;
        if (signals_.size() >= 2 * kMaxSignals) return static_cast<std::uint32_t>(signals_.size() - 1);
    } else if (slot == nullptr) {
        slot = &by_address_[key];
    }
    Signal& signal = signals_.emplace_back();
    signal.address = is_full ? 0 : address;
    signal.init_site = init_site;
    signal.process = process.index;
    signal.object = object;
    return *slot = static_cast<std::uint32_t>(signals_.size() - 1);
}

void SignalModel::on(const Moment& moment, const record::signal_wait& event) {
    if (event.wait_ns > moment.ts) {
        ++impossible_;
        return;
    }
    const auto object = static_cast<Object>(event.object);
    // A join has no address: its place is its name.
    const std::uint64_t address = event.address != 0 ? event.address : event.site;
    const std::uint32_t index = signal_at(*moment.process, address, object, event.init_site);
    Signal& signal = signals_[index];
    if (signal.site == event.site)
        ++signal.site_votes;
    else if (signal.site_votes == 0)
        signal.site = event.site, signal.site_votes = 1;
    else
        --signal.site_votes;
    ++signal.waits;
    signal.wait_ns += event.wait_ns;
    signal.wait_max_ns = std::max(signal.wait_max_ns, event.wait_ns);
    signal.times.add(pool_, event.wait_ns);
    const auto passage = static_cast<Passage>(event.passage);
    signal.spun += passage == Passage::kSpun;
    signal.requeued += passage == Passage::kRequeuedWoken || passage == Passage::kRequeuedHanded;
    const bool open = event.result == kStillWaiting;
    // A wait that was open when the process ended is reported by another thread.
    const std::uint32_t waiter =
        open ? world_.thread_index(*moment.process, event.waiter) : moment.thread->index;
    signal.open_waits += open;
    const bool timed_out = event.result == ETIMEDOUT;
    signal.timeouts += timed_out;
    places_.at({event.site, index, waiter, event.stack, static_cast<std::uint32_t>(SignalSide::waiter)})
        .add(event.wait_ns);
    if (event.waker != 0 && !timed_out) {
        const std::uint64_t waker_ns = event.waker_ns != 0 ? event.waker_ns : moment.ts;
        woken(index, moment.thread->index,
              {waker_ns, event.waker_site, world_.thread_index(*moment.process, event.waker), 0},
              event.wait_ns, moment.ts);
    } else if (timed_out || event.result != 0) {
        SignalPair& pair = pairs_.at({index, waiter, kNone});
        pair.waits.add(event.wait_ns);
        pair.timeouts += timed_out;
    } else {
        waits_.push_back({moment.ts, event.wait_ns, mix(event.address, moment.process->family), index,
                          moment.thread->index});
        settle_until(moment.ts);
    }
}

void SignalModel::on(const Moment& moment, const record::wake& event) {
    const std::uint32_t index =
        signal_at(*moment.process, event.address, static_cast<Object>(event.object), 0);
    ++signals_[index].wakes;
    const std::uint64_t key = mix(event.address, moment.process->family);
    if (wakes_.size() >= kMaxWokenAddresses && wakes_.find(key) == nullptr) return;
    settle_until(moment.ts);  // before a newer wake takes the place of the one that some wait needs
    Wakes& wakes = wakes_[key];
    wakes.last[wakes.next++ % wakes.last.size()] = {moment.ts, event.site, moment.thread->index, event.stack};
}

void SignalModel::finish() {
    for (const Wait& wait : waits_) settle(wait);
    waits_.clear();
}

/// Settles the waits whose waker must have been seen by now.
void SignalModel::settle_until(std::uint64_t ts) {
    while (!waits_.empty() && (waits_.size() > kLateWaits || waits_.front().end_ns + kLateWakeNs < ts)) {
        settle(waits_.front());
        waits_.pop_front();
    }
}

/// Finds the waker of a wait that does not name it.
void SignalModel::settle(const Wait& wait) {
    Wake best;
    if (const Wakes* wakes = wakes_.find(wait.family_address)) {
        for (const Wake& wake : wakes->last) {
            const bool inside = wake.ts + wait.wait_ns >= wait.end_ns && wake.ts <= wait.end_ns + kLateWakeNs;
            if (wake.thread == kNone || wake.thread == wait.waiter || !inside) continue;
            const bool in_time = wake.ts <= wait.end_ns;
            const bool best_in_time = best.thread != kNone && best.ts <= wait.end_ns;
            if (best.thread == kNone ||
                (in_time ? !best_in_time || wake.ts > best.ts : !best_in_time && wake.ts < best.ts))
                best = wake;
        }
    }
    woken(wait.signal, wait.waiter, best, wait.wait_ns, wait.end_ns);
}

void SignalModel::woken(std::uint32_t index, std::uint32_t waiter, const Wake& wake, std::uint64_t wait_ns,
                        std::uint64_t end_ns) {
    pairs_.at({index, waiter, wake.thread}).waits.add(wait_ns);
    if (wake.thread == kNone && wake.site == 0) return;
    const std::uint64_t wakeup_ns = end_ns > wake.ts ? std::min(end_ns - wake.ts, wait_ns) : 0;
    signals_[index].wakeup_ns += wakeup_ns;
    places_.at({wake.site, index, wake.thread, wake.stack, static_cast<std::uint32_t>(SignalSide::waker)})
        .add(wait_ns);
}

}  // namespace latchkey
