// SPDX-License-Identifier: Apache-2.0
#include "preload/descriptors.h"

#include <string.h>

#include "preload/counters_file.h"
#include "preload/emit.h"
#include "preload/real.h"
#include "preload/text.h"

namespace latchkey {
namespace {

constexpr unsigned kDescriptors = 65536;
enum RecordState : uint32_t { kUnused, kBeingFilled, kReady, kAnnounced };

// fd -> record index + 1; 0: not looked up yet.
constinit std::atomic<uint16_t> file_index[kDescriptors];
constinit std::atomic<unsigned> used_descriptors{0};  // one more than the highest that was looked up

struct Prefix {
    const char* text;
    FileClass file_class;
    const char* folded;  // one record for all of the kind; null: a record each
};
constexpr Prefix kPrefixes[] = {
    {"socket:", kFileClass_socket, "socket"},   {"pipe:", kFileClass_pipe, "pipe"},
    {"anon_inode:", kFileClass_event, nullptr}, {"/dev/pts/", kFileClass_other, nullptr},
    {"/dev/shm/", kFileClass_file, nullptr},    {"/dev/", kFileClass_other, nullptr},
    {"/memfd:", kFileClass_other, nullptr},     {"/", kFileClass_file, nullptr},
};

FileClass classify(char* path) {
    for (const Prefix& prefix : kPrefixes) {
        if (strncmp(path, prefix.text, strlen(prefix.text)) != 0) continue;
        if (prefix.folded != nullptr) strcpy(path, prefix.folded);
        return prefix.file_class;
    }
    return kFileClass_other;
}

// The path behind fd, cut from the left to fit a record: the file name says more than the directory.
bool read_path(int fd, char* out, size_t size) {
    char link[32] = "/proc/self/fd/";
    put_number(link + strlen(link), static_cast<unsigned>(fd));
    char target[4096];
    const ssize_t n = readlink(link, target, sizeof target - 1);
    if (n <= 0) return false;
    target[n] = '\0';
    if (char* deleted = strstr(target, " (deleted)"); deleted != nullptr) *deleted = '\0';
    const size_t length = strlen(target);
    if (length < size) {
        strcpy(out, target);
    } else {
        memcpy(out, "...", 3);
        strcpy(out + 3, target + length - (size - 4));
    }
    return true;
}

uint32_t hash_path(const char* path) {
    uint32_t hash = 2166136261u;
    for (; *path != '\0'; path++) hash = (hash ^ static_cast<unsigned char>(*path)) * 16777619u;
    return hash;
}

// The record of `path`, found or made. 0 when the table is full.
uint32_t record_of(char* path) {
    constexpr uint32_t kPlaces = CountersFile::kFiles - 1;
    const FileClass file_class = classify(path);
    const uint32_t start = hash_path(path) % kPlaces;
    for (uint32_t n = 0; n < kPlaces; n++) {
        const uint32_t i = 1 + (start + n) % kPlaces;
        FileRecord& file = counters_file.files[i];
        uint32_t state = file.state.load(std::memory_order_acquire);
        if (state == kUnused &&
            file.state.compare_exchange_strong(state, kBeingFilled, std::memory_order_acquire)) {
            copy_text(file.path, path);
            file.file_class = file_class;
            file.state.store(kReady, std::memory_order_release);
            return i;
        }
        if (state != kBeingFilled && strcmp(file.path, path) == 0) return i;
    }
    counters_file.process->files_overflow.fetch_add(1, std::memory_order_relaxed);
    return 0;
}

void announce(ThreadRecord& record, uint32_t index) {
    FileRecord& file = counters_file.files[index];
    uint32_t ready = kReady;
    if (!is_tracing() || index == 0 || !file.state.compare_exchange_strong(ready, kAnnounced)) return;
    EMIT(&record, file_opened, .file = index, .path = file.path);
}

}  // namespace

uint32_t file_of(ThreadRecord& record, int fd) {
    if (fd < 0 || static_cast<unsigned>(fd) >= kDescriptors) return 0;
    uint32_t index = file_index[fd].load(std::memory_order_relaxed);
    if (index == 0) {
        char path[sizeof(FileRecord::path)];
        index = 1 + (read_path(fd, path, sizeof path) ? record_of(path) : 0);
        file_index[fd].store(static_cast<uint16_t>(index), std::memory_order_relaxed);
        unsigned used = used_descriptors.load(std::memory_order_relaxed);
        while (used <= static_cast<unsigned>(fd) &&
               !used_descriptors.compare_exchange_weak(used, static_cast<unsigned>(fd) + 1)) {
        }
    }
    if (is_tracing()) announce(record, index - 1);
    return index - 1;
}

void forget_descriptor(int fd) {
    if (fd >= 0 && static_cast<unsigned>(fd) < kDescriptors)
        file_index[fd].store(0, std::memory_order_relaxed);
}

void forget_descriptors() {
    forget_descriptors(0, kDescriptors - 1);
}

void forget_descriptors(unsigned first, unsigned last) {
    const unsigned end = used_descriptors.load(std::memory_order_relaxed);
    for (unsigned fd = first; fd <= last && fd < end; fd++) forget_descriptor(static_cast<int>(fd));
}

}  // namespace latchkey
