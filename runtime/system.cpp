// SPDX-License-Identifier: Apache-2.0
#include "runtime/system.h"

#include <cerrno>
#include <csignal>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/urgency.h"

namespace latchkey {

thread_local constinit CurrentThread current_thread{};
constinit Tuning LinuxSystem::tuning_{};
constinit SideTable<LinuxSystem> LinuxSystem::table_{};
constinit SlotTable<LinuxSystem> LinuxSystem::slots_{};

namespace {

// System calls without libc: its wrappers may be interposed, and set errno. Returns minus the error number.
long system_call(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, long f = 0) {
#if defined(__x86_64__)
    long result;
    register long r10 asm("r10") = d;
    register long r8 asm("r8") = e;
    register long r9 asm("r9") = f;
    asm volatile("syscall"
                 : "=a"(result)
                 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                 : "rcx", "r11", "memory");
    return result;
#else
    const int saved = errno;
    const long result = syscall(number, a, b, c, d, e, f);
    const long error = errno;
    errno = saved;
    return result == -1 ? -error : result;
#endif
}

template <class T>
long as_argument(T* pointer) {
    return reinterpret_cast<long>(pointer);
}

// The calling thread's cpu number, kept up to date by the kernel in the rseq area that glibc registers; null
// if there is none.
const uint32_t* own_cpu() {
    if (__rseq_size == 0) return nullptr;
    const auto* area = reinterpret_cast<const struct rseq*>(
        static_cast<const char*>(__builtin_thread_pointer()) + __rseq_offset);
    const uint32_t* cpu = &area->cpu_id;
    return static_cast<int32_t>(*cpu) >= 0 ? cpu : nullptr;
}

uint32_t current_cpu(const uint32_t* cpu) {
    return __atomic_load_n(cpu, __ATOMIC_RELAXED);
}

uint32_t read_urgency(uint32_t tid) {
    sched_param parameters{};
    const long policy = system_call(SYS_sched_getscheduler, tid);
    system_call(SYS_sched_getparam, tid, as_argument(&parameters));
    const long priority = system_call(SYS_getpriority, PRIO_PROCESS, tid);  // 20 - nice
    return urgency_of(policy >= 0 ? static_cast<int>(policy) : SCHED_OTHER, parameters.sched_priority,
                      priority > 0 ? static_cast<int>(20 - priority) : 0);
}

void say_full() {
    static std::atomic<bool> said{false};
    if (said.exchange(true)) return;
    static constexpr char kText[] =
        "latchkey: no room for more threads: a new one waits until another ends\n";
    system_call(SYS_write, STDERR_FILENO, as_argument(kText), sizeof kText - 1);
}

// No signal handler runs meanwhile: it would find its thread half attached.
class WithoutSignals {
  public:
    WithoutSignals() { set_mask(~uint64_t{0}, &before_); }
    ~WithoutSignals() { set_mask(before_, nullptr); }
    WithoutSignals(const WithoutSignals&) = delete;
    WithoutSignals& operator=(const WithoutSignals&) = delete;

  private:
    static void set_mask(uint64_t mask, uint64_t* before) {
        system_call(SYS_rt_sigprocmask, SIG_SETMASK, as_argument(&mask), as_argument(before), sizeof mask);
    }

    uint64_t before_ = 0;  // the kernel's sigset_t: 64 signals
};

bool has_one_cpu() {
    cpu_set_t cpus;
    const long bytes = system_call(SYS_sched_getaffinity, 0, sizeof cpus, as_argument(&cpus));
    return bytes > 0 && CPU_COUNT_S(static_cast<size_t>(bytes), &cpus) == 1;
}

}  // namespace

void LinuxSystem::attach_self(bool has_end) {
    if (current_thread.slot == nullptr) {
        const WithoutSignals quiet;
        const auto tid = static_cast<uint32_t>(system_call(SYS_gettid));
        Slot<LinuxSystem>* slot;
        while ((slot = slots_.claim(tid)) == nullptr) {
            say_full();
            yield();
        }
        slot->urgency.store(read_urgency(0), std::memory_order_relaxed);
        slot->spins_to_skip = 0;
        current_thread.id = slot->id.load(std::memory_order_relaxed);
        current_thread.slot = slot;
    }
    if (has_end) current_thread.slot->cpu.store(own_cpu(), std::memory_order_release);
}

void LinuxSystem::release_self() {
    if (current_thread.slot != nullptr) SlotTable<LinuxSystem>::release(*current_thread.slot);
}

bool LinuxSystem::park(Atomic<uint32_t>& word, uint32_t expected, const Deadline* deadline) {
    int operation = FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG;
    if (deadline != nullptr) {
        if (deadline->time.tv_sec < 0) return false;
        if (deadline->clock == CLOCK_REALTIME) operation |= FUTEX_CLOCK_REALTIME;
    }
    return system_call(SYS_futex, as_argument(&word), operation, expected,
                       deadline != nullptr ? as_argument(&deadline->time) : 0, 0, -1) != -ETIMEDOUT;
}

// As glibc up to 2.40 does it: asynchronous cancellation for the length of the system call. A wake-up that
// came at the same time as the cancellation is passed on by on_cancel.
bool LinuxSystem::park_cancellable(Atomic<uint32_t>& word, uint32_t expected, const Deadline* deadline,
                                   void (*on_cancel)(void*), void* argument) {
    volatile bool is_in_time = true;
    int type;
    pthread_cleanup_push(on_cancel, argument);
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, &type);
    is_in_time = park(word, expected, deadline);
    pthread_setcanceltype(type, &type);
    pthread_cleanup_pop(0);
    return is_in_time;
}

void LinuxSystem::unpark(Atomic<uint32_t>& word) {
    system_call(SYS_futex, as_argument(&word), FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1);
}

void LinuxSystem::test_cancel() {
    pthread_testcancel();
}

bool LinuxSystem::is_past(const Deadline& deadline) {
    timespec now;
    clock_gettime(deadline.clock, &now);
    return now.tv_sec > deadline.time.tv_sec ||
           (now.tv_sec == deadline.time.tv_sec && now.tv_nsec >= deadline.time.tv_nsec);
}

void LinuxSystem::yield() {
    system_call(SYS_sched_yield);
}

bool LinuxSystem::may_run(const Slot<LinuxSystem>& self, SlotId owner) {
    Slot<LinuxSystem>* slot = slots_.find(owner);
    if (slot == nullptr || slot->is_parked.load(std::memory_order_relaxed) != 0) return false;
    const uint32_t* own = self.cpu.load(std::memory_order_relaxed);
    if (own == nullptr) return true;
    slot->looking.fetch_add(1, std::memory_order_seq_cst);  // pairs with SlotTable::stop_looking
    const uint32_t* cpu = slot->cpu.load(std::memory_order_seq_cst);
    const bool is_elsewhere = cpu == nullptr || current_cpu(cpu) != current_cpu(own);
    slot->looking.fetch_sub(1, std::memory_order_release);
    return is_elsewhere;
}

bool LinuxSystem::is_gone(uint32_t tid) {
    return tid == 0 || system_call(SYS_tgkill, system_call(SYS_getpid), tid, 0) == -ESRCH;
}

bool LinuxSystem::start(Handoff handoff) {
    tuning_.handoff = handoff;
    tuning_.can_spin = !has_one_cpu();
    for (uint32_t capacity = 1u << kIndexBits; capacity >= 1024; capacity /= 8) {
        void* memory = mmap(nullptr, capacity * sizeof(Slot<LinuxSystem>), PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED) continue;
        slots_.set_memory(static_cast<Slot<LinuxSystem>*>(memory), capacity);
        return true;
    }
    return false;
}

void LinuxSystem::restart_in_child() {
    reset_family_in_child(slots_, current_thread.slot, static_cast<uint32_t>(system_call(SYS_gettid)));
}

void LinuxSystem::refresh_urgency(uint32_t tid) {
    if (tid == 0) {
        if (current_thread.slot != nullptr)
            current_thread.slot->urgency.store(read_urgency(0), std::memory_order_relaxed);
        return;
    }
    for (uint32_t i = kFirstIndex; i < slots_.used(); i++) {
        Slot<LinuxSystem>& slot = slots_.at(i);
        if (slot.tid.load(std::memory_order_relaxed) == tid)
            slot.urgency.store(read_urgency(tid), std::memory_order_relaxed);
    }
}

static_assert(sizeof(Mutex<LinuxSystem>) == sizeof(pthread_mutex_t));
static_assert(sizeof(KindMutex<LinuxSystem>) == sizeof(pthread_mutex_t));
static_assert(sizeof(Condvar<LinuxSystem>) == sizeof(pthread_cond_t));
static_assert(sizeof(RwLock<LinuxSystem>) == sizeof(pthread_rwlock_t));
static_assert(sizeof(Slot<LinuxSystem>) == 256);

}  // namespace latchkey
