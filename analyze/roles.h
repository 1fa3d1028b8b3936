// SPDX-License-Identifier: Apache-2.0
//
// Roles of threads: ten thousand connections fold to one row. A thread's role is its name with indexes
// folded; if it never took a name of its own, the function it runs or the one that created it; the main
// thread is `main`, or the process title where titles tell processes apart.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "analyze/places.h"
#include "analyze/world.h"

namespace latchkey {

struct Role {
    std::string name;
    std::uint64_t threads = 0;
};

class Roles {
  public:
    Roles(const World& world, Places& places);

    /// The role of a thread (by index); 0: none; kOther has a role of its own.
    std::uint32_t of(std::uint32_t thread);
    const Role& at(std::uint32_t role) const { return roles_[role - 1]; }
    const std::vector<Role>& all() const { return roles_; }

  private:
    std::string name_of(const Thread& thread) const;
    std::string title_of(const Process& process) const;
    std::string creator_of(const Thread& thread) const;
    bool has_own_name(const Thread& thread) const;
    std::uint32_t intern(const std::string& name);

    const World& world_;
    Places& places_;
    bool prefix_executables_ = false;
    std::vector<std::uint32_t> threads_per_process_;
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> by_tid_;  // process, tid -> thread
    std::vector<std::uint32_t> of_thread_;
    std::vector<Role> roles_;
    std::map<std::string, std::uint32_t> by_name_;
};

/// "writer12" -> "writer*", "io-3/8" -> "io-*/*"; digits inside words stay.
std::string fold_indexes(std::string_view name);

}  // namespace latchkey
