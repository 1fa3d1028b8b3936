// SPDX-License-Identifier: Apache-2.0
//
// The kinds of a pthread mutex on top of Mutex: recursive and errorcheck.
#pragma once

#include <cerrno>
#include <cstdint>

#include "runtime/mutex.h"

namespace latchkey {

// A mutex with the kind of a pthread_mutex_t: what its owner may do with it again.
template <class System>
class KindMutex : public Mutex<System> {
  public:
    using Base = Mutex<System>;
    using typename Base::Deadline;
    using typename Base::SlotOf;

    // PTHREAD_MUTEX_NORMAL, _RECURSIVE, _ERRORCHECK, _ADAPTIVE
    enum Kind : int32_t { kNormal, kRecursive, kErrorcheck, kAdaptive, kKindMask = 3 };

    KindMutex() = default;
    explicit KindMutex(Kind kind) { this->kind_ = kind; }

    // 0, ETIMEDOUT, EDEADLK (errorcheck: held by the caller), EAGAIN (recursive: too often).
    int lock(SlotOf& self, const Deadline* deadline, Passage& passage) {
        if (const int result = relock(self); result >= 0) return result;
        return Base::lock(self, deadline, passage);
    }

    // 0, EBUSY, EAGAIN.
    int try_lock(SlotOf& self) {
        if (kind() == kRecursive && is_own(self)) return relock(self);
        return Base::try_lock(self.id.load(std::memory_order_relaxed)) ? 0 : EBUSY;
    }

    // 0, EPERM (errorcheck, recursive: not held by the caller).
    int unlock(SlotOf& self) {
        if (kind() == kRecursive || kind() == kErrorcheck) {
            if (!is_own(self)) return EPERM;
            if (this->count_ != 0) {
                this->count_--;
                return 0;
            }
        }
        Base::unlock(self);
        return 0;
    }

    bool is_own(const SlotOf& self) const { return this->owner() == self.id.load(std::memory_order_relaxed); }

  private:
    int32_t kind() const { return this->kind_ & kKindMask; }

    // What a lock call of the owner results in, or -1: it must be taken.
    int relock(SlotOf& self) {
        if ((kind() != kRecursive && kind() != kErrorcheck) || !is_own(self)) return -1;
        if (kind() == kErrorcheck) return EDEADLK;
        if (this->count_ == UINT32_MAX - 1) return EAGAIN;
        this->count_++;
        return 0;
    }
};

}  // namespace latchkey
