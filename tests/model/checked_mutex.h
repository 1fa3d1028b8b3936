// SPDX-License-Identifier: Apache-2.0
//
// A mutex together with what must be true of it: who holds it as the program sees it, who was first in its
// queue, how many will still use it. The last user destroys it right after its unlock (INV-MUTEX-4).
#pragma once

#include <cstdint>
#include <vector>

#include "tests/model/system.h"

namespace latchkey::model {

class CheckedMutex {
  public:
    // users: how many will call drop(). Created before the threads run.
    CheckedMutex(const char* name, ModelMutex::Kind kind, uint32_t users);

    // As the runtime's, by the running thread, with the checks. deadline: kNever or a point in time.
    int lock(uint64_t deadline = kNever);
    int try_lock();
    int unlock();

    // For a condvar's wait. is_movable: waiters may be moved to its queue.
    MutexOfWait<ModelSystem> of_wait(bool is_movable);

    // The runtime has given it to the running thread, or taken it from it, on its own (condvar).
    void entered();
    void left();

    // After a wait on a condvar: the running thread owns it again, whoever took it.
    void entered_again();

    // Ends the running thread's use: takes it, and gives it back; the last one destroys it.
    void drop();

    // The same for a thread that holds it.
    void drop_held();

    // In a fork child, by the survivor: what another thread held is lost, everything else as the survivor
    // left it.
    void forget_others();

    // The invariants that can be seen from outside; before each step.
    void look();

    // At the end, nobody runs: free, no flag.
    void expect_free() const;

    bool is_strict = true;  // policies fifo and prio hand over to the first in the queue, always
    ModelMutex* mutex;
    ModelMutex::Kind kind;
    bool is_destroyed = false;
    bool is_orphan = false;  // locked, and left to whoever unlocks it
    bool is_lost = false;    // held by a thread that fork has left behind
    uint32_t acquisitions = 0;
    Passage passage;  // of the last lock()

  private:
    using Word = Mutex<ModelSystem>;

    void look_at_queue(uint32_t word);
    void look_at_order(const std::vector<const ModelNode*>& queue);
    void acquired_by(SlotId id);
    void expect_heir();
    bool is_changing_by_others() const;

    uint32_t users_;
    int holder_ = -1;  // thread index, -1: none
    uint32_t last_word_ = 0;
    SlotId heir_ = 0;  // it was due when the holder began to unlock
    const ModelSlot* unlocker_ = nullptr;
    std::vector<SlotId> queue_;  // when the bucket was last free
};

}  // namespace latchkey::model
