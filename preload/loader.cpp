// SPDX-License-Identifier: Apache-2.0
#include "preload/loader.h"

#include <elf.h>
#include <string.h>

#include "preload/emit.h"
#include "preload/family.h"
#include "preload/real.h"
#include "preload/say.h"
#include "preload/text.h"
#include "preload/thread.h"

namespace latchkey {

constinit TracerCode tracer_code{};

namespace {

constexpr uint32_t kMaxModules = 1024;
constexpr uint32_t kMaxHeaders = 16;

// A mapped object. Its program headers are copied: the originals vanish with dlclose, while a reader may be
// at them.
struct Module {
    uint64_t base, begin, end;
    uint32_t header_count;
    bool is_emitted;
    ElfW(Phdr) headers[kMaxHeaders];
    char path[256];
    char build_id[2 * 32 + 1];
};

struct Snapshot {
    uint32_t count;
    Module modules[kMaxModules];
};

// Readers count themselves in before they load the pointer and out when done; a snapshot is unmapped only
// when it has been replaced and no reader is inside [A]. Writers exclude each other; who finds one at work
// leaves it to that one.
constinit std::atomic<Snapshot*> current{nullptr};
constinit std::atomic<uint32_t> readers{0};
constinit std::atomic<bool> is_writing{false};
constinit std::atomic<bool> is_stale{false};
constinit Snapshot* retired = nullptr;  // under is_writing

class Reader {
  public:
    Reader() {
        readers.fetch_add(
            1, std::memory_order_seq_cst);  // [A] before the load: the writer checks in reverse order
        snapshot_ = current.load(std::memory_order_seq_cst);
    }
    ~Reader() { readers.fetch_sub(1, std::memory_order_release); }
    const Snapshot* get() const { return snapshot_; }

  private:
    const Snapshot* snapshot_;
};

void put_hex(char* out, const unsigned char* bytes, uint32_t count) {
    static constexpr char kDigits[] = "0123456789abcdef";
    for (uint32_t i = 0; i < count; i++) {
        *out++ = kDigits[bytes[i] >> 4];
        *out++ = kDigits[bytes[i] & 15];
    }
    *out = '\0';
}

void read_build_id(Module& module, const ElfW(Phdr) & header) {
    const char* at = reinterpret_cast<const char*>(module.base + header.p_vaddr);
    const char* end = at + header.p_memsz;
    while (at + sizeof(ElfW(Nhdr)) <= end) {
        ElfW(Nhdr) note;
        memcpy(&note, at, sizeof note);
        const char* name = at + sizeof note;
        const char* description = name + (note.n_namesz + 3) / 4 * 4;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && memcmp(name, "GNU", 4) == 0) {
            const uint32_t bytes = note.n_descsz < 32 ? note.n_descsz : 32;
            if (description + bytes <= end)
                put_hex(module.build_id, reinterpret_cast<const unsigned char*>(description), bytes);
            return;
        }
        at = description + (note.n_descsz + 3) / 4 * 4;
    }
}

void fill(Module& module, const dl_phdr_info& info) {
    module.base = info.dlpi_addr;
    module.begin = ~0ull;
    module.header_count = info.dlpi_phnum < kMaxHeaders ? info.dlpi_phnum : kMaxHeaders;
    memcpy(module.headers, info.dlpi_phdr, module.header_count * sizeof *info.dlpi_phdr);
    const bool is_program = info.dlpi_name[0] == '\0';
    copy_text(module.path, is_program ? config.exe : info.dlpi_name);
    for (uint32_t i = 0; i < module.header_count; i++) {
        const ElfW(Phdr)& header = module.headers[i];
        if (header.p_type == PT_NOTE && module.build_id[0] == '\0') read_build_id(module, header);
        if (header.p_type != PT_LOAD) continue;
        const uint64_t begin = module.base + header.p_vaddr;
        if (begin < module.begin) module.begin = begin;
        if (begin + header.p_memsz > module.end) module.end = begin + header.p_memsz;
    }
}

int add_module(dl_phdr_info* info, size_t, void* argument) {
    auto& snapshot = *static_cast<Snapshot*>(argument);
    if (snapshot.count == kMaxModules) return 1;
    if (strncmp(info->dlpi_name, "linux-vdso", 10) != 0) fill(snapshot.modules[snapshot.count++], *info);
    return 0;
}

// The libraries we work with: LTTng, and libunwind, which locks at each thread's end. They stay loaded, so
// ranges are only added. Under is_writing.
void note_tracer(const Module& module) {
    constexpr const char* kNames[] = {"liblttng-ust", "liburcu", "libunwind.so"};
    bool is_tracer = false;
    for (const char* name : kNames) is_tracer |= strstr(module.path, name) != nullptr;
    if (!is_tracer) return;
    const uint32_t n = tracer_code.count.load(std::memory_order_relaxed);
    if (n == TracerCode::kMost || tracer_code.contains(module.begin)) return;
    tracer_code.ranges[n] = {module.begin, module.end};
    tracer_code.count.store(n + 1, std::memory_order_release);
}

bool is_same(const Module& a, const Module& b) {
    return a.base == b.base && strcmp(a.path, b.path) == 0;
}

Module* find_same(Snapshot* snapshot, const Module& module) {
    if (snapshot == nullptr) return nullptr;
    for (uint32_t i = 0; i < snapshot->count; i++)
        if (is_same(snapshot->modules[i], module)) return &snapshot->modules[i];
    return nullptr;
}

void emit_changes(ThreadRecord& record, Snapshot* before, Snapshot& now) {
    for (uint32_t i = 0; before != nullptr && i < before->count; i++)
        if (before->modules[i].is_emitted && find_same(&now, before->modules[i]) == nullptr)
            EMIT(&record, module_unloaded, .base = before->modules[i].base);
    for (uint32_t i = 0; i < now.count; i++) {
        Module& module = now.modules[i];
        const Module* old = find_same(before, module);
        if (old == nullptr || !old->is_emitted)
            EMIT(&record, module_loaded, .base = module.base, .begin = module.begin, .end = module.end,
                 .build_id = module.build_id, .path = module.path);
        module.is_emitted = true;
    }
}

void unmap(Snapshot* snapshot) {
    if (snapshot != nullptr) munmap(snapshot, sizeof *snapshot);
}

}  // namespace

void refresh_modules(ThreadRecord* record) {
    if (is_writing.exchange(true, std::memory_order_acquire)) return;
    is_stale.store(false, std::memory_order_relaxed);
    void* memory =
        mmap(nullptr, sizeof(Snapshot), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory != MAP_FAILED) {
        auto* snapshot = static_cast<Snapshot*>(memory);
        real::dl_iterate_phdr(add_module, snapshot);
        for (uint32_t i = 0; i < snapshot->count; i++) note_tracer(snapshot->modules[i]);
        Snapshot* before = current.load(std::memory_order_relaxed);
        if (record != nullptr && is_tracing()) emit_changes(*record, before, *snapshot);
        current.store(snapshot, std::memory_order_seq_cst);
        if (readers.load(std::memory_order_seq_cst) == 0) {  // [A]
            unmap(retired);
            unmap(before);
            retired = nullptr;
        } else {
            if (retired == nullptr)
                retired = before;  // else: left mapped; rarer than dlopen under a stack walk
        }
    }
    is_writing.store(false, std::memory_order_release);
}

bool are_modules_stale() {
    return is_stale.load(std::memory_order_relaxed);
}

void forget_modules() {
    is_writing.store(false, std::memory_order_relaxed);
    readers.store(0, std::memory_order_relaxed);
    Snapshot* snapshot = current.load(std::memory_order_relaxed);
    for (uint32_t i = 0; snapshot != nullptr && i < snapshot->count; i++)
        snapshot->modules[i].is_emitted = false;
}

}  // namespace latchkey

using namespace latchkey;

// The loader looks at the caller of dlopen (its RUNPATH, its namespace), so this must stay a jump: the work
// that follows a dlopen is left to keep_house. tests/layout/hotpath.py checks the jump.
#define CALLER_SENSITIVE __attribute__((optimize("O2"), noinline))

namespace {

__attribute__((noinline)) void note_dlopen(Call call, Site site) {
    if (ThreadRecord* record = observed(site); record != nullptr) record->calls[call]++;
    is_stale.store(true, std::memory_order_relaxed);
}

// With RTLD_DEEPBIND a library binds to libc's functions before ours: two protocols on one lock.
__attribute__((noinline)) int without_deepbind(const char* file, int mode) {
    if (!family::is_own || (mode & RTLD_DEEPBIND) == 0) return mode;
    static constinit std::atomic<bool> said{false};
    say_once(said, "runtime own: loaded without RTLD_DEEPBIND, for its locks must be ours: ",
             file != nullptr ? file : "");
    return mode & ~RTLD_DEEPBIND;
}

}  // namespace

INTERPOSE(void*, dlopen, (const char* file, int mode)) {
    note_dlopen(kCall_dlopen, CALLER);
    return real::dlopen(file, without_deepbind(file, mode));
}

INTERPOSE(void*, dlmopen, (long space, const char* file, int mode)) {
    note_dlopen(kCall_dlmopen, CALLER);
    return real::dlmopen(space, file, mode);
}

INTERPOSE(int, dlclose, (void* handle)) {
    const int result = real::dlclose(handle);
    ThreadRecord* record = observed(CALLER);
    if (record == nullptr) return result;
    record->calls[kCall_dlclose]++;
    const Inside inside;
    refresh_modules(record);
    return result;
}

INTERPOSE(int, dl_iterate_phdr, (int (*callback)(dl_phdr_info*, size_t, void*), void* argument)) {
    if (self.depth == 0 || callback == add_module) return real::dl_iterate_phdr(callback, argument);
    const Reader reader;  // libunwind, from one of our own captures
    const Snapshot* snapshot = reader.get();
    int result = 0;
    for (uint32_t i = 0; snapshot != nullptr && i < snapshot->count && result == 0; i++) {
        const Module& module = snapshot->modules[i];
        dl_phdr_info info{};
        info.dlpi_addr = module.base;
        info.dlpi_name = module.path;
        info.dlpi_phdr = module.headers;
        info.dlpi_phnum = static_cast<ElfW(Half)>(module.header_count);
        result = callback(&info, sizeof info, argument);
    }
    return result;
}
