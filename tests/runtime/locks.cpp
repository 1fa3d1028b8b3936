// SPDX-License-Identifier: Apache-2.0
#include "locks.h"

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace latchkey {

void Glibc::init(Mutex* mutex, MutexKind kind) {
    constexpr std::array<int, 3> kTypes = {PTHREAD_MUTEX_NORMAL, PTHREAD_MUTEX_RECURSIVE,
                                           PTHREAD_MUTEX_ERRORCHECK};
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, kTypes[static_cast<size_t>(kind)]);
    pthread_mutex_init(mutex, &attributes);
    pthread_mutexattr_destroy(&attributes);
}

void Glibc::init(RwLock* lock, bool prefers_writers) {
    pthread_rwlockattr_t attributes;
    pthread_rwlockattr_init(&attributes);
    if (prefers_writers)
        pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(lock, &attributes);
    pthread_rwlockattr_destroy(&attributes);
}

void Own::init(Mutex* mutex, MutexKind kind) {
    constexpr std::array<lk_mutex_kind_t, 3> kKinds = {LK_MUTEX_NORMAL, LK_MUTEX_RECURSIVE,
                                                       LK_MUTEX_ERRORCHECK};
    lk_mutex_init(mutex, kKinds[static_cast<size_t>(kind)]);
}

void Own::expect_rest() {
    for (uint32_t i = 0; i < SideTable<LinuxSystem>::kBuckets; i++) {
        auto& bucket = LinuxSystem::table().bucket(i);
        EXPECT_TRUE(bucket.lock.is_free()) << "bucket " << i << " is locked";
        EXPECT_EQ(bucket.first_queue(), nullptr) << "somebody waits in bucket " << i;
    }
    for (uint32_t i = kFirstIndex; i < LinuxSystem::slots().used(); i++) {
        const Slot<LinuxSystem>& slot = LinuxSystem::slots().at(i);
        EXPECT_EQ(slot.nodes_used, 0u) << "slot " << i;
        EXPECT_EQ(slot.buckets_held, 0u) << "slot " << i;
        EXPECT_EQ(slot.ranks_held, 0u) << "slot " << i;
        EXPECT_EQ(slot.is_parked.load(), 0u) << "slot " << i;
        EXPECT_EQ(slot.looking.load(), 0u) << "slot " << i;
        EXPECT_EQ(slot.active_on.load(), 0u) << "slot " << i;
        for (const Node<LinuxSystem>& node : slot.nodes) EXPECT_EQ(node.object.load(), 0u) << "slot " << i;
    }
}

uint32_t waiters_of(const void* object) {
    lk_thread_attach();
    const BucketGuard<LinuxSystem> bucket(LinuxSystem::self(), object);
    const Node<LinuxSystem>* head = bucket->head(object);
    return head != nullptr ? head->length : 0;
}

void await_waiters(const void* object, uint32_t count) {
    const timespec end = long_from_now();
    while (waiters_of(object) < count) {
        if (is_past(CLOCK_MONOTONIC, end)) {
            FAIL() << waiters_of(object) << " threads wait, not " << count;
        }
        sched_yield();
    }
}

timespec from_now(clockid_t clock, long microseconds) {
    timespec time;
    clock_gettime(clock, &time);
    time.tv_sec += microseconds / 1'000'000;
    time.tv_nsec += microseconds % 1'000'000 * 1000;
    if (time.tv_nsec >= 1'000'000'000) {
        time.tv_nsec -= 1'000'000'000;
        time.tv_sec++;
    }
    return time;
}

bool is_past(clockid_t clock, const timespec& deadline) {
    timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec > deadline.tv_sec || (now.tv_sec == deadline.tv_sec && now.tv_nsec >= deadline.tv_nsec);
}

void interrupt(pthread_t thread, int times) {
    struct sigaction action {};
    action.sa_handler = [](int) {};
    sigaction(SIGUSR1, &action, nullptr);
    for (int i = 0; i < times; i++) {
        pthread_kill(thread, SIGUSR1);
        sched_yield();
    }
}

void in_threads(uint32_t count, const std::function<void(uint32_t)>& body) {
    std::vector<std::thread> threads;
    for (uint32_t i = 0; i < count; i++) threads.emplace_back(body, i);
    for (std::thread& thread : threads) thread.join();
}

namespace {
constexpr size_t kPageBytes = 4096;
constexpr int kSpoilt = 0xa5;
}  // namespace

Page::Page()
    : memory_(mmap(nullptr, kPageBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {
    if (memory_ == MAP_FAILED) abort();
}

Page::~Page() {
    unmap();
}

void Page::spoil() {
    memset(memory_, kSpoilt, kPageBytes);
}

bool Page::is_spoilt() const {
    const auto* bytes = static_cast<const unsigned char*>(memory_);
    for (size_t i = 0; i < kPageBytes; i++)
        if (bytes[i] != kSpoilt) return false;
    return true;
}

void Page::unmap() {
    if (memory_ != nullptr) munmap(memory_, kPageBytes);
    memory_ = nullptr;
}

}  // namespace latchkey

// The policy is the process's: each has a run of its own.
int main(int argc, char** argv) {
    ::testing::InitGoogleTest(&argc, argv);
    const char* wanted = getenv("LATCHKEY_TEST_HANDOFF");
    const std::string name = wanted != nullptr ? wanted : "aged";
    const std::array<std::string, 4> names = {"aged", "barge", "fifo", "prio"};
    for (size_t i = 0; i < names.size(); i++)
        if (names[i] == name) return lk_start(static_cast<lk_handoff_t>(i)) == 0 ? RUN_ALL_TESTS() : 2;
    fprintf(stderr, "LATCHKEY_TEST_HANDOFF: no policy '%s'\n", name.c_str());
    return 2;
}
