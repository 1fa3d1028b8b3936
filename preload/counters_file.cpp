// SPDX-License-Identifier: Apache-2.0
#include "preload/counters_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "preload/real.h"
#include "preload/say.h"
#include "preload/text.h"

namespace latchkey {

constinit CountersFile counters_file{};

namespace {

constexpr uint32_t kThreadsPerChunk = 16;

// A path is kept, not a descriptor: programs close all descriptors, and ours would be among them.
constinit char path[512] = "";
constinit uint32_t reserved_threads = 0;
constinit bool is_backed_by_file = false;

// DIRECTORY/counters/PID, then PID.1, PID.2 ... when the pid had an image before (exec).
bool compose_path(const char* directory, unsigned attempt) {
    const size_t length = strlen(directory);
    if (length + 48 > sizeof path) return false;
    memcpy(path, directory, length);
    char* out = path + length;
    memcpy(out, "/counters/", 10);
    out += 10;
    out = put_number(out, static_cast<uint64_t>(getpid()));
    if (attempt != 0) {
        *out++ = '.';
        put_number(out, attempt);
    }
    return true;
}

int create(const char* directory) {
    for (unsigned attempt = 0; attempt < 1000; attempt++) {
        if (!compose_path(directory, attempt)) {
            errno = ENAMETOOLONG;
            return -1;
        }
        const int fd = real::open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd >= 0 || errno != EEXIST) return fd;
    }
    return -1;
}

// The file with its head (all but the threads) allocated, or -1.
int create_sized(const char* directory) {
    const int fd = create(directory);
    if (fd < 0) return -1;
    const Sections s = counters_sections();
    int why = real::ftruncate(fd, static_cast<off_t>(s.total)) == 0 ? 0 : errno;
    if (why == 0) why = real::posix_fallocate(fd, 0, s.threads);
    if (why == 0) return fd;
    unlink(path);
    real::close(fd);
    errno = why;
    return -1;
}

void* map(int fd, void* where) {
    const int place = where != nullptr ? MAP_FIXED : 0;
    const size_t bytes = counters_sections().total;
    if (fd >= 0) return mmap(where, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | place, fd, 0);
    return mmap(where, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | place, -1,
                0);
}

void write_header(char* base) {
    const Sections s = counters_sections();
    const Text schema = counters_schema();
    memcpy(base + s.schema, schema.data, schema.bytes);
    memcpy(base + 8, &s.schema, 4);
    memcpy(base + 12, &schema.bytes, 4);
    memcpy(base, "LATCHKC1", 8);
}

}  // namespace

bool open_counters_file(const char* directory) {
    const Sections s = counters_sections();
    int fd = -1;
    if (directory != nullptr && directory[0] != '\0') {
        fd = create_sized(directory);
        if (fd < 0) {
            static constinit std::atomic<bool> said{false};
            say_once(said, "counters file: ", strerrordesc_np(errno), ": ",
                     "the counts of this process are not kept");
        }
    }
    is_backed_by_file = fd >= 0;
    reserved_threads = 0;
    char* old = reinterpret_cast<char*>(counters_file.process);
    if (old != nullptr) old -= s.process;
    void* mapped = map(fd, old);
    if (fd >= 0) real::close(fd);
    if (mapped == MAP_FAILED) return false;
    char* base = static_cast<char*>(mapped);
    counters_file.process = reinterpret_cast<ProcessRecord*>(base + s.process);
    counters_file.files = reinterpret_cast<FileRecord*>(base + s.files);
    counters_file.threads = reinterpret_cast<ThreadRecord*>(base + s.threads);
    write_header(base);
    return reserve_threads(kThreadsPerChunk);
}

bool reserve_threads(uint32_t count) {
    if (count <= reserved_threads) return true;
    if (count > CountersFile::kThreads) return false;
    const uint32_t upto = (count + kThreadsPerChunk - 1) / kThreadsPerChunk * kThreadsPerChunk;
    if (is_backed_by_file) {
        const int fd = real::open(path, O_RDWR | O_CLOEXEC, 0);
        if (fd < 0) return false;
        const off_t from =
            static_cast<off_t>(counters_sections().threads + reserved_threads * sizeof(ThreadRecord));
        const auto bytes = static_cast<off_t>((upto - reserved_threads) * sizeof(ThreadRecord));
        const int failed = real::posix_fallocate(fd, from, bytes);
        real::close(fd);
        if (failed != 0) return false;
    }
    reserved_threads = upto;
    return true;
}

}  // namespace latchkey
