// SPDX-License-Identifier: Apache-2.0
//
// Recorded I/O calls: per file class, function and thread; and which locks were held across them.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>

#include "analyze/histogram.h"
#include "analyze/lock_model.h"
#include "analyze/tally.h"
#include "analyze/world.h"

namespace latchkey {

/// Files whose names differ in digits only are one: "db/*.log". The sole name is kept while it is alone.
class FileNames {
  public:
    /// The id of the file's class; 0 stands for "no file".
    std::uint32_t id_of(std::string_view path);
    /// The name to show: the path itself if only one file is in the class.
    std::string name(std::uint32_t id) const;
    std::uint64_t instances(std::uint32_t id) const { return files_[id].instances; }
    std::size_t size() const { return files_.size(); }

    FileNames() : files_(1) {}

  private:
    static constexpr std::size_t kMaxClasses = 4096;
    static constexpr std::size_t kMaxPaths = 1u << 16;
    struct FileClass {
        std::string pattern, sole;
        std::uint64_t instances = 0;
    };
    std::map<std::string, std::uint32_t, std::less<>> paths_;
    std::map<std::string, std::uint32_t, std::less<>> patterns_;
    std::deque<FileClass> files_;
};

struct IoKey {
    std::uint32_t file = 0;
    std::uint32_t thread = kNone;
    std::uint32_t call = 0;
    bool operator==(const IoKey&) const = default;
    IoKey folded() const { return {0, kOther, call}; }
};
inline std::uint64_t hash_of(const IoKey& key) {
    return mix(std::uint64_t{key.file} << 32 | key.call, key.thread);
}

struct IoStats {
    Tally calls;
    std::uint64_t errors = 0, bytes = 0;
    Histogram times;
};

/// An I/O call made while a lock was held. `record` of the place is the lock's stats.
struct UnderLockKey {
    PlaceKey place;
    std::uint32_t file = 0;
    std::uint32_t call = 0;
    bool operator==(const UnderLockKey&) const = default;
    UnderLockKey folded() const { return {place.folded(), 0, call}; }
};
inline std::uint64_t hash_of(const UnderLockKey& key) {
    return mix(hash_of(key.place), std::uint64_t{key.file} << 32 | key.call);
}

class IoModel {
  public:
    static constexpr std::size_t kMaxRows = 1u << 15;

    IoModel(World& world, LockModel& locks, HistogramPool& pool)
        : world_(world), locks_(locks), pool_(pool), calls_(kMaxRows), under_locks_(kMaxRows) {}

    void on(const Moment& moment, const record::io& event);

    FileNames& files() { return files_; }
    const BoundedTable<IoKey, IoStats>& calls() const { return calls_; }
    const BoundedTable<UnderLockKey, Tally>& under_locks() const { return under_locks_; }

  private:
    static constexpr std::uint32_t kMaxHeld = 8;
    std::uint32_t file_of(const Process& process, std::uint32_t file);

    World& world_;
    LockModel& locks_;
    HistogramPool& pool_;
    FileNames files_;
    FlatMap<std::uint64_t, std::uint32_t> known_files_;  // process << 32 | file number -> class + 1
    BoundedTable<IoKey, IoStats> calls_;
    BoundedTable<UnderLockKey, Tally> under_locks_;
};

}  // namespace latchkey
