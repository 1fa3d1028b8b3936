// SPDX-License-Identifier: Apache-2.0
#include "tests/model/checked_mutex.h"

#include <algorithm>
#include <cerrno>

namespace latchkey::model {

CheckedMutex::CheckedMutex(const char* name, ModelMutex::Kind kind, uint32_t users)
    : mutex(scheduler.make<ModelMutex>(name, kind)), kind(kind), users_(users) {}

int CheckedMutex::lock(uint64_t deadline) {
    passage = {};
    Passage result;
    const ModelDeadline until{deadline};
    const int error = mutex->lock(ModelSystem::self(), deadline == kNever ? nullptr : &until, result);
    if (error == ETIMEDOUT && (deadline == kNever || scheduler.now() < deadline))
        scheduler.fail("a lock timed out before its deadline");
    if (error != 0) return error;
    passage = result;
    if (kind != ModelMutex::kRecursive || holder_ != static_cast<int>(scheduler.current_index())) entered();
    return 0;
}

int CheckedMutex::try_lock() {
    const int error = mutex->try_lock(ModelSystem::self());
    if (error == 0 &&
        (kind != ModelMutex::kRecursive || holder_ != static_cast<int>(scheduler.current_index())))
        entered();
    return error;
}

int CheckedMutex::unlock() {
    left();
    return mutex->unlock(ModelSystem::self());
}

MutexOfWait<ModelSystem> CheckedMutex::of_wait(bool is_movable) {
    return {this, [](void* self) { return static_cast<CheckedMutex*>(self)->unlock(); },
            [](void* self) { return static_cast<CheckedMutex*>(self)->lock(); },
            is_movable ? mutex : nullptr};
}

void CheckedMutex::entered() {
    if (holder_ != -1)
        scheduler.fail("two threads in one critical section: %c and %c", 'A' + holder_,
                       'A' + scheduler.current_index());
    holder_ = static_cast<int>(scheduler.current_index());
    acquisitions++;
}

void CheckedMutex::left() {
    holder_ = -1;
    expect_heir();
}

void CheckedMutex::entered_again() {
    const int self = static_cast<int>(scheduler.current_index());
    if (holder_ != self) entered();
    const Scheduler::Quiet quiet(scheduler);
    if (!mutex->is_own(ModelSystem::self()))
        scheduler.fail("a wait has ended, but its thread does not own the mutex");
}

void CheckedMutex::drop() {
    scheduler.expect(lock() == 0, "the last lock of a thread failed");
    drop_held();
}

void CheckedMutex::drop_held() {
    const bool is_last = --users_ == 0;
    scheduler.expect(unlock() == 0, "the last unlock of a thread failed");
    if (!is_last) return;
    is_destroyed = true;
    scheduler.destroy(mutex);
}

void CheckedMutex::forget_others() {
    const Scheduler::Quiet quiet(scheduler);
    const SlotId owner = mutex->owner();
    is_lost = owner != 0 && !mutex->is_own(ModelSystem::self());
    holder_ = owner == 0 || is_lost ? -1 : static_cast<int>(scheduler.current_index());
    last_word_ = mutex->raw_word();
    heir_ = 0;
    queue_.clear();
}

void CheckedMutex::look() {
    if (is_destroyed) return;
    const uint32_t word = mutex->raw_word();
    if (word == 0 && last_word_ == 0) return;
    const SlotId owner = word & kIdMask;
    if (heir_ != 0 && ((word & Word::kWaking) != 0 || is_changing_by_others())) heir_ = 0;
    if ((last_word_ & Word::kWaiters) == 0) queue_.clear();  // the last one is just leaving it
    if (owner != (last_word_ & kIdMask) && owner != 0) acquired_by(owner);
    last_word_ = word;
    if ((word & Word::kSpin) != 0) {
        bool is_spun = false;
        for (uint32_t i = kFirstIndex; i < ModelSystem::slots().used(); i++)
            is_spun |= ModelSystem::slots().at(i).active_on.load() == reinterpret_cast<uintptr_t>(mutex);
        if (!is_spun) scheduler.fail("INV-MUTEX-2: kSpin stands for nobody");
    }
    if (ModelSystem::table().bucket_of(mutex).lock.is_free()) look_at_queue(word);
}

void CheckedMutex::look_at_queue(uint32_t word) {
    const ModelNode* head = ModelSystem::table().bucket_of(mutex).head(mutex);
    if ((head != nullptr) != ((word & Word::kWaiters) != 0))
        scheduler.fail("INV-MUTEX-1: kWaiters is %d, the queue is %s", (word & Word::kWaiters) != 0,
                       head != nullptr ? "not empty" : "empty");
    if ((word & Word::kWaking) != 0) {
        bool is_woken = false;
        for (uint32_t i = kFirstIndex; i < ModelSystem::slots().used(); i++)
            for (const ModelNode& node : ModelSystem::slots().at(i).nodes)
                is_woken |=
                    node.object.load() == reinterpret_cast<uintptr_t>(mutex) && node.state.load() == kWoken;
        if (!is_woken) scheduler.fail("INV-MUTEX-2: kWaking stands for nobody");
    }
    static std::vector<const ModelNode*> queue;
    queue.clear();
    for (const ModelNode* node = head; node != nullptr; node = node->next == head ? nullptr : node->next) {
        const uint32_t state = node->state.load() & kNodeState;
        if ((state != kQueued && state != kMoved) || node->waits_for != WaitsFor::kMutex ||
            node->object.load() != reinterpret_cast<uintptr_t>(mutex) || node->next->prev != node)
            scheduler.fail("INV-TABLE-1: a node of the queue is in state %u", state);
        queue.push_back(node);
        if (queue.size() > kMostThreads * kNodes) scheduler.fail("INV-TABLE-1: the queue has no end");
    }
    if (head != nullptr && head->length != queue.size())
        scheduler.fail("INV-TABLE-1: length %u of a queue of %zu", head->length, queue.size());
    look_at_order(queue);
    queue_.clear();
    for (const ModelNode* node : queue) queue_.push_back(node->slot->id.load());
    if (queue_.empty() || queue_.front() != heir_) heir_ = 0;  // left, or a more urgent one came before it
}

// fifo: who comes goes to the end. Other policies: by urgency, but never past one that has waited for long.
void CheckedMutex::look_at_order(const std::vector<const ModelNode*>& queue) {
    const Tuning& tuning = ModelSystem::tuning();
    if (tuning.handoff == Handoff::kFifo) {
        if (!is_strict) return;
        size_t at = 0;  // those that stay keep their order, before all new ones
        bool is_new = false;
        for (const ModelNode* node : queue) {
            const SlotId id = node->slot->id.load();
            const auto known = std::find(queue_.begin() + static_cast<long>(at), queue_.end(), id);
            if (known == queue_.end()) {
                is_new = true;
                continue;
            }
            if (is_new) scheduler.fail("fifo: a newcomer stands before one that was there");
            at = static_cast<size_t>(known - queue_.begin()) + 1;
        }
        return;
    }
    const auto is_new = [this](const ModelNode* node) {
        return std::find(queue_.begin(), queue_.end(), node->slot->id.load()) == queue_.end();
    };
    for (size_t i = 1; i < queue.size(); i++)
        if (queue[i]->urgency > queue[i - 1]->urgency && (is_new(queue[i]) || is_new(queue[i - 1])) &&
            !is_older(ModelSystem::now(), queue[i - 1]->since, tuning.overtaking))
            scheduler.fail("a more urgent waiter stands behind one that is not old");
}

// Somebody but the unlocking thread may be changing the queue: the unlock's first look, without the bucket,
// may see the stamps of two waiters mixed. It is the next unlock then that finds out who is due.
bool CheckedMutex::is_changing_by_others() const {
    for (uint32_t i = kFirstIndex; i < ModelSystem::slots().used(); i++) {
        const ModelSlot& slot = ModelSystem::slots().at(i);
        if (&slot != unlocker_ && slot.buckets_held != 0) return true;
    }
    return false;
}

// The running thread begins to unlock: is the first in the queue due, whoever else still comes to wait?
void CheckedMutex::expect_heir() {
    const Scheduler::Quiet quiet(scheduler);
    look();
    heir_ = 0;
    unlocker_ = &ModelSystem::self();
    const Tuning& tuning = ModelSystem::tuning();
    auto& bucket = ModelSystem::table().bucket_of(mutex);
    const ModelNode* head = bucket.lock.is_free() ? bucket.head(mutex) : nullptr;
    if (head == nullptr || !is_strict) return;
    if (hands_over(tuning, ModelSystem::now(), head->since, head->urgency, ModelSystem::self().urgency.load(),
                   scheduler.count(), true))
        heir_ = head->slot->id.load();
}

void CheckedMutex::acquired_by(SlotId id) {
    const SlotId first = queue_.empty() ? 0 : queue_.front();
    if (first != 0 && first != id && is_strict) {
        if (always_hands_over(ModelSystem::tuning().handoff))
            scheduler.fail("strict hand-over: slot id %x got the mutex, id %x was first", id, first);
        if (heir_ == first)
            scheduler.fail("slot id %x got the mutex, id %x was due (age or urgency)", id, first);
    }
    heir_ = 0;
}

void CheckedMutex::expect_free() const {
    const Scheduler::Quiet quiet(scheduler);
    if (is_destroyed) return;
    if (mutex->raw_word() != 0) scheduler.fail("the word of a mutex is %x at the end", mutex->raw_word());
}

}  // namespace latchkey::model
