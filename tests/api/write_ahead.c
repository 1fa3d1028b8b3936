// SPDX-License-Identifier: Apache-2.0
//
// How a store uses latchkey.h: clients put requests into a bounded queue; workers take them and append a
// record of each to a write-ahead log; a request is answered when its record is on disk. Workers that wait
// for the disk at the same time share one write ("group commit"): whoever finds nobody writing writes for
// all.
//
// Prints what must hold, and exits with 1 if it does not.
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <latchkey.h>

enum { kClients = 4, kRequests = 100, kWorkers = 8, kPlaces = 8, kRecords = kClients * kRequests };

static void check(int error, const char* what) {
    if (error == 0) return;
    fprintf(stderr, "%s: %s\n", what, strerror(error));
    exit(1);
}

// ---- a bounded queue

struct queue {
    lk_mutex_t mutex;
    lk_cond_t not_empty;
    lk_cond_t not_full;
    uint32_t items[kPlaces];
    uint32_t first;
    uint32_t length;
    int is_closed;
};

static void put(struct queue* queue, uint32_t item) {
    check(lk_mutex_lock(&queue->mutex), "lk_mutex_lock");
    while (queue->length == kPlaces) check(lk_cond_wait(&queue->not_full, &queue->mutex), "lk_cond_wait");
    queue->items[(queue->first + queue->length++) % kPlaces] = item;
    lk_cond_signal(&queue->not_empty);
    check(lk_mutex_unlock(&queue->mutex), "lk_mutex_unlock");
}

// 0: the queue is empty and closed.
static int take(struct queue* queue, uint32_t* item) {
    check(lk_mutex_lock(&queue->mutex), "lk_mutex_lock");
    while (queue->length == 0 && !queue->is_closed)
        check(lk_cond_wait(&queue->not_empty, &queue->mutex), "lk_cond_wait");
    const int is_taken = queue->length != 0;
    if (is_taken) {
        *item = queue->items[queue->first];
        queue->first = (queue->first + 1) % kPlaces;
        queue->length--;
        lk_cond_signal(&queue->not_full);
    }
    check(lk_mutex_unlock(&queue->mutex), "lk_mutex_unlock");
    return is_taken;
}

static void close_queue(struct queue* queue) {
    check(lk_mutex_lock(&queue->mutex), "lk_mutex_lock");
    queue->is_closed = 1;
    lk_cond_broadcast(&queue->not_empty);
    check(lk_mutex_unlock(&queue->mutex), "lk_mutex_unlock");
}

// ---- a write-ahead log

struct log {
    lk_mutex_t mutex;
    lk_cond_t arrived;  // a record has come; for a writer that waits for company
    lk_cond_t durable;  // a group is on disk
    uint32_t buffer[kRecords];
    uint32_t appended;  // records in the buffer
    uint32_t written;   // of these, on disk
    uint32_t groups;
    int is_writing;
    int fd;
};

static struct timespec microseconds_from_now(long us) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    time.tv_nsec += us * 1000;
    if (time.tv_nsec >= 1000000000) {
        time.tv_sec++;
        time.tv_nsec -= 1000000000;
    }
    return time;
}

// Writes what is there. The caller owns the mutex; others append meanwhile.
static void write_group(struct log* log) {
    log->is_writing = 1;
    const struct timespec deadline = microseconds_from_now(100);
    while (log->appended - log->written < kWorkers)
        if (lk_cond_clockwait(&log->arrived, &log->mutex, CLOCK_MONOTONIC, &deadline) == ETIMEDOUT) break;
    const uint32_t begin = log->written;
    const uint32_t end = log->appended;
    check(lk_mutex_unlock(&log->mutex), "lk_mutex_unlock");
    const size_t size = (end - begin) * sizeof log->buffer[0];
    if (write(log->fd, &log->buffer[begin], size) != (ssize_t)size || fdatasync(log->fd) != 0)
        check(errno, "log");
    check(lk_mutex_lock(&log->mutex), "lk_mutex_lock");
    log->written = end;
    log->groups++;
    log->is_writing = 0;
    lk_cond_broadcast(&log->durable);
}

// Returns when the record is on disk.
static void append(struct log* log, uint32_t record) {
    check(lk_mutex_lock(&log->mutex), "lk_mutex_lock");
    log->buffer[log->appended++] = record;
    const uint32_t end = log->appended;
    lk_cond_signal(&log->arrived);
    while (log->written < end) {
        if (log->is_writing)
            check(lk_cond_wait(&log->durable, &log->mutex), "lk_cond_wait");
        else
            write_group(log);
    }
    check(lk_mutex_unlock(&log->mutex), "lk_mutex_unlock");
}

// ---- the store

static struct queue requests = {LK_MUTEX_INIT, LK_COND_INIT, LK_COND_INIT, {0}, 0, 0, 0};
static struct log wal = {LK_MUTEX_INIT, LK_COND_INIT, LK_COND_INIT, {0}, 0, 0, 0, 0, -1};

static void* run_client(void* argument) {
    const uint32_t client = (uint32_t)(uintptr_t)argument;
    for (uint32_t i = 0; i < kRequests; i++) put(&requests, client * kRequests + i);
    return NULL;
}

static void* run_worker(void* argument) {
    (void)argument;
    check(lk_thread_attach(), "lk_thread_attach");
    uint32_t request;
    while (take(&requests, &request)) append(&wal, request);
    return NULL;
}

// How many of the records are in the file exactly once.
static uint32_t records_once(int fd) {
    static uint32_t times[kRecords];
    uint32_t record, count = 0;
    check(lseek(fd, 0, SEEK_SET) == 0 ? 0 : errno, "lseek");
    while (read(fd, &record, sizeof record) == (ssize_t)sizeof record)
        if (record < kRecords) times[record]++;
    for (uint32_t i = 0; i < kRecords; i++) count += times[i] == 1;
    return count;
}

int main(void) {
    check(lk_start(LK_HANDOFF_AGED), "lk_start");
    FILE* file = tmpfile();
    check(file != NULL ? 0 : errno, "tmpfile");
    wal.fd = fileno(file);

    pthread_t clients[kClients], workers[kWorkers];
    for (uintptr_t i = 0; i < kWorkers; i++)
        check(pthread_create(&workers[i], NULL, run_worker, NULL), "worker");
    for (uintptr_t i = 0; i < kClients; i++)
        check(pthread_create(&clients[i], NULL, run_client, (void*)i), "client");
    for (uint32_t i = 0; i < kClients; i++) check(pthread_join(clients[i], NULL), "join");
    close_queue(&requests);
    for (uint32_t i = 0; i < kWorkers; i++) check(pthread_join(workers[i], NULL), "join");

    const uint32_t once = records_once(wal.fd);
    const int has_shared = wal.groups < kRecords;
    printf("%d requests of %d clients went through %d places\n", kRecords, kClients, kPlaces);
    printf("%u records are in the log exactly once\n", once);
    printf("records shared writes: %s\n", has_shared ? "yes" : "no");
    check(lk_cond_destroy(&requests.not_empty), "lk_cond_destroy");
    check(lk_mutex_destroy(&requests.mutex), "lk_mutex_destroy");
    return once == kRecords && has_shared ? 0 : 1;
}
