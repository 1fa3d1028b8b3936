// SPDX-License-Identifier: Apache-2.0
//
// The deterministic scheduler: fibers in one thread, of which one runs at a time; at every operation on an
// atomic, every sleep and every wake-up it decides from the seed who goes on. Time is virtual. A failure
// prints the seed and the last steps and ends the process.
//
// Three strategies, mixed by the seed: a random walk; long runs of one fiber with few switches; priorities
// with a few change points (Burckhardt et al., "A Randomized Scheduler with Probabilistic Guarantees of
// Finding Bugs", ASPLOS 2010).
#pragma once

#include <csetjmp>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tests/model/fiber.h"
#include "tests/model/random.h"

namespace latchkey::model {

enum class Op : uint8_t { kLoad, kStore, kChange, kPark, kUnpark, kRelax, kYield, kProgram };

constexpr uint32_t kMostThreads = 10;
constexpr uint64_t kNever = ~uint64_t{0};

// Thrown through a cancelled thread (every other time it is a longjmp: see Scheduler::cancellable).
struct Cancelled {};

struct Thread {
    Fiber fiber;
    std::function<void()> body;
    std::function<void()> handler;  // runs on top of it at a random step; empty: none
    std::function<bool()> awaited;  // the program waits until this holds; empty: it does not
    void* slot;                     // its Slot<ModelSystem>
    const void* asleep_on;          // null: awake
    uint64_t deadline;              // of its sleep
    uint64_t priority;              // larger runs first; strategy kPriorities
    uint32_t tid;
    uint32_t handlers_left;
    uint32_t handler_depth;
    bool is_masked;   // no handler now
    bool is_outside;  // at a point of the program, not in the runtime
    bool is_finished;
    bool is_frozen;  // another thread has forked: in the child it is gone
    bool is_cancellable_sleep;
    bool is_cancelled;      // a request is pending
    bool has_cancel_scope;  // inside cancellable(), with cancellation enabled
    jmp_buf cancel_exit;
};

class Scheduler {
  public:
    // ---- one schedule

    void begin(uint64_t seed);
    uint32_t spawn(std::function<void()> body);

    // Runs until all threads have ended or sleep for ever; true: they have ended.
    bool run();

    // Ends the schedule: destroyed memory must be as it was left.
    void end();

    // From inside a thread.
    Thread& current() { return threads_[current_]; }
    uint32_t current_index() const { return current_; }
    Thread& thread(uint32_t i) { return threads_[i]; }
    uint32_t count() const { return count_; }

    // All but the calling thread are gone: fork, in the child.
    void freeze_others();
    // The running thread's, from now on.
    uint32_t new_tid() { return current().tid = next_tid_++; }
    bool is_alive(uint32_t tid) const;

    // ---- scheduling points

    void step(Op op, const void* address, bool touches = true) {
        if (quiet_ != 0) return;
        step_loud(op, address, touches);
    }
    // What the operation that was announced by step() found and left.
    void note(uint64_t before, uint64_t after) {
        if (quiet_ != 0) return;
        last_->before = before;
        last_->after = after;
    }
    // A compare-and-swap that may fail without reason does so now.
    bool fails_weakly() { return quiet_ == 0 && random.one_in(weak_failures_); }

    // A point in the program, outside the runtime; something may happen in between.
    void program() {
        current().is_outside = true;
        step(Op::kProgram, nullptr, false);
        current().is_outside = false;
    }

    // Sleeps until `is_true` holds; the program's own business, no futex.
    void await(std::function<bool()> is_true);

    // Sleeps on a futex word whose value has been checked. False: the deadline passed.
    bool sleep(const void* word, uint64_t deadline, bool is_cancellable);
    void wake_one(const void* word);

    // ---- cancellation

    // Runs f with cancellation enabled; true: it was cancelled. The way out is an exception or a jump that
    // runs no destructors.
    template <class F>
    bool cancellable(F&& f) {
        Thread& self = current();
        volatile bool was_cancelled = true;
        self.has_cancel_scope = true;
        if (setjmp(self.cancel_exit) == 0) {
            try {
                f();
                was_cancelled = false;
            } catch (const Cancelled&) {
            }
        }
        current().has_cancel_scope = false;
        return was_cancelled;
    }
    void request_cancel(uint32_t i);
    // The body of a thread that requests it of some of the first `count` threads, at some time.
    void cancel_some(uint32_t count);
    bool must_cancel() { return current().is_cancelled && current().has_cancel_scope && quiet_ == 0; }
    // The request is being acted upon; ends the scope.
    void start_cancel();
    [[noreturn]] void leave_cancelled();

    // ---- time, in stamps

    uint64_t now() const { return now_; }

    // ---- objects

    // Memory for one object, at an address that the seed decides.
    void* allocate(const char* name, size_t size);
    // Its life ends: any later access is a failure.
    void destroy(void* object, size_t size);

    template <class T, class... A>
    T* make(const char* name, A&&... arguments) {
        Quiet quiet(*this);
        return new (allocate(name, sizeof(T))) T(std::forward<A>(arguments)...);
    }
    template <class T>
    void destroy(T* object) {
        destroy(object, sizeof(T));
    }
    bool is_destroyed(const void* address) const;

    // ---- results

    [[noreturn]] void fail(const char* format, ...) __attribute__((format(printf, 2, 3)));
    void expect(bool holds, const char* what) {
        if (!holds) fail("%s", what);
    }

    // While one exists nothing is a scheduling point: for looking, and for setting up.
    class Quiet {
      public:
        explicit Quiet(Scheduler& scheduler) : scheduler_(scheduler) { scheduler_.quiet_++; }
        ~Quiet() { scheduler_.quiet_--; }
        Quiet(const Quiet&) = delete;
        Quiet& operator=(const Quiet&) = delete;

      private:
        Scheduler& scheduler_;
    };

    Random random;
    std::function<void()> watch;  // looks at the objects before each step
    uint32_t handler_rate = 0;    // a thread with a handler is interrupted once in so many steps
    uint64_t total_steps = 0;
    uint64_t total_switches = 0;
    uint64_t steps() const { return steps_; }
    size_t trace_length = 80;  // steps that a failure shows
    std::string group;
    std::function<std::string(const void*)> name_elsewhere;  // of addresses that allocate() did not give

  private:
    enum class Strategy : uint8_t { kRandomWalk, kLongRuns, kPriorities };
    struct Step {
        uint8_t thread;
        Op op;
        uint8_t depth;
        const void* address;
        uint64_t before, after, time;
    };
    struct Object {
        std::string name;
        char* begin;
        size_t size;
        bool is_destroyed;
    };
    static constexpr size_t kTrace = 1 << 16;
    static constexpr size_t kArena = 1 << 15;
    static constexpr uint32_t kMostSteps = 60000;
    static constexpr uint32_t kNobody = ~0u;

    void step_loud(Op op, const void* address, bool touches);
    void run_handler();
    bool is_ready(const Thread& thread) const;
    uint32_t choose(Op op, bool must_leave);
    uint32_t earliest_deadline() const;
    void leave(Op op);  // the current thread can not go on
    void switch_to(uint32_t next);
    static void entry(void* argument);
    std::string describe(const void* address) const;
    void print_trace() const;

    Thread threads_[kMostThreads];
    uint32_t count_ = 0;
    uint32_t current_ = kNobody;
    Fiber main_;
    uint32_t quiet_ = 0;
    uint64_t seed_ = 0;
    uint64_t now_ = 0;
    uint32_t steps_ = 0;
    Strategy strategy_ = Strategy::kRandomWalk;
    uint32_t run_length_ = 1;
    uint32_t weak_failures_ = 0;
    uint32_t spurious_ = 0;
    uint32_t pace_ = 0;
    uint32_t stubborn_ = 0;  // of 8 relaxations, so many do not let others run
    uint32_t changes_[4] = {};
    uint64_t lowest_ = 0;
    uint32_t next_tid_ = 0;
    std::vector<Step> trace_;
    size_t written_ = 0;
    Step* last_ = nullptr;
    std::vector<Object> objects_;
    char* arena_ = nullptr;
    size_t arena_used_ = 0;
    std::vector<bool> dead_;
};

extern Scheduler scheduler;

}  // namespace latchkey::model
