// SPDX-License-Identifier: Apache-2.0
#include "analyze/lock_model.h"

#include <cerrno>

namespace latchkey {

namespace {

constexpr std::uint8_t kStillWaiting = 255;
constexpr std::size_t kLateWaits = 4096;
constexpr std::size_t kMaxReleases = 512;  // of one wait that are told apart
// Releases are reported in nearly their order: so many, so far out of it, are looked through.
constexpr int kDisorder = 16;
constexpr std::uint64_t kDisorderNs = 1'000'000;

bool has_owner(Object object) {
    return object >= Object::mutex && object <= Object::spin;
}
bool has_acquired(std::uint8_t result) {
    return result == 0 || result == EOWNERDEAD;
}
/// A wait that slept stood in the lock's queue; so did one that ended otherwise, if anybody was before it.
bool has_queued(const record::lock_wait& event) {
    return event.queue != 0 || event.passage > static_cast<std::uint8_t>(Passage::kSpun);
}
bool was_requeued(std::uint8_t passage) {
    return passage == static_cast<std::uint8_t>(Passage::kRequeuedWoken) ||
           passage == static_cast<std::uint8_t>(Passage::kRequeuedHanded);
}

}  // namespace

void LockModel::push_held(const Moment& moment, std::uint64_t address, LockStats& stats) {
    std::vector<Held>& held = moment.thread->held;
    for (std::size_t i = held.size(); i-- > 0;) {
        if (held[i].address != address) continue;
        if (moment.folder->is_certain(held[i].epoch)) {
            ++held[i].depth;
            return;
        }
        held.erase(held.begin() + static_cast<std::ptrdiff_t>(i));
        break;
    }
    if (held.size() >= kMaxHeld) {
        ++totals_.forgotten_holds;
        held.erase(held.begin());
    }
    held.push_back({address, moment.ts, &stats, moment.folder->epoch, 1});
}

void LockModel::add_hold(LockStats& stats, std::uint64_t hold_ns) {
    ++stats.holds;
    stats.hold_ns += hold_ns;
    stats.hold_max_ns = std::max(stats.hold_max_ns, hold_ns);
    stats.hold_times.add(pool_, hold_ns);
}

/// Ends a hold: its length is the one reported, else that since the acquisition that was seen, else not
/// known.
void LockModel::end_hold(const Moment& moment, const Held& held, std::uint64_t release_ns,
                         std::uint64_t known_hold_ns) {
    if (known_hold_ns != 0)
        add_hold(*held.stats, known_hold_ns);
    else if (!moment.folder->is_certain(held.epoch))
        ++totals_.uncertain_holds;
    else
        add_hold(*held.stats, release_ns > held.since_ns ? release_ns - held.since_ns : 0);
}

/// Takes a lock off the thread's list of held ones. False: it was not there.
bool LockModel::pop_held(const Moment& moment, std::uint64_t address, std::uint64_t release_ns,
                         std::uint64_t known_hold_ns) {
    std::vector<Held>& held = moment.thread->held;
    for (std::size_t i = held.size(); i-- > 0;) {
        if (held[i].address != address) continue;
        if (--held[i].depth > 0) return true;
        end_hold(moment, held[i], release_ns, known_hold_ns);
        if (i + 1 != held.size())
            std::move(held.begin() + static_cast<std::ptrdiff_t>(i) + 1, held.end(),
                      held.begin() + static_cast<std::ptrdiff_t>(i));
        held.pop_back();
        return true;
    }
    return false;
}

void LockModel::on(const Moment& moment, const record::lock_acquired& event) {
    moment.process->level = 2;
    const auto object = static_cast<Object>(event.object);
    if (!has_owner(object)) return;
    Lock& lock = table_.at(*moment.process, event.lock, object, 0);
    lock.vote(event.site);
    LockStats& stats = table_.stats_of(lock, object);
    if (!has_acquired(event.result)) {
        ++stats.failed;
        return;
    }
    ++stats.acquired;
    push_held(moment, event.lock, stats);
}

void LockModel::on(const Moment& moment, const record::lock_released& event) {
    if (!has_owner(static_cast<Object>(event.object))) return;
    if (!pop_held(moment, event.lock, moment.ts, 0)) ++totals_.orphan_releases;
}

void LockModel::on(const Moment& moment, const record::lock_wait& event) {
    const auto object = static_cast<Object>(event.object);
    if (!has_owner(object)) return;
    if (event.wait_ns > moment.ts) {
        ++totals_.impossible_waits;
        return;
    }
    Lock& lock = table_.at(*moment.process, event.lock, object, event.init_site);
    if (object == Object::mutex) lock.set_kind(event.kind);
    lock.vote(event.site);
    LockStats& stats = table_.stats_of(lock, object);
    ++stats.contended;
    stats.wait_ns += event.wait_ns;
    stats.wait_max_ns = std::max(stats.wait_max_ns, event.wait_ns);
    stats.waits.add(pool_, event.wait_ns);
    stats.passages.add(event.passage);
    if (has_queued(event)) stats.passages.add_queue(event.queue);
    const bool open = event.result == kStillWaiting;
    // A wait that was open when the process ended is reported by another thread.
    const std::uint32_t waiter =
        open ? world_.thread_index(*moment.process, event.waiter) : moment.thread->index;
    stats.open_waits += open;
    stats.timeouts += event.result == ETIMEDOUT;
    stats.failed += !open && !has_acquired(event.result);
    places_.at({event.site, stats.index, waiter, event.stack, static_cast<std::uint32_t>(LockSide::waiter)})
        .add(event.wait_ns);
    totals_.waited_ns += event.wait_ns;
    waits_.push_back({moment.ts, event.wait_ns, event.owner_site, &stats, waiter,
                      world_.thread_index(*moment.process, event.owner), open, lock.last_release});
    if (waits_.size() > kLateWaits) {
        settle(waits_.front());
        waits_.pop_front();
    }
    if (has_acquired(event.result) && moment.process->level == 2) {
        ++stats.acquired;
        push_held(moment, event.lock, stats);
    }
}

void LockModel::on(const Moment& moment, const record::signal_wait& event) {
    if (event.mutex == 0 || !was_requeued(event.passage) || event.wait_ns > moment.ts) return;
    Lock& lock = table_.at(*moment.process, event.mutex, Object::mutex, 0);
    table_.stats_of(lock, Object::mutex).passages.add(event.passage);
}

void LockModel::on(const Moment& moment, const record::lock_contended_release& event) {
    const auto object = static_cast<Object>(event.object);
    if (!has_owner(object)) return;
    const std::uint64_t release_ns = event.release_ns != 0 ? event.release_ns : moment.ts;
    const std::uint64_t hold_ns = event.hold_ns <= release_ns ? event.hold_ns : 0;
    Lock& lock = table_.at(*moment.process, event.lock, object, 0);
    lock.vote(event.acquire_site);
    LockStats& stats = table_.stats_of(lock, object);
    if (!pop_held(moment, event.lock, release_ns, hold_ns)) {
        if (hold_ns != 0)
            add_hold(stats, hold_ns);
        else if (moment.process->level == 2)
            ++totals_.orphan_releases;
    }
    releases_.append(lock.last_release, {release_ns, hold_ns, event.acquire_site, event.site,
                                         moment.thread->index, event.stack, is_shared(object)});
    if (lock.first_release == 0) lock.first_release = lock.last_release;
}

void LockModel::on(const Moment& moment, const record::lock_created& event) {
    const auto object = static_cast<Object>(event.object);
    if (!has_owner(object)) return;
    Lock& lock = table_.at(*moment.process, event.lock, object, event.site);
    if (object == Object::mutex) lock.set_kind(event.kind);
}

void LockModel::on(const Moment& moment, const record::lock_destroyed& event) {
    Lock* lock = table_.find(*moment.process, event.lock);
    if (lock != nullptr && lock->address == event.lock) lock->destroyed = true;
}

std::uint32_t LockModel::io_under(const Moment& moment, std::uint64_t address, std::uint64_t acquire_site,
                                  std::uint64_t duration_ns) {
    Lock* known = table_.find(*moment.process, address);
    Lock& lock = known != nullptr ? *known : table_.at(*moment.process, address, Object::mutex, 0);
    if (acquire_site != 0) lock.vote(acquire_site);
    const bool is_read_only = lock.stats[0] == nullptr && lock.stats[1] != nullptr;
    LockStats& stats = table_.stats_of(lock, is_read_only ? Object::rwlock_read : lock.object);
    stats.io_ns += duration_ns;
    ++stats.io_calls;
    return stats.index;
}

void LockModel::finish() {
    for (const Wait& wait : waits_) settle(wait);
    waits_.clear();
}

/// Collects the contended releases inside the wait in time order.
void LockModel::find_releases(const Wait& wait, std::uint64_t begin) {
    within_.clear();
    int outside = 0;
    // `beyond_ns`: how far outside of the wait the release lies, on the side that is walked to. False: far
    // enough.
    const auto consider = [&](const Release& release, std::uint64_t beyond_ns) {
        if (beyond_ns > kDisorderNs) return false;
        outside = beyond_ns != 0 ? outside + 1 : 0;
        if (release.release_ns > begin && release.release_ns <= wait.end_ns && release.thread != wait.waiter)
            within_.push_back(&release);
        return outside < kDisorder && within_.size() < kMaxReleases;
    };
    ReleaseLog::Ticket ticket = wait.anchor;
    while (const Release* release = releases_.find(ticket)) {
        if (!consider(*release, begin >= release->release_ns ? begin - release->release_ns + 1 : 0)) break;
        ticket = releases_.before(ticket);
    }
    outside = 0;
    ticket = wait.anchor != 0 ? releases_.after(wait.anchor) : wait.stats->lock->first_release;
    while (const Release* release = releases_.find(ticket)) {
        if (!consider(*release, release->release_ns > wait.end_ns ? release->release_ns - wait.end_ns : 0))
            break;
        ticket = releases_.after(ticket);
    }
    std::sort(within_.begin(), within_.end(),
              [](const Release* a, const Release* b) { return a->release_ns < b->release_ns; });
}

/// Divides one wait among those who had the lock; keeps INV-BLAME.
void LockModel::settle(const Wait& wait) {
    std::uint64_t at = wait.end_ns - wait.wait_ns;
    Share last{wait.owner_site, wait.owner, nullptr};
    std::uint64_t last_ns = 0;  // its part so far: the hold, then the hand-over
    find_releases(wait, at);
    for (std::size_t i = 0; i < within_.size(); ++i) {
        const Release& release = *within_[i];
        const std::uint64_t hold_begin =
            release.hold_ns == 0 ? at : std::max(at, release.release_ns - release.hold_ns);
        charge(wait, last, last_ns + (hold_begin - at));
        last_ns = share_hold(wait, i, hold_begin);
        at = release.release_ns;
        last = {release.acquire_site, release.thread, &release};
    }
    charge(wait, last, last_ns + (wait.end_ns - at));
}

/// Readers who also hold between `begin` and the release are charged their equal parts of that time. Returns
/// the part that is left for the release's own hold.
std::uint64_t LockModel::share_hold(const Wait& wait, std::size_t index, std::uint64_t begin) {
    const Release& release = *within_[index];
    std::uint64_t left = release.release_ns - begin;
    const auto shares = [&](const Release& other) {
        return release.shared && other.shared && other.hold_ns != 0 &&
               other.release_ns - other.hold_ns <= begin;
    };
    std::uint64_t sharers = 1;
    for (std::size_t i = index + 1; i < within_.size(); ++i) sharers += shares(*within_[i]);
    const std::uint64_t part = left / sharers;
    for (std::size_t i = index + 1; i < within_.size() && sharers > 1; ++i) {
        if (!shares(*within_[i])) continue;
        charge(wait, {within_[i]->acquire_site, within_[i]->thread, within_[i]}, part);
        left -= part;
    }
    return left;
}

void LockModel::charge(const Wait& wait, const Share& share, std::uint64_t ns) {
    if (ns == 0) return;
    const bool owned = share.site != 0 || share.thread != kNone;
    std::uint64_t& total = wait.open ? totals_.open_ns : owned ? totals_.charged_ns : totals_.unowned_ns;
    total += ns;
    const std::uint32_t record = wait.stats->index;
    places_.at({share.site, record, share.thread, 0, static_cast<std::uint32_t>(LockSide::holder)}).add(ns);
    if (share.release != nullptr)
        places_
            .at({share.release->release_site, record, share.thread, share.release->stack,
                 static_cast<std::uint32_t>(LockSide::release)})
            .add(ns);
    pairs_.at({record, wait.waiter, share.thread}).add(ns);
}

}  // namespace latchkey
