-- SPDX-License-Identifier: Apache-2.0
--
-- result.db: what latchkey-analyze writes and the scripts read. One file per run, at most a few MB for any
-- trace length. Times are nanoseconds, sizes bytes. Histograms are blobs (histogram.h): log-linear, 32
-- buckets per octave, sparse: little-endian pairs of u32 bucket, u64 count. meta.schema_version moves alone.
-- `process` columns refer to processes.id, `site` columns to sites.id, and so on. NULL: not known.

CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
-- keys: schema_version, latchkey_version, run_name, command, level, min_wait_ns, min_io_ns, host, cpus,
--       started_realtime_ns, duration_ns, events, finished (0: the run was still going)

CREATE TABLE processes(id INTEGER PRIMARY KEY, pid INTEGER, ppid INTEGER, exe TEXT, title TEXT,
    start_ns INTEGER, end_ns INTEGER, cpu_ns INTEGER, exited INTEGER, level INTEGER,
    runtime TEXT,               -- off, own, kernel-pi: what the process ran on, not what was asked for
    handoff TEXT);              -- runtime own: aged, barge, fifo, prio; else NULL
CREATE TABLE roles(id INTEGER PRIMARY KEY, name TEXT UNIQUE, threads INTEGER);
CREATE TABLE threads(id INTEGER PRIMARY KEY, process INTEGER, tid INTEGER, name TEXT, role INTEGER,
    start_site INTEGER, create_site INTEGER, creator_tid INTEGER, start_ns INTEGER, end_ns INTEGER, cpu_ns INTEGER);
-- The sums of runtime/counters.def and the calls of preload/symbols.def (calls.NAME), per thread slot; and
-- per role from them. Exact at every level.
CREATE TABLE thread_counters(process INTEGER, thread INTEGER, name TEXT, unit TEXT, value INTEGER);
CREATE TABLE role_counters(role INTEGER, name TEXT, unit TEXT, value INTEGER);

CREATE TABLE modules(id INTEGER PRIMARY KEY, process INTEGER, base INTEGER, begin INTEGER, end INTEGER,
    path TEXT, build_id TEXT);
-- A site is a place in the program. name: "function+0x1c" or, without a symbol, "module+0x1234".
CREATE TABLE sites(id INTEGER PRIMARY KEY, name TEXT, function TEXT, module TEXT, offset INTEGER, file TEXT, line INTEGER);
-- frames: site ids joined by commas, innermost first.
CREATE TABLE stacks(id INTEGER PRIMARY KEY, frames TEXT);

-- Everything with an owner: mutexes, read-write locks, spin locks. One row per class of locks that share a
-- name (instances counts them); `address` is that of the busiest instance.
-- name_source: symbol | init | site (the commonest waiter or acquirer) | address.
CREATE TABLE locks(id INTEGER PRIMARY KEY, process INTEGER, object TEXT, kind TEXT, name TEXT, name_source TEXT,
    address INTEGER, instances INTEGER, init_site INTEGER,
    acquired INTEGER,           -- acquisitions; NULL unless level full
    contended INTEGER, failed INTEGER, timeouts INTEGER, open_waits INTEGER,
    wait_ns INTEGER, wait_max_ns INTEGER, wait_p50_ns INTEGER, wait_p90_ns INTEGER, wait_p99_ns INTEGER, wait_hist BLOB,
    holds INTEGER,              -- holds of known length; at level contended only those somebody waited for
    hold_ns INTEGER, hold_max_ns INTEGER, hold_p50_ns INTEGER, hold_p90_ns INTEGER, hold_p99_ns INTEGER, hold_hist BLOB,
    io_ns INTEGER, io_calls INTEGER,    -- recorded I/O while it was held
    -- Runtime own, else 0: how recorded waits ended, those on a condvar whose waiter was moved to this mutex's
    -- queue included. spun: free while spinning; woken: slept, then competed; handed: given it while asleep.
    spun INTEGER, woken INTEGER, handed INTEGER,
    requeued INTEGER,           -- of woken and handed, those that came from a condvar
    queued INTEGER, queue_sum INTEGER, queue_max INTEGER);  -- waits that queued; the waiters ahead of each
-- side: waiter (ns: time waited there) | holder (ns: waiting charged to this acquisition site) | release.
CREATE TABLE lock_sites(lock INTEGER, side TEXT, site INTEGER, stack INTEGER, role INTEGER, count INTEGER, ns INTEGER, max_ns INTEGER);
CREATE TABLE lock_pairs(lock INTEGER, waiter_role INTEGER, holder_role INTEGER, count INTEGER, ns INTEGER, max_ns INTEGER);

-- Waits for a signal: condvars, semaphores, futexes, barriers, joins. class: idle (waits of a thread that
-- works off a queue, or timed sleeps nobody ends) | known (a caller waits for a signaller) | unknown.
CREATE TABLE signals(id INTEGER PRIMARY KEY, process INTEGER, object TEXT, name TEXT, name_source TEXT, address INTEGER,
    instances INTEGER, init_site INTEGER, class TEXT, why TEXT,
    waits INTEGER, timeouts INTEGER, open_waits INTEGER, wakes INTEGER,
    wait_ns INTEGER, wait_max_ns INTEGER, wait_p50_ns INTEGER, wait_p90_ns INTEGER, wait_p99_ns INTEGER, wait_hist BLOB,
    wakeup_ns INTEGER,          -- part of wait_ns from the waker's call to the return
    spun INTEGER, requeued INTEGER);    -- runtime own: waits that never slept; that were moved to the mutex's queue
CREATE TABLE signal_sites(signal INTEGER, side TEXT, site INTEGER, stack INTEGER, role INTEGER, count INTEGER, ns INTEGER, max_ns INTEGER);
CREATE TABLE signal_pairs(signal INTEGER, waiter_role INTEGER, waker_role INTEGER, class TEXT, count INTEGER, ns INTEGER, max_ns INTEGER);

-- Where the time of a role went, in thread-seconds. class: alive cpu lock cond_known cond_idle semaphore futex
-- barrier join file_read file_write sync space file_lock network poll sleep aio. From counters (exact), the
-- condvar split from the events' proportion.
CREATE TABLE role_time(role INTEGER, class TEXT, ns INTEGER, count INTEGER);

CREATE TABLE files(id INTEGER PRIMARY KEY, name TEXT, class TEXT,   -- class: file socket pipe event other
    instances INTEGER, reads INTEGER, read_bytes INTEGER, read_ns INTEGER, writes INTEGER, write_bytes INTEGER,
    write_ns INTEGER, syncs INTEGER, sync_ns INTEGER, others INTEGER, other_ns INTEGER, max_ns INTEGER, under_lock_ns INTEGER, under_lock_calls INTEGER);
-- Recorded (slow, or at full level all) I/O.
CREATE TABLE io_calls(file INTEGER, call TEXT, class TEXT, role INTEGER, count INTEGER, errors INTEGER, bytes INTEGER,
    ns INTEGER, max_ns INTEGER, p50_ns INTEGER, p99_ns INTEGER, hist BLOB);
CREATE TABLE io_under_lock(lock INTEGER, call TEXT, file INTEGER, site INTEGER, stack INTEGER, role INTEGER, count INTEGER, ns INTEGER, max_ns INTEGER);

CREATE TABLE symbol_calls(process INTEGER, name TEXT, grp TEXT, calls INTEGER);   -- from counters
CREATE TABLE priorities(process INTEGER, tid INTEGER, call TEXT, target INTEGER, value INTEGER, result INTEGER, site INTEGER, count INTEGER);

-- What to doubt. severity: ok | note | warning. One row per finding; text is a whole sentence.
CREATE TABLE quality(key TEXT, severity TEXT, value INTEGER, text TEXT);
-- keys: all (nothing to say), lost_events, unreadable_streams, truncated_streams, damaged_streams, assumed_layouts,
--       foreign_events, unresolved_sites, unresolved_stacks, modules_without_symbols, orphans, impossible_waits,
--       uncertain_holds, threads_unobserved, runtime_refused, held_overflow, lock_table_full, stacks_full, files_overflow, locks_folded,
--       rows_folded, world_full, processes_without_trace, bypass_io_uring, open_run
