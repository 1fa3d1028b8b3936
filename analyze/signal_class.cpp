// SPDX-License-Identifier: Apache-2.0
#include "analyze/signal_class.h"

namespace latchkey {

namespace {

/// From which share of its life on a wait is where the thread waits for work. A worker waits for its queue
/// near the start of the thread, a caller deep inside of what it was asked to do.
constexpr std::uint64_t kDominantPercent = 50;
constexpr std::uint64_t kShallowPercent = 10;
constexpr std::uint64_t kDeepPercent = 90;
constexpr int kShallowFrames = 3;
constexpr int kDeepFrames = 8;
constexpr std::uint64_t kTimedPercent = 90;  // of the waits: nobody ends them

std::uint64_t dominant_percent(int depth) {
    if (depth == 0) return kDominantPercent;
    if (depth <= kShallowFrames) return kShallowPercent;
    return depth >= kDeepFrames ? kDeepPercent : kDominantPercent;
}

std::string percent_of_life(std::uint64_t percent) {
    return percent == 0 ? "under 1 % of the waiters' life"
                        : std::to_string(percent) + " % of the waiters' life";
}

}  // namespace

Verdict classify(const WaitFacts& facts) {
    if (facts.object == Object::thread) return {WaitClass::known, "joins a thread"};
    if (facts.object == Object::barrier) return {WaitClass::known, "waits for its peers at a barrier"};
    if (facts.waits == 0) return {WaitClass::unknown, "no wait recorded"};
    if (facts.timeouts * 100 >= facts.waits * kTimedPercent)
        return {WaitClass::idle, "timed waits that nobody ended"};
    const std::uint64_t percent =
        facts.life_ns == 0 ? 0
                           : static_cast<std::uint64_t>(100.0 * static_cast<double>(facts.wait_ns) /
                                                        static_cast<double>(facts.life_ns));
    const std::uint64_t ended_ns = facts.ended_by_others_ns + facts.ended_by_peers_ns;
    const std::string share = percent_of_life(percent);
    if (facts.ended_by_peers_ns * 2 > ended_ns) return {WaitClass::known, share + ", ended by its peers"};
    const bool is_dominant = percent >= dominant_percent(facts.depth);
    if (is_dominant && facts.network_calls >= facts.waits)
        return {WaitClass::known, share + ", but the waiters serve the network"};
    if (is_dominant)
        return {WaitClass::idle, share + (ended_ns != 0 ? ", ended by other roles" : ", no waker seen")};
    if (ended_ns != 0) return {WaitClass::known, share + ", ended by other roles"};
    return {WaitClass::unknown, share + ", no waker seen"};
}

const char* name_of(WaitClass wait_class) {
    switch (wait_class) {
        case WaitClass::idle:
            return "idle";
        case WaitClass::known:
            return "known";
        case WaitClass::unknown:
            break;
    }
    return "unknown";
}

}  // namespace latchkey
