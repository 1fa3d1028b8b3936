// SPDX-License-Identifier: Apache-2.0
#include "tests/model/scheduler.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace latchkey::model {

Scheduler scheduler;

namespace {

constexpr unsigned char kDead = 0xdd;
constexpr uint64_t kMiddle = uint64_t{1} << 32;  // of priorities

const char* name_of(Op op) {
    static const char* const kNames[] = {"load", "store", "change", "park", "unpark", "relax", "yield", "-"};
    return kNames[static_cast<int>(op)];
}

}  // namespace

// ---- one schedule

void Scheduler::begin(uint64_t seed) {
    if (arena_ == nullptr) {
        // The same address in each run: it decides the bucket.
        void* const wanted = reinterpret_cast<void*>(uint64_t{0x2000} << 32);
        arena_ = static_cast<char*>(mmap(wanted, kArena, PROT_READ | PROT_WRITE,
                                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
        if (arena_ == MAP_FAILED) {
            std::perror("model: mmap");
            std::exit(2);
        }
        trace_.resize(kTrace);
        last_ = &trace_[0];
    }
    random = Random(seed);
    seed_ = seed;
    count_ = 0;
    current_ = kNobody;
    quiet_ = 0;
    steps_ = 0;
    written_ = 0;
    next_tid_ = 100;
    handler_rate = 0;
    watch = nullptr;
    // Half of the schedules are near the wrap of a 32-bit stamp.
    now_ = random.one_in(2) ? 0xffffffffu - random.below(300) : 1000 + random.below(1u << 20);
    const Strategy kStrategies[] = {Strategy::kRandomWalk, Strategy::kLongRuns, Strategy::kLongRuns,
                                    Strategy::kPriorities, Strategy::kPriorities};
    strategy_ = random.one_of(kStrategies);
    const uint32_t kRuns[] = {3, 8, 20, 60, 200};
    run_length_ = random.one_of(kRuns);
    const uint32_t kRates[] = {0, 0, 0, 8, 40};
    weak_failures_ = random.one_of(kRates);
    spurious_ = random.one_of(kRates);
    const uint32_t kPaces[] = {1, 2, 4, 16};
    pace_ = random.one_of(kPaces);
    const uint32_t kStubborn[] = {0, 1, 4, 8};
    stubborn_ = random.one_of(kStubborn);
    const uint32_t horizon = 1u << random.between(4, 11);
    for (uint32_t& change : changes_) change = random.below(horizon);
    lowest_ = kMiddle;
#if defined(__SANITIZE_ADDRESS__)
    __asan_unpoison_memory_region(arena_, kArena);
#endif
    std::memset(arena_, 0, arena_used_);
    arena_used_ = 0;
    objects_.clear();
    dead_.assign(kArena / 8, false);
}

uint32_t Scheduler::spawn(std::function<void()> body) {
    if (count_ == kMostThreads) fail("model: too many threads");
    Thread& thread = threads_[count_];
    thread.body = std::move(body);
    thread.handler = nullptr;
    thread.awaited = nullptr;
    thread.slot = nullptr;
    thread.asleep_on = nullptr;
    thread.deadline = kNever;
    thread.priority = kMiddle + random.below(1u << 30);
    thread.tid = next_tid_++;
    thread.handlers_left = 0;
    thread.handler_depth = 0;
    thread.is_masked = thread.is_outside = false;
    thread.is_finished = thread.is_frozen = false;
    thread.is_cancellable_sleep = thread.is_cancelled = thread.has_cancel_scope = false;
    thread.fiber.start(&Scheduler::entry, &thread);
    return count_++;
}

void Scheduler::entry(void* argument) {
    Fiber::arrived();
    auto& thread = *static_cast<Thread*>(argument);
    thread.body();
    thread.is_finished = true;
    scheduler.leave(Op::kProgram);
    std::abort();
}

bool Scheduler::run() {
    const uint32_t first = choose(Op::kProgram, true);
    if (first != kNobody) {
        current_ = first;
        main_.switch_to(threads_[first].fiber);
        current_ = kNobody;
    }
    for (uint32_t i = 0; i < count_; i++)
        if (!threads_[i].is_finished && !threads_[i].is_frozen) return false;
    return true;
}

void Scheduler::end() {
    total_steps += steps_;
    for (const Object& object : objects_) {
        if (!object.is_destroyed) continue;
#if defined(__SANITIZE_ADDRESS__)
        __asan_unpoison_memory_region(object.begin, object.size);
#endif
        for (size_t i = 0; i < object.size; i++)
            if (static_cast<unsigned char>(object.begin[i]) != kDead)
                fail("%s was written to at offset %zu after it was destroyed", object.name.c_str(), i);
    }
}

void Scheduler::freeze_others() {
    for (uint32_t i = 0; i < count_; i++)
        if (i != current_ && !threads_[i].is_finished) threads_[i].is_frozen = true;
}

bool Scheduler::is_alive(uint32_t tid) const {
    for (uint32_t i = 0; i < count_; i++)
        if (threads_[i].tid == tid && !threads_[i].is_finished && !threads_[i].is_frozen) return true;
    return false;
}

// ---- who goes on

bool Scheduler::is_ready(const Thread& thread) const {
    if (thread.is_finished || thread.is_frozen) return false;
    if (thread.awaited) return thread.awaited();
    if (thread.asleep_on == nullptr) return true;
    return thread.deadline <= now_ || (thread.is_cancellable_sleep && thread.is_cancelled);
}

uint32_t Scheduler::earliest_deadline() const {
    uint32_t earliest = kNobody;
    for (uint32_t i = 0; i < count_; i++) {
        const Thread& thread = threads_[i];
        if (thread.is_finished || thread.is_frozen || thread.awaited || thread.asleep_on == nullptr) continue;
        if (thread.deadline == kNever) continue;
        if (earliest == kNobody || thread.deadline < threads_[earliest].deadline) earliest = i;
    }
    return earliest;
}

uint32_t Scheduler::choose(Op op, bool must_leave) {
    uint32_t ready[kMostThreads];
    uint32_t count = 0;
    const Quiet quiet(*this);
    for (uint32_t i = 0; i < count_; i++)
        if (is_ready(threads_[i])) ready[count++] = i;
    if (count == 0) {
        const uint32_t earliest = earliest_deadline();
        if (earliest != kNobody) now_ = std::max(now_, threads_[earliest].deadline);
        return earliest;
    }
    if (strategy_ == Strategy::kPriorities) {
        if (!must_leave) {
            const bool is_change =
                std::find(std::begin(changes_), std::end(changes_), steps_) != std::end(changes_);
            if (is_change || op == Op::kYield || (op == Op::kRelax && random.below(8) >= stubborn_))
                threads_[current_].priority = --lowest_;
        }
        return *std::max_element(ready, ready + count, [this](uint32_t a, uint32_t b) {
            return threads_[a].priority < threads_[b].priority;
        });
    }
    const bool wants_away = op == Op::kYield || (op == Op::kRelax && random.below(8) >= stubborn_);
    if (!must_leave && !wants_away && strategy_ == Strategy::kLongRuns && !random.one_in(run_length_))
        return current_;
    const uint32_t next = ready[random.below(count)];
    // Whoever spins lets others run first, mostly.
    return wants_away && next == current_ ? ready[random.below(count)] : next;
}

void Scheduler::switch_to(uint32_t next) {
    if (next == current_) return;
    Fiber& from = threads_[current_].fiber;
    current_ = next;
    total_switches++;
    from.switch_to(next == kNobody ? main_ : threads_[next].fiber);
}

void Scheduler::leave(Op op) {
    switch_to(choose(op, true));
}

void Scheduler::step_loud(Op op, const void* address, bool touches) {
    if (touches && is_destroyed(address))
        fail("%s of %s after it was destroyed", name_of(op), describe(address).c_str());
    if (++steps_ > kMostSteps) fail("no end after %u steps", kMostSteps);
    if (random.one_in(pace_)) now_ += 1;
    if (random.one_in(400)) {
        const uint32_t earliest = earliest_deadline();
        if (earliest != kNobody) now_ = std::max(now_, threads_[earliest].deadline);
    }
    if (spurious_ != 0 && random.one_in(spurious_ * 8)) {
        Thread& thread = threads_[random.below(count_)];
        if (thread.asleep_on != nullptr && !thread.is_frozen) thread.asleep_on = nullptr;
    }
    run_handler();
    switch_to(choose(op, false));
    if (watch) {
        const Quiet quiet(*this);
        watch();
    }
    last_ = &trace_[written_++ % kTrace];
    *last_ = {static_cast<uint8_t>(current_),
              op,
              static_cast<uint8_t>(current().handler_depth),
              address,
              0,
              0,
              now_};
    // Somebody may have destroyed it meanwhile.
    if (touches && is_destroyed(address))
        fail("%s of %s after it was destroyed", name_of(op), describe(address).c_str());
}

void Scheduler::run_handler() {
    Thread& self = current();
    if (!self.handler || self.handlers_left == 0 || self.is_masked || !random.one_in(handler_rate)) return;
    self.handlers_left--;
    self.handler_depth++;
    self.handler();
    self.handler_depth--;
}

void Scheduler::await(std::function<bool()> is_true) {
    Thread& self = current();
    self.awaited = std::move(is_true);
    leave(Op::kProgram);
    current().awaited = nullptr;
}

bool Scheduler::sleep(const void* word, uint64_t deadline, bool is_cancellable) {
    Thread& self = current();
    if (spurious_ != 0 && random.one_in(spurious_)) return true;
    if (deadline <= now_) return false;
    self.asleep_on = word;
    self.deadline = deadline;
    self.is_cancellable_sleep = is_cancellable;
    leave(Op::kPark);
    const bool is_in_time = self.asleep_on == nullptr || deadline > now_;
    self.asleep_on = nullptr;
    self.deadline = kNever;
    run_handler();
    return is_in_time;
}

void Scheduler::wake_one(const void* word) {
    uint32_t sleepers[kMostThreads];
    uint32_t count = 0;
    for (uint32_t i = 0; i < count_; i++)
        if (threads_[i].asleep_on == word && !threads_[i].is_frozen) sleepers[count++] = i;
    if (count != 0) threads_[sleepers[random.below(count)]].asleep_on = nullptr;
}

// ---- cancellation

void Scheduler::request_cancel(uint32_t i) {
    if (!threads_[i].is_finished) threads_[i].is_cancelled = true;
}

void Scheduler::cancel_some(uint32_t count) {
    for (uint32_t turns = random.between(1, 2); turns != 0; turns--) {
        for (uint32_t i = random.below(60); i != 0; i--) program();
        request_cancel(random.below(count));
    }
}

void Scheduler::start_cancel() {
    current().is_cancelled = false;
    current().has_cancel_scope = false;
}

void Scheduler::leave_cancelled() {
    if (random.one_in(2)) longjmp(current().cancel_exit, 1);
    throw Cancelled{};
}

// ---- objects

void* Scheduler::allocate(const char* name, size_t size) {
    arena_used_ += 8 * random.below(8);
    char* const begin = arena_ + arena_used_;
    arena_used_ += (size + 7) / 8 * 8;
    if (arena_used_ > kArena) fail("model: the arena is full");
    objects_.push_back({name, begin, size, false});
    return begin;
}

void Scheduler::destroy(void* object, size_t size) {
    auto* begin = static_cast<char*>(object);
    for (Object& known : objects_)
        if (known.begin == begin) known.is_destroyed = true;
    std::memset(begin, kDead, size);
    for (size_t i = 0; i < size; i += 8) dead_[static_cast<size_t>(begin + i - arena_) / 8] = true;
#if defined(__SANITIZE_ADDRESS__)
    __asan_poison_memory_region(begin, size);
#endif
}

bool Scheduler::is_destroyed(const void* address) const {
    const auto offset = static_cast<uintptr_t>(static_cast<const char*>(address) - arena_);
    return offset < kArena && dead_[offset / 8];
}

// ---- failure

std::string Scheduler::describe(const void* address) const {
    if (address == nullptr) return "";
    for (const Object& object : objects_) {
        const auto offset = static_cast<const char*>(address) - object.begin;
        if (offset >= 0 && static_cast<size_t>(offset) < object.size)
            return object.name + "+" + std::to_string(offset);
    }
    return name_elsewhere ? name_elsewhere(address) : "?";
}

void Scheduler::print_trace() const {
    const size_t shown = std::min({written_, trace_length, kTrace});
    std::printf("# the last %zu of %zu steps: time, thread (' each signal handler), operation\n", shown,
                written_);
    for (size_t i = written_ - shown; i < written_; i++) {
        const Step& step = trace_[i % kTrace];
        std::printf("# %8llx %c%-3.*s %-7s %-24s", static_cast<unsigned long long>(step.time),
                    'A' + step.thread, step.depth, "'''", name_of(step.op), describe(step.address).c_str());
        if (step.op <= Op::kChange) std::printf(" %llx", static_cast<unsigned long long>(step.before));
        if (step.op == Op::kStore || step.op == Op::kChange)
            std::printf(" -> %llx", static_cast<unsigned long long>(step.after));
        std::printf("\n");
    }
    for (uint32_t i = 0; i < count_; i++) {
        const Thread& thread = threads_[i];
        std::printf("# thread %c: %s %s\n", 'A' + i,
                    thread.is_finished            ? "has ended"
                    : thread.is_frozen            ? "is gone"
                    : thread.awaited              ? "waits for the program"
                    : thread.asleep_on != nullptr ? "sleeps on"
                                                  : "runs",
                    describe(thread.asleep_on).c_str());
    }
}

void Scheduler::fail(const char* format, ...) {
    quiet_++;
    std::printf("not ok - %s\n# seed %llu, step %u, thread %c: ", group.c_str(),
                static_cast<unsigned long long>(seed_), steps_, current_ == kNobody ? '-' : 'A' + current_);
    va_list arguments;
    va_start(arguments, format);
    std::vprintf(format, arguments);
    va_end(arguments);
    std::printf("\n# again: model_test %s --seed %llu\n", group.c_str(),
                static_cast<unsigned long long>(seed_));
    print_trace();
    std::fflush(stdout);
    _exit(1);
}

}  // namespace latchkey::model
