// SPDX-License-Identifier: Apache-2.0
//
// Threads that are cancelled while they wait on a condition variable.
#include "locks.h"

namespace latchkey {
namespace {

template <class L>
class CancelTest : public LocksTest<L> {
  protected:
    // Waits until there is a token and takes it. Its cleanup handler gives the mutex back.
    struct Waiters {
        typename L::Mutex mutex;
        typename L::Cond cond;
        uint32_t tokens = 0, waiting = 0, cancelled = 0;
        bool was_owned = true;
    };

    void SetUp() override {
        L::init(&waiters_.mutex, MutexKind::kErrorcheck);
        L::init(&waiters_.cond);
    }

    static void clean_up(void* argument) {
        auto* waiters = static_cast<Waiters*>(argument);
        waiters->cancelled++;
        // An errorcheck mutex tells whether the handler owns it.
        if (L::unlock(&waiters->mutex) != 0) waiters->was_owned = false;
    }

    static void* take_token(void* argument) {
        auto* waiters = static_cast<Waiters*>(argument);
        L::lock(&waiters->mutex);
        waiters->waiting++;
        pthread_cleanup_push(clean_up, waiters);
        while (waiters->tokens == 0) L::wait(&waiters->cond, &waiters->mutex);
        pthread_cleanup_pop(0);
        waiters->tokens--;
        L::unlock(&waiters->mutex);
        return nullptr;
    }

    // Returns with the mutex when `count` threads have begun to wait.
    void lock_when_waiting(uint32_t count) {
        for (;;) {
            ASSERT_EQ(L::lock(&waiters_.mutex), 0);
            if (waiters_.waiting == count) return;
            ASSERT_EQ(L::unlock(&waiters_.mutex), 0);
            sched_yield();
        }
    }

    // Joins; false: it does not end.
    static bool join(pthread_t thread, void** result) {
        const timespec deadline = from_now(CLOCK_REALTIME, kPatienceSeconds * 1'000'000);
        return pthread_timedjoin_np(thread, result, &deadline) == 0;
    }

    Waiters waiters_;
};
TYPED_TEST_SUITE(CancelTest, BothLocks, LockNames);

TYPED_TEST(CancelTest, HandlersRunOwningTheMutex) {
    using L = TypeParam;
    constexpr uint32_t kThreads = 4;
    std::array<pthread_t, kThreads> threads;
    for (pthread_t& thread : threads) pthread_create(&thread, nullptr, this->take_token, &this->waiters_);
    this->lock_when_waiting(kThreads);
    for (const pthread_t thread : threads) pthread_cancel(thread);
    ASSERT_EQ(L::unlock(&this->waiters_.mutex), 0);
    for (const pthread_t thread : threads) {
        void* result = nullptr;
        ASSERT_TRUE(this->join(thread, &result)) << "a cancelled waiter does not end";
        EXPECT_EQ(result, PTHREAD_CANCELED);
    }
    EXPECT_EQ(this->waiters_.cancelled, kThreads);
    EXPECT_TRUE(this->waiters_.was_owned);
    EXPECT_EQ(L::destroy(&this->waiters_.cond), 0);
    EXPECT_EQ(L::destroy(&this->waiters_.mutex), 0);
}

TYPED_TEST(CancelTest, APendingCancellationActsAtOnce) {
    using L = TypeParam;
    pthread_t thread;
    ASSERT_EQ(L::lock(&this->waiters_.mutex), 0);
    pthread_create(&thread, nullptr, this->take_token, &this->waiters_);
    pthread_cancel(thread);
    ASSERT_EQ(L::unlock(&this->waiters_.mutex), 0);
    void* result = nullptr;
    ASSERT_TRUE(this->join(thread, &result)) << "a cancelled waiter does not end";
    EXPECT_EQ(result, PTHREAD_CANCELED);
    EXPECT_TRUE(this->waiters_.was_owned);
}

// One of two waiters is cancelled at the time of a single signal. Whichever comes first, the token is taken:
// a signal that the cancelled one had got goes to the other.
TYPED_TEST(CancelTest, ASignalOutlivesItsCancelledReceiver) {
    using L = TypeParam;
    for (uint32_t round = 0; round < 200; round++) {
        this->waiters_.waiting = 0;
        this->waiters_.cancelled = 0;
        pthread_t victim, other;
        pthread_create(&victim, nullptr, this->take_token, &this->waiters_);
        this->lock_when_waiting(1);
        ASSERT_EQ(L::unlock(&this->waiters_.mutex), 0);
        pthread_create(&other, nullptr, this->take_token, &this->waiters_);
        this->lock_when_waiting(2);
        this->waiters_.tokens = 1;
        const bool is_cancelled_first = round % 4 < 2;
        const bool is_outside = round % 2 == 0;
        if (is_outside) L::unlock(&this->waiters_.mutex);
        if (is_cancelled_first) pthread_cancel(victim);
        L::signal(&this->waiters_.cond);
        if (!is_cancelled_first) pthread_cancel(victim);
        if (!is_outside) L::unlock(&this->waiters_.mutex);
        void* result = nullptr;
        ASSERT_TRUE(this->join(victim, &result)) << "the cancelled waiter does not end, round " << round;
        if (this->waiters_.cancelled == 0) {  // it took the token
            ASSERT_EQ(L::lock(&this->waiters_.mutex), 0);
            this->waiters_.tokens++;
            L::signal(&this->waiters_.cond);
            ASSERT_EQ(L::unlock(&this->waiters_.mutex), 0);
        }
        ASSERT_TRUE(this->join(other, &result))
            << "a signal is lost, round " << round << ": " << this->waiters_.tokens << " tokens";
        ASSERT_EQ(this->waiters_.tokens, 0u);
    }
    EXPECT_TRUE(this->waiters_.was_owned);
}

}  // namespace
}  // namespace latchkey
