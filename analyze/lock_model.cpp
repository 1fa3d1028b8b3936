// SPDX-License-Identifier: Apache-2.0
#include "analyze/lock_model.h"

#include <cerrno>

namespace latchkey {

namespace {

constexpr std::uint8_t kStillWaiting = 255;
constexpr std::size_t kLateWaits = 4096;

bool is_shared(Object object) {
    return object == Object::rwlock_read;
}
bool has_owner(Object object) {
    return object >= Object::mutex && object <= Object::spin;
}
bool has_acquired(std::uint8_t result) {
    return result == 0 || result == EOWNERDEAD;
}

/// Read and write side are one lock.
Object lock_object(Object object) {
    return is_shared(object) ? Object::rwlock_write : object;
}

}  // namespace

std::uint32_t LockModel::new_lock(Process& process, std::uint64_t address, Object object,
                                  std::uint64_t init_site) {
    if (locks_.size() < kMaxLocks) {
        Lock& lock = locks_.emplace_back();
        lock.address = address;
        lock.init_site = init_site;
        lock.process = process.index;
        lock.object = object;
        return static_cast<std::uint32_t>(locks_.size() - 1);
    }
    ++totals_.folded_locks;
    const std::uint64_t key =
        mix(init_site, std::uint64_t{process.index} << 8 | static_cast<std::uint8_t>(object));
    std::uint32_t* known = by_class_.find(key);
    if (known == nullptr) {
        if (locks_.size() >= 2 * kMaxLocks) return static_cast<std::uint32_t>(locks_.size() - 1);
        Lock& lock = locks_.emplace_back();
        lock.init_site = init_site;
        lock.process = process.index;
        lock.object = object;
        lock.instances = 0;
        known = &(by_class_[key] = static_cast<std::uint32_t>(locks_.size() - 1));
    }
    return *known;
}

/// The record of the lock that lives at the address now. A different init site, a different kind of object
/// or a destroy call in between means another lock at a reused address.
std::uint32_t LockModel::lock_at(Process& process, std::uint64_t address, Object object,
                                 std::uint64_t init_site) {
    if (process.index >= by_address_.size()) by_address_.resize(process.index + 1);
    FlatMap<std::uint64_t, std::uint32_t>& map = by_address_[process.index];
    object = lock_object(object);
    std::uint32_t* known = map.find(address);
    if (known != nullptr) {
        Lock& lock = locks_[*known];
        const bool other_site = init_site != 0 && lock.init_site != 0 && init_site != lock.init_site;
        if (lock.object == object && !other_site && !lock.destroyed) [[likely]] {
            if (init_site != 0) lock.init_site = init_site;
            return *known;
        }
    }
    const std::uint32_t lock = new_lock(process, address, object, init_site);
    if (known == nullptr && map.size() >= 2 * kMaxLocks) return lock;
    (known != nullptr ? *known : map[address]) = lock;
    if (locks_[lock].address != address) ++locks_[lock].instances;
    return lock;
}

LockStats& LockModel::stats_of(std::uint32_t lock, Object object) {
    std::uint32_t& index = locks_[lock].stats[is_shared(object)];
    if (index == kNone) [[unlikely]] {
        index = static_cast<std::uint32_t>(stats_.size());
        LockStats& stats = stats_.emplace_back();
        stats.lock = lock;
        stats.object = object;
    }
    return stats_[index];
}

/// Boyer-Moore majority vote.
void LockModel::vote(Lock& lock, std::uint64_t site) {
    if (lock.site == site)
        ++lock.site_votes;
    else if (lock.site_votes == 0)
        lock.site = site, lock.site_votes = 1;
    else
        --lock.site_votes;
}

void LockModel::push_held(const Moment& moment, std::uint64_t address, std::uint32_t lock, Object object) {
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
    held.push_back({address, moment.ts, lock, moment.folder->epoch, 1, object});
}

void LockModel::add_hold(LockStats& stats, std::uint64_t hold_ns) {
    ++stats.holds;
    stats.hold_ns += hold_ns;
    stats.hold_max_ns = std::max(stats.hold_max_ns, hold_ns);
    stats.hold_times.add(pool_, hold_ns);
}

/// Ends a hold: its length is the one reported, else that since the acquisition that was seen, else not
/// known.
void LockModel::pop_held(const Moment& moment, std::uint64_t address, std::uint64_t release_ns,
                         std::uint64_t known_hold_ns, Object object) {
    std::vector<Held>& held = moment.thread->held;
    for (std::size_t i = held.size(); i-- > 0;) {
        if (held[i].address != address) continue;
        if (--held[i].depth > 0) return;
        const Held ended = held[i];
        held.erase(held.begin() + static_cast<std::ptrdiff_t>(i));
        LockStats& stats = stats_of(ended.lock, ended.object);
        if (known_hold_ns != 0)
            add_hold(stats, known_hold_ns);
        else if (!moment.folder->is_certain(ended.epoch))
            ++totals_.uncertain_holds;
        else
            add_hold(stats, release_ns > ended.since_ns ? release_ns - ended.since_ns : 0);
        return;
    }
    if (known_hold_ns != 0)
        add_hold(stats_of(lock_at(*moment.process, address, object, 0), object), known_hold_ns);
    else
        ++totals_.orphan_releases;
}

void LockModel::on(const Moment& moment, const record::lock_acquired& event) {
    const auto object = static_cast<Object>(event.object);
    moment.process->level = 2;
    if (!has_owner(object)) return;
    const std::uint32_t lock = lock_at(*moment.process, event.lock, object, 0);
    vote(locks_[lock], event.site);
    LockStats& stats = stats_of(lock, object);
    if (!has_acquired(event.result)) {
        ++stats.failed;
        return;
    }
    ++stats.acquired;
    push_held(moment, event.lock, lock, object);
}

void LockModel::on(const Moment& moment, const record::lock_released& event) {
    if (!has_owner(static_cast<Object>(event.object))) return;
    pop_held(moment, event.lock, moment.ts, 0, static_cast<Object>(event.object));
}

void LockModel::on(const Moment& moment, const record::lock_wait& event) {
    const auto object = static_cast<Object>(event.object);
    if (!has_owner(object)) return;
    if (event.wait_ns > moment.ts) {
        ++totals_.impossible_waits;
        return;
    }
    const std::uint32_t index = lock_at(*moment.process, event.lock, object, event.init_site);
    Lock& lock = locks_[index];
    if (event.kind != 0) lock.kind = event.kind;
    vote(lock, event.site);
    LockStats& stats = stats_of(index, object);
    ++stats.contended;
    stats.wait_ns += event.wait_ns;
    stats.wait_max_ns = std::max(stats.wait_max_ns, event.wait_ns);
    stats.waits.add(pool_, event.wait_ns);
    const bool open = event.result == kStillWaiting;
    // A wait that was open when the process ended is reported by another thread.
    const std::uint32_t waiter =
        open ? world_.thread_index(*moment.process, event.waiter) : moment.thread->index;
    stats.open_waits += open;
    stats.timeouts += event.result == ETIMEDOUT;
    stats.failed += !open && !has_acquired(event.result);
    const std::uint32_t stats_index = lock.stats[is_shared(object)];
    places_.at({event.site, stats_index, waiter, event.stack, static_cast<std::uint32_t>(LockSide::waiter)})
        .add(event.wait_ns);
    totals_.waited_ns += event.wait_ns;
    waits_.push_back({moment.ts, event.wait_ns, event.owner_site, stats_index, waiter,
                      world_.thread_index(*moment.process, event.owner), open, lock.last_release});
    if (waits_.size() > kLateWaits) {
        settle(waits_.front());
        waits_.pop_front();
    }
    if (!has_acquired(event.result)) return;
    if (moment.process->level == 2) {
        ++stats.acquired;
        push_held(moment, event.lock, index, object);
    }
}

void LockModel::on(const Moment& moment, const record::lock_contended_release& event) {
    const auto object = static_cast<Object>(event.object);
    if (!has_owner(object)) return;
    const std::uint64_t release_ns = event.release_ns != 0 ? event.release_ns : moment.ts;
    std::uint64_t hold_ns = event.hold_ns <= release_ns ? event.hold_ns : 0;
    Lock& lock = locks_[lock_at(*moment.process, event.lock, object, 0)];
    pop_held(moment, event.lock, release_ns, hold_ns, object);
    releases_.append(lock.last_release, {release_ns, hold_ns, event.acquire_site, event.site,
                                         moment.thread->index, event.stack, is_shared(object)});
    if (lock.first_release == 0) lock.first_release = lock.last_release;
}

void LockModel::on(const Moment& moment, const record::lock_created& event) {
    const auto object = static_cast<Object>(event.object);
    if (!has_owner(object)) return;
    const std::uint32_t lock = lock_at(*moment.process, event.lock, object, event.site);
    locks_[lock].kind = event.kind;
}

void LockModel::on(const Moment& moment, const record::lock_destroyed& event) {
    if (!has_owner(static_cast<Object>(event.object)) || moment.process->index >= by_address_.size()) return;
    if (const std::uint32_t* known = by_address_[moment.process->index].find(event.lock))
        locks_[*known].destroyed = locks_[*known].address == event.lock;
}

std::uint32_t LockModel::io_under(const Moment& moment, std::uint64_t address, std::uint64_t duration_ns) {
    if (moment.process->index >= by_address_.size()) by_address_.resize(moment.process->index + 1);
    const std::uint32_t* known = by_address_[moment.process->index].find(address);
    const std::uint32_t lock =
        known != nullptr ? *known : lock_at(*moment.process, address, Object::mutex, 0);
    const bool only_shared = locks_[lock].stats[0] == kNone && locks_[lock].stats[1] != kNone;
    LockStats& stats = stats_of(lock, only_shared ? Object::rwlock_read : locks_[lock].object);
    stats.io_ns += duration_ns;
    ++stats.io_calls;
    return locks_[lock].stats[only_shared];
}

void LockModel::finish() {
    for (const Wait& wait : waits_) settle(wait);
    waits_.clear();
}

/// The contended releases inside the wait, in time order.
void LockModel::releases_within(const Wait& wait, std::uint64_t begin,
                                std::vector<const Release*>& found) const {
    constexpr std::size_t kMaxReleases = 512;
    found.clear();
    const auto consider = [&](const Release& release) {
        if (release.release_ns > begin && release.release_ns <= wait.end_ns && release.thread != wait.waiter)
            found.push_back(&release);
    };
    ReleaseLog::Ticket ticket = wait.anchor;
    for (; const Release* release = releases_.find(ticket); ticket = releases_.before(ticket)) {
        if (release->release_ns <= begin || found.size() >= kMaxReleases) break;
        consider(*release);
    }
    ticket = wait.anchor != 0 ? releases_.after(wait.anchor) : locks_[stats_[wait.stats].lock].first_release;
    for (; const Release* release = releases_.find(ticket); ticket = releases_.after(ticket)) {
        if (release->release_ns > wait.end_ns || found.size() >= kMaxReleases) break;
        consider(*release);
    }
    std::sort(found.begin(), found.end(),
              [](const Release* a, const Release* b) { return a->release_ns < b->release_ns; });
}

/// Divides one wait among those who had the lock; keeps INV-BLAME.
void LockModel::settle(const Wait& wait) {
    std::uint64_t at = wait.end_ns - wait.wait_ns;
    Share last{wait.owner_site, wait.owner, nullptr};
    releases_within(wait, at, within_);
    for (std::size_t i = 0; i < within_.size(); ++i) {
        const Release& release = *within_[i];
        if (release.hold_ns != 0 && release.release_ns - release.hold_ns > at) {
            const std::uint64_t begin = release.release_ns - release.hold_ns;
            charge(wait, last, begin - at);
            at = begin;
        }
        charge_hold(wait, i, at);
        at = release.release_ns;
        last = {release.acquire_site, release.thread, &release};
    }
    charge(wait, last, wait.end_ns - at);
}

/// Charges the time from `begin` to the release to its hold; readers who also hold then share it equally.
void LockModel::charge_hold(const Wait& wait, std::size_t index, std::uint64_t begin) {
    const Release& release = *within_[index];
    std::uint64_t left = release.release_ns - begin;
    std::uint64_t sharers = 1;
    const auto shares = [&](const Release& other) {
        return release.shared && other.shared && other.hold_ns != 0 &&
               other.release_ns - other.hold_ns <= begin;
    };
    for (std::size_t i = index + 1; i < within_.size(); ++i) sharers += shares(*within_[i]);
    const std::uint64_t part = left / sharers;
    for (std::size_t i = index + 1; i < within_.size() && sharers > 1; ++i) {
        if (!shares(*within_[i])) continue;
        charge(wait, {within_[i]->acquire_site, within_[i]->thread, within_[i]}, part);
        left -= part;
    }
    charge(wait, {release.acquire_site, release.thread, &release}, left);
}

void LockModel::charge(const Wait& wait, const Share& share, std::uint64_t ns) {
    if (ns == 0) return;
    const bool owned = share.site != 0 || share.thread != kNone;
    std::uint64_t& total = wait.open ? totals_.open_ns : owned ? totals_.charged_ns : totals_.unowned_ns;
    total += ns;
    places_.at({share.site, wait.stats, share.thread, 0, static_cast<std::uint32_t>(LockSide::holder)})
        .add(ns);
    if (share.release != nullptr)
        places_
            .at({share.release->release_site, wait.stats, share.thread, share.release->stack,
                 static_cast<std::uint32_t>(LockSide::release)})
            .add(ns);
    pairs_.at({wait.stats, wait.waiter, share.thread}).add(ns);
}

}  // namespace latchkey
