# SPDX-License-Identifier: Apache-2.0
"""Where the time of roles and threads went: the tables behind the first section of a report.

Counters are exact at every level. Classes that waiting must not be mixed with, above all idle
waiting, keep columns of their own.
"""

from dataclasses import replace

from latchkey_lib.filters import Filters
from latchkey_lib.load import Result
from latchkey_lib.table import Table, Value, ns, number, text

# Columns of the table: title, and the classes of role_time that it adds up.
_GROUPS = {
    "cpu": ("cpu", ("cpu",)),
    "lock": ("lock", ("lock",)),
    "file_lock": ("file lock", ("file_lock",)),
    "cond": ("cond", ("cond_known",)),
    "semaphore": ("sem", ("semaphore",)),
    "futex": ("futex", ("futex",)),
    "barrier": ("barrier", ("barrier",)),
    "io": ("I/O", ("file_read", "file_write", "space")),
    "sync": ("sync", ("sync",)),
    "aio": ("aio", ("aio",)),
    "network": ("net", ("network",)),
    "idle": ("idle", ("cond_idle",)),
    "poll": ("poll", ("poll",)),
    "sleep": ("sleep", ("sleep",)),
    "join": ("join", ("join",)),
}
_SMALL_SHARE = 0.001
_HARMLESS = ("cpu", "network", "idle", "poll", "sleep", "join")

# The same per thread, from its counters.
_COUNTERS = {
    "lock": ("mutex_wait_ns", "rwlock_wait_ns", "spin_wait_ns"),
    "file_lock": ("file_lock_ns",),
    "cond": ("cond_wait_ns",),
    "semaphore": ("sem_wait_ns",),
    "futex": ("futex_wait_ns",),
    "barrier": ("barrier_wait_ns",),
    "io": ("read_ns", "write_ns", "space_ns", "open_ns"),
    "sync": ("sync_ns",),
    "aio": ("aio_ns",),
    "network": ("recv_ns", "send_ns"),
    "poll": ("poll_ns",),
    "sleep": ("sleep_ns",),
    "join": ("join_wait_ns",),
}


def roles(result: Result, filters: Filters) -> Table:
    """Thread-seconds of each role by what they were spent on; the role that waits most first."""
    columns = [
        ns(name, title, 2 if name in ("poll", "sleep", "join") else 0) for name, (title, _) in _GROUPS.items()
    ]
    table = Table(
        "roles",
        "where the time went, in thread-seconds",
        (
            text("role", "role"),
            number("threads", "threads", "threads", 1),
            ns("alive", "alive"),
            *columns,
            ns("other", "other", 1),
            ns("waited", "waited", 9),
        ),
        "waited",
    )
    times: dict[int, dict[str, int]] = {}
    for row in result.rows("SELECT role, class, sum(ns) AS ns FROM role_time GROUP BY role, class"):
        times.setdefault(row["role"], {})[row["class"]] = row["ns"] or 0
    for role in result.rows("SELECT id, name, threads FROM roles"):
        spent = times.get(role["id"], {})
        if filters.role_passes(role["name"]) and filters.time_passes(spent.get("alive")):
            table.rows.append((role["name"], role["threads"], *_spent(spent)))
    table.sort("alive")
    table.sort(table.order)
    _rank(table)
    return table


def _rank(table: Table) -> None:
    """Columns that hold next to nothing of any role's time are the first to go on a narrow terminal."""
    alive = table.index("alive")
    for at in range(alive + 1, len(table.columns) - 1):
        is_small = all((row[at] or 0) < _SMALL_SHARE * (row[alive] or 0) for row in table.rows)
        if is_small:
            table.columns = (
                *table.columns[:at],
                replace(table.columns[at], rank=3),
                *table.columns[at + 1 :],
            )


def _spent(spent: dict[str, int]) -> tuple[Value, ...]:
    """alive, the groups, other and waited of one role."""
    groups = {name: sum(spent.get(part, 0) for part in parts) for name, (_, parts) in _GROUPS.items()}
    alive = spent.get("alive")
    other = max(0, alive - sum(groups.values())) if alive is not None else None
    waited = sum(value for name, value in groups.items() if name not in _HARMLESS)
    return (alive, *groups.values(), other, waited)


def threads(result: Result, filters: Filters) -> Table:
    """One row per thread; what the table of threads had no place for is summed up as (earlier threads)."""
    columns = [ns(name, _GROUPS[name][0]) for name in _COUNTERS]
    table = Table(
        "threads",
        "threads",
        (
            text("thread", "thread"),
            text("role", "role", 1),
            text("program", "program", 3),
            number("pid", "pid", "", 9),
            text("tid", "tid"),
            ns("alive", "alive"),
            ns("cpu", "cpu"),
            *columns,
            number("events", "events", "events", 4),
        ),
        "alive",
    )
    counters: dict[tuple[int, int | None], dict[str, int]] = {}
    for row in result.rows(
        "SELECT process, thread, name, sum(value) AS value FROM thread_counters GROUP BY 1, 2, 3"
    ):
        counters.setdefault((row["process"], row["thread"]), {})[row["name"]] = row["value"] or 0
    for row in result.rows(
        "SELECT t.*, r.name AS role_name, p.exe, p.pid, p.id AS process_id FROM threads t "
        "LEFT JOIN roles r ON r.id = t.role LEFT JOIN processes p ON p.id = t.process"
    ):
        alive = None if row["end_ns"] is None or row["start_ns"] is None else row["end_ns"] - row["start_ns"]
        if filters.role_passes(row["role_name"]) and filters.time_passes(alive):
            own = counters.get((row["process_id"], row["id"]), {})
            program = (row["exe"] or "").rpartition("/")[2]
            table.rows.append(
                (
                    row["name"],
                    row["role_name"],
                    program,
                    row["pid"],
                    str(row["tid"]),
                    alive,
                    row["cpu_ns"],
                    *_counted(own),
                    own.get("events"),
                )
            )
    if not filters.role:
        for (process, thread), own in counters.items():
            if thread is None:
                table.rows.append(
                    (
                        "(earlier threads)",
                        None,
                        None,
                        None,
                        None,
                        None,
                        None,
                        *_counted(own),
                        own.get("events"),
                    )
                )
    table.sort(table.order)
    return table


def _counted(own: dict[str, int]) -> list[Value]:
    return [sum(own.get(part, 0) for part in parts) if own else None for parts in _COUNTERS.values()]
