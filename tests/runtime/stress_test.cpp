// SPDX-License-Identifier: Apache-2.0
//
// Everything at once for some time: nobody starves, nothing is lost.
#include "locks.h"

namespace latchkey {
namespace {

template <class L>
class StressTest : public LocksTest<L> {};
TYPED_TEST_SUITE(StressTest, BothLocks, LockNames);

constexpr long kRunMicroseconds = 250'000;

// Threads that hold and think for random times. A wait that lasts longer than long_from_now() is a thread
// forgotten.
TYPED_TEST(StressTest, NobodyStarvesAtAMutex) {
    using L = TypeParam;
    for (const uint32_t threads : {2u, 8u}) {
        typename L::Mutex mutex;
        L::init(&mutex);
        uint64_t inside = 0;
        const timespec end = from_now(CLOCK_MONOTONIC, kRunMicroseconds);
        in_threads(threads, [&](uint32_t thread) {
            std::minstd_rand random(thread + 1);
            do {
                ASSERT_EQ(L::lock_until(&mutex, CLOCK_MONOTONIC, long_from_now()), 0)
                    << "thread " << thread << " starves";
                ASSERT_EQ(inside++, 0u) << "two threads were inside";
                for (uint32_t spin = random() % 2000; spin > 0; spin--) asm volatile("");
                if (random() % 64 == 0) sched_yield();
                inside--;
                ASSERT_EQ(L::unlock(&mutex), 0);
                for (uint32_t spin = random() % 4000; spin > 0; spin--) asm volatile("");
            } while (!is_past(CLOCK_MONOTONIC, end));
        });
        EXPECT_EQ(L::destroy(&mutex), 0);
    }
}

// A bounded queue: every item that is put is taken once. Some give up waiting and try again, and takers are
// cancelled while they wait and replaced.
TYPED_TEST(StressTest, ABoundedQueueLosesNothing) {
    using L = TypeParam;
    struct Queue {
        typename L::Mutex mutex;
        typename L::Cond not_empty, not_full;
        uint32_t length = 0;
        uint64_t put = 0, taken = 0;
        bool is_closed = false;
        bool is_forgotten = false;
    } queue;
    L::init(&queue.mutex);
    L::init(&queue.not_empty);
    L::init(&queue.not_full);
    constexpr uint32_t kPlaces = 4, kPutters = 3, kTakers = 3;
    const timespec end = from_now(CLOCK_MONOTONIC, kRunMicroseconds);

    struct Taker {
        static void give_back(void* mutex) { L::unlock(static_cast<typename L::Mutex*>(mutex)); }
        static void* run(void* argument) {
            auto& queue = *static_cast<Queue*>(argument);
            L::lock(&queue.mutex);
            pthread_cleanup_push(give_back, &queue.mutex);
            while (queue.length != 0 || !queue.is_closed) {
                if (queue.length != 0) {
                    queue.length--;
                    queue.taken++;
                    L::signal(&queue.not_full);
                } else if (L::wait_until(&queue.not_empty, &queue.mutex, CLOCK_MONOTONIC, long_from_now()) !=
                           0) {
                    queue.is_forgotten = true;
                    break;
                }
            }
            pthread_cleanup_pop(1);
            return nullptr;
        }
    };

    std::array<pthread_t, kTakers> takers;
    for (pthread_t& taker : takers) pthread_create(&taker, nullptr, Taker::run, &queue);
    std::thread canceller([&] {
        for (uint32_t i = 0; !is_past(CLOCK_MONOTONIC, end); i++) {
            pthread_t& taker = takers[i % kTakers];
            pthread_cancel(taker);
            pthread_join(taker, nullptr);
            pthread_create(&taker, nullptr, Taker::run, &queue);
        }
    });
    in_threads(kPutters, [&](uint32_t thread) {
        std::minstd_rand random(thread + 1);
        while (!is_past(CLOCK_MONOTONIC, end)) {
            ASSERT_EQ(L::lock(&queue.mutex), 0);
            while (queue.length == kPlaces) {
                const bool is_patient = random() % 4 != 0;
                const timespec deadline = is_patient
                                              ? long_from_now()
                                              : from_now(CLOCK_MONOTONIC, static_cast<long>(random() % 100));
                const int result = L::wait_until(&queue.not_full, &queue.mutex, CLOCK_MONOTONIC, deadline);
                if (is_patient) {
                    ASSERT_EQ(result, 0) << "a putter is forgotten";
                }
            }
            queue.length++;
            queue.put++;
            L::signal(&queue.not_empty);
            ASSERT_EQ(L::unlock(&queue.mutex), 0);
        }
    });
    canceller.join();
    EXPECT_EQ(L::lock(&queue.mutex), 0);
    queue.is_closed = true;
    L::broadcast(&queue.not_empty);
    EXPECT_EQ(L::unlock(&queue.mutex), 0);
    for (const pthread_t taker : takers) pthread_join(taker, nullptr);
    EXPECT_FALSE(queue.is_forgotten) << "a taker is forgotten";
    EXPECT_EQ(queue.put, queue.taken);
    EXPECT_EQ(queue.length, 0u);
    EXPECT_EQ(L::destroy(&queue.not_empty), 0);
    EXPECT_EQ(L::destroy(&queue.not_full), 0);
    EXPECT_EQ(L::destroy(&queue.mutex), 0);
}

// A table of accounts, each with its own lock: transfers write two, audits read all. Locks are taken in
// order.
TYPED_TEST(StressTest, MoneyIsNeitherMadeNorLost) {
    using L = TypeParam;
    constexpr uint32_t kAccounts = 6;
    constexpr int64_t kEach = 100;
    struct Account {
        typename L::RwLock lock;
        int64_t money = kEach;
    };
    std::array<Account, kAccounts> accounts;
    for (uint32_t i = 0; i < kAccounts; i++) L::init(&accounts[i].lock, i % 2 == 0);
    const timespec end = from_now(CLOCK_MONOTONIC, kRunMicroseconds);
    in_threads(6, [&](uint32_t thread) {
        std::minstd_rand random(thread + 1);
        do {
            if (thread == 0) {
                int64_t sum = 0;
                for (Account& account : accounts) {
                    ASSERT_EQ(L::read_until(&account.lock, CLOCK_MONOTONIC, long_from_now()), 0)
                        << "an audit starves";
                    sum += account.money;
                }
                for (Account& account : accounts) ASSERT_EQ(L::unlock(&account.lock), 0);
                ASSERT_EQ(sum, kEach * kAccounts);
                continue;
            }
            const uint32_t low = random() % (kAccounts - 1);
            const uint32_t high = low + 1 + random() % (kAccounts - 1 - low);
            ASSERT_EQ(L::write_until(&accounts[low].lock, CLOCK_MONOTONIC, long_from_now()), 0)
                << "a transfer starves";
            if (random() % 4 != 0 || L::try_write(&accounts[high].lock) != 0) {
                ASSERT_EQ(L::write_until(&accounts[high].lock, CLOCK_MONOTONIC, long_from_now()), 0)
                    << "a transfer starves";
            }
            accounts[low].money--;
            accounts[high].money++;
            ASSERT_EQ(L::unlock(&accounts[low].lock), 0);
            ASSERT_EQ(L::unlock(&accounts[high].lock), 0);
        } while (!is_past(CLOCK_MONOTONIC, end));
    });
    for (Account& account : accounts) EXPECT_EQ(L::destroy(&account.lock), 0);
}

}  // namespace
}  // namespace latchkey
