// SPDX-License-Identifier: Apache-2.0
#include "preload/stack.h"

#include <dlfcn.h>

#include "preload/counters_file.h"
#include "preload/emit.h"
#include "preload/loader.h"
#include "preload/real.h"
#include "preload/say.h"
#include "runtime/address_map.h"

namespace latchkey {
namespace {

constexpr int kMaxFrames = 64;
constexpr int kOwnFrames = 8;  // at most, between the capture and the wrapper's caller

using Backtrace = int (*)(void**, int);
constinit Backtrace unwind_backtrace = nullptr;

// libunwind's locks know nothing of fork: a child made while another thread walks would wait for one of them
// for ever. So a fork waits until no walk is under way, and none begins meanwhile.
constinit std::atomic<int> walks{0};  // under way; a child's copy says how it was at the moment of the fork
constinit std::atomic<int> forks{0};  // about to happen
constexpr uint64_t kForkPatienceNs = 100 * 1000 * 1000;

// libunwind reads through a pipe to learn whether memory is there: a cancellation point, which the program's
// call is not.
class Walk {
  public:
    Walk() {
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_state_);
        if (forks.load(std::memory_order_relaxed) != 0) return;
        walks.fetch_add(1, std::memory_order_seq_cst);
        is_allowed_ = forks.load(std::memory_order_seq_cst) == 0;  // [A] pairs with hold_walks
        if (!is_allowed_) walks.fetch_sub(1, std::memory_order_release);
    }
    ~Walk() {
        if (is_allowed_) walks.fetch_sub(1, std::memory_order_release);
        pthread_setcancelstate(cancel_state_, &cancel_state_);
    }
    Walk(const Walk&) = delete;
    Walk& operator=(const Walk&) = delete;

    // The frames of the calling thread, innermost first; 0 when a fork is on its way.
    int run(void** frames, int most) const { return is_allowed_ ? unwind_backtrace(frames, most) : 0; }
    bool is_allowed() const { return is_allowed_; }

  private:
    bool is_allowed_ = false;
    int cancel_state_;
};

// Hash of the frames -> 1. The index, plus one, is the stack's id.
constinit AddressMap<65536> seen;

uint64_t hash_frames(void* const* frames, int count) {
    uint64_t hash = 0xcbf29ce484222325ull;
    for (int i = 0; i < count; i++)
        hash = (hash ^ reinterpret_cast<uint64_t>(frames[i])) * 0x9e3779b97f4a7c15ull;
    return hash | 2;  // neither 0 nor 1: see AddressMap::put
}

// Where the program's frames begin: at the return address of the wrapper's caller; the frames before it are
// ours.
int first_of_program(void* const* frames, int count, Site site) {
    for (int i = 0; i < count && i < kOwnFrames; i++)
        if (reinterpret_cast<Site>(frames[i]) == site) return i;
    return 0;
}

}  // namespace

void load_unwinder() {
    real::dlopen("libgcc_s.so.1",
                 RTLD_NOW | RTLD_LOCAL);  // glibc's need at the first cancellation, perhaps too late
    void* library = real::dlopen("libunwind.so.8", RTLD_NOW | RTLD_LOCAL);
    if (library != nullptr) unwind_backtrace = reinterpret_cast<Backtrace>(dlsym(library, "unw_backtrace"));
    if (unwind_backtrace != nullptr) return;
    static constinit std::atomic<bool> said{false};
    say_once(said, "no call stacks: libunwind.so.8 cannot be loaded; install the package libunwind8");
}

void prepare_stacks(ThreadRecord& record) {
    if (unwind_backtrace == nullptr || record.stack_readiness != kStackUntouched) return;
    const Walk walk;
    void* frames[4];
    walk.run(frames, 4);
    if (walk.is_allowed()) record.stack_readiness = kStackReady;
}

uint32_t capture_stack(ThreadRecord& record, Site site) {
    if (record.stack_readiness != kStackReady || !is_tracing()) return 0;
    if (are_modules_stale()) {  // frames of a module that is not in the snapshot would be remembered as
                                // unwalkable
        if (!record.held.is_empty()) return 0;
        refresh_modules(&record);
    }
    void* frames[kMaxFrames + kOwnFrames];
    int count = Walk().run(frames, static_cast<int>(config.stack_depth) + kOwnFrames);
    const int first = first_of_program(frames, count, site);
    count -= first;
    if (count > static_cast<int>(config.stack_depth)) count = static_cast<int>(config.stack_depth);
    if (count <= 0) return 0;
    record.counters[k_stacks]++;
    const uint64_t hash = hash_frames(frames + first, count);
    uint32_t entry;
    if (seen.get(hash, &entry) != 0) return entry + 1;
    entry = seen.put(hash, 1);
    if (entry == seen.kNone) {
        counters_file.process->stacks_full.fetch_add(1, std::memory_order_relaxed);
        return 0;
    }
    EMIT(&record, stack, .id = entry + 1, .frames_count = static_cast<uint32_t>(count),
         .frames = reinterpret_cast<uint64_t*>(frames + first));
    return entry + 1;
}

void forget_stacks() {
    seen.clear();
}

void hold_walks() {
    forks.fetch_add(1, std::memory_order_seq_cst);  // [A]
    const uint64_t patience_ends_ns = now_ns() + kForkPatienceNs;
    while (walks.load(std::memory_order_seq_cst) != 0 && now_ns() < patience_ends_ns) real::sched_yield();
}

void release_walks() {
    forks.fetch_sub(1, std::memory_order_release);
}

void release_walks_in_child() {
    if (walks.load(std::memory_order_relaxed) != 0) unwind_backtrace = nullptr;
    walks.store(0, std::memory_order_relaxed);
    forks.store(0, std::memory_order_relaxed);
}

}  // namespace latchkey
