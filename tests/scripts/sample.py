# SPDX-License-Identifier: Apache-2.0
"""A small run directory as latchkey-analyze leaves it, made from analyze/schema.sql and these rows."""

import json
import sqlite3
from pathlib import Path

from support import ROOT, SCHEMA_VERSION

META = {
    "schema_version": SCHEMA_VERSION,
    "latchkey_version": "0.1.0",
    "run_name": "store",
    "command": "store --threads=2",
    "level": "contended",
    "min_wait_ns": "10000",
    "min_io_ns": "100000",
    "host": "db1",
    "cpus": "2",
    "started_realtime_ns": "1700000000000000000",
    "duration_ns": "10000000000",
    "events": "4321",
    "finished": "1",
}

# The last columns of a lock: how waits ended on Latchkey's own locks.
UNCURED = (0, 0, 0, 0, 0, 0, 0)

# Each row in the order of the columns of schema.sql.
ROWS = {
    "processes": [(1, 812, 1, "/usr/bin/store", None, 0, 10_000_000_000, 6_000_000_000, 1, 1, "off", None)],
    "roles": [(1, "main", 1), (2, "writer*", 2), (3, "flusher", 1)],
    "threads": [
        (1, 1, 812, "store", 1, None, None, 0, 0, 10_000_000_000, 100_000_000),
        (2, 1, 813, "writer0", 2, None, None, 812, 0, 9_000_000_000, 3_000_000_000),
        (3, 1, 814, "writer1", 2, None, None, 812, 0, 9_000_000_000, 2_500_000_000),
        (4, 1, 815, "flusher", 3, None, None, 812, 0, 10_000_000_000, 400_000_000),
    ],
    "thread_counters": [
        (1, 2, "mutex_wait_ns", "ns", 2_000_000_000),
        (1, 2, "write_ns", "ns", 500_000_000),
        (1, 3, "mutex_wait_ns", "ns", 1_310_000_000),
        (1, 4, "sync_ns", "ns", 2_900_000_000),
        (1, None, "mutex_wait_ns", "ns", 1_000),
    ],
    "role_counters": [(2, "mutex_wait_ns", "ns", 3_310_000_000)],
    "sites": [
        (1, "Log::append+0x1c", "Log::append", "/usr/bin/store", 0x111C, "log.cc", 41),
        (2, "Log::flush+0x88", "Log::flush", "/usr/bin/store", 0x2288, "log.cc", 97),
        (3, "Cache::get+0x20", "Cache::get", "/usr/bin/store", 0x3320, None, None),
        (5, "store::Mutex::unlock+0x3", "store::Mutex::unlock", "/usr/bin/store", 0x5503, None, None),
        (
            6,
            "store::db::Writer::run+0x7",
            "store::db::Writer::run",
            "/usr/bin/store",
            0x6607,
            "writer.cc",
            12,
        ),
        (7, "store+0x7788", None, "/usr/bin/store", 0x7788, None, None),
        (4, "Log::wait_for_work+0x9", "Log::wait_for_work", "/usr/bin/store", 0x4409, None, None),
    ],
    "locks": [
        (
            1,
            1,
            "mutex",
            "normal",
            "log_mutex",
            "symbol",
            0x1000,
            1,
            None,
            None,
            900,
            3,
            0,
            0,
            3_300_000_000,
            48_000_000,
            11_000,
            700_000,
            2_100_000,
            None,
            880,
            3_500_000_000,
            47_000_000,
            900_000,
            1_500_000,
            1_900_000,
            None,
            2_800_000_000,
            40,
            *UNCURED,
        ),
        (
            2,
            1,
            "rwlock_write",
            None,
            "Cache::get+0x20",
            "site",
            0x2000,
            8,
            None,
            None,
            20,
            0,
            0,
            0,
            10_000_000,
            2_000_000,
            400_000,
            900_000,
            1_900_000,
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            *UNCURED,
        ),
        (
            3,
            1,
            "mutex",
            "recursive",
            "never_contended",
            "symbol",
            0x3000,
            1,
            None,
            None,
            0,
            0,
            0,
            0,
            0,
            0,
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            None,
            *UNCURED,
        ),
    ],
    "lock_sites": [
        (1, "waiter", 1, 1, 2, 900, 3_300_000_000, 48_000_000),
        (1, "holder", 2, None, 3, 40, 2_800_000_000, 47_000_000),
        (1, "holder", 1, None, 2, 840, 500_000_000, 1_000_000),
        (1, "release", 5, 2, 3, 40, 2_800_000_000, 47_000_000),
        (1, "release", 5, 3, 2, 60, 400_000_000, 1_000_000),
        (1, "release", 5, 4, 2, 30, 100_000_000, 1_000_000),
        (2, "waiter", 3, None, 2, 20, 10_000_000, 2_000_000),
    ],
    "stacks": [(1, "1,6"), (2, "5,2,7"), (3, "5,1,6"), (4, "5,3")],
    "lock_pairs": [
        (1, 2, 3, 60, 2_800_000_000, 48_000_000),
        (1, 2, 2, 840, 500_000_000, 1_000_000),
        (2, 2, None, 20, 10_000_000, 2_000_000),
    ],
    "signals": [
        (
            1,
            1,
            "cond",
            "log_done",
            "symbol",
            0x4000,
            1,
            None,
            "known",
            "waker seen",
            50,
            0,
            0,
            50,
            700_000_000,
            30_000_000,
            9_000_000,
            20_000_000,
            29_000_000,
            None,
            5_000_000,
            0,
            0,
        ),
        (
            2,
            1,
            "cond",
            "log_work",
            "symbol",
            0x5000,
            1,
            None,
            "idle",
            "a loop waits for work",
            41,
            1,
            0,
            40,
            6_500_000_000,
            900_000_000,
            100_000_000,
            500_000_000,
            890_000_000,
            None,
            2_000_000,
            0,
            0,
        ),
    ],
    "signal_sites": [
        (1, "waiter", 1, None, 2, 50, 700_000_000, 30_000_000),
        (1, "waker", 2, None, 3, 50, 0, 0),
        (2, "waiter", 4, None, 3, 41, 6_500_000_000, 900_000_000),
    ],
    "signal_pairs": [
        (1, 2, 3, "known", 50, 700_000_000, 30_000_000),
        (2, 3, 2, "idle", 40, 6_400_000_000, 900_000_000),
    ],
    "role_time": [
        (1, "alive", 10_000_000_000, 1),
        (1, "cpu", 100_000_000, 1),
        (1, "join", 9_000_000_000, 2),
        (2, "alive", 18_000_000_000, 2),
        (2, "cpu", 5_500_000_000, 2),
        (2, "lock", 3_310_000_000, 920),
        (2, "cond_known", 700_000_000, 50),
        (2, "file_write", 500_000_000, 4000),
        (3, "alive", 10_000_000_000, 1),
        (3, "cpu", 400_000_000, 1),
        (3, "cond_idle", 6_500_000_000, 41),
        (3, "sync", 2_900_000_000, 40),
    ],
    "files": [
        (
            1,
            "/data/log.*",
            "file",
            3,
            0,
            0,
            0,
            4000,
            4_194_304,
            500_000_000,
            40,
            2_900_000_000,
            2,
            1_000_000,
            60_000_000,
            2_800_000_000,
            40,
        ),
        (2, "socket", "socket", 1, 10, 512, 2_000_000, 0, 0, 0, 0, 0, 0, 0, 400_000, 0, 0),
    ],
    "io_calls": [
        (1, "fdatasync", "sync", 3, 40, 0, 0, 2_900_000_000, 60_000_000, 58_000_000, 60_000_000, None)
    ],
    "io_under_lock": [(1, "fdatasync", 1, 2, None, 3, 40, 2_800_000_000, 60_000_000)],
    "quality": [
        ("lost_events", "ok", 0, "No events were lost."),
        ("unresolved_sites", "note", 2, "2 of 6 sites have no symbol."),
    ],
}


def on_own_locks(run: Path) -> Path:
    """The same run with runtime own: the first lock's waits ended in each way, the second's are not known."""
    process = (*ROWS["processes"][0][:-2], "own", "aged")
    child = (2, 900, 812, "/usr/bin/store", None, 0, 10_000_000_000, 0, 1, 1, "off", None)
    first, *others = ROWS["locks"]
    signal, idle = ROWS["signals"]
    return write(
        run,
        processes=[process, child],
        locks=[(*first[: -len(UNCURED)], 600, 225, 75, 40, 320, 2400, 31), *others],
        signals=[(*signal[:-2], 10, 40), idle],
    )


def write(run: Path, meta: dict[str, str] | None = None, **more: list[tuple]) -> Path:
    """Makes `run` with run.json and result.db; `meta` and tables in `more` replace those above."""
    run.mkdir(mode=0o700, parents=True, exist_ok=True)
    (run / "run.json").write_text(
        json.dumps({"format": 1, "finished": "2026-01-01T00:00:00", "warnings": []})
    )
    database = sqlite3.connect(run / "result.db")
    database.executescript((ROOT / "analyze" / "schema.sql").read_text())
    database.executemany("INSERT INTO meta VALUES(?, ?)", (META | (meta or {})).items())
    for table, rows in (ROWS | more).items():
        for row in rows:
            database.execute(f"INSERT INTO {table} VALUES({', '.join('?' * len(row))})", row)
    database.commit()
    database.close()
    return run
