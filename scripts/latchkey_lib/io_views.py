# SPDX-License-Identifier: Apache-2.0
"""The tables of a report about I/O: per file, per call, and under locks."""

from latchkey_lib.filters import Filters
from latchkey_lib.load import SITE_COLUMNS, Result
from latchkey_lib.table import Table, Value, ns, number, size, text


def files(result: Result, filters: Filters) -> Table:
    """I/O per file, exact at every level."""
    table = Table(
        "files",
        "I/O per file",
        (
            text("file", "file"),
            text("class", "class", 1),
            number("instances", "inst", "files", 4),
            number("reads", "calls", "calls", 1, "read"),
            size("read_bytes", "bytes", 2, "read"),
            ns("read_total", "time", 0, "read"),
            number("writes", "calls", "calls", 1, "write"),
            size("write_bytes", "bytes", 2, "write"),
            ns("write_total", "time", 0, "write"),
            number("syncs", "calls", "calls", 1, "sync"),
            ns("sync_total", "time", 0, "sync"),
            number("others", "calls", "calls", 4, "other"),
            ns("other_total", "time", 3, "other"),
            ns("total", "total"),
            ns("max", "max"),
            ns("under_lock", "time", 1, "under lock"),
            number("under_lock_calls", "calls", "calls", 4, "under lock"),
        ),
        "total",
    )
    for row in result.rows("SELECT * FROM files"):
        total = sum(row[key] or 0 for key in ("read_ns", "write_ns", "sync_ns", "other_ns"))
        if filters.time_passes(total):
            table.rows.append(
                (
                    row["name"],
                    row["class"],
                    row["instances"],
                    row["reads"],
                    row["read_bytes"],
                    row["read_ns"],
                    row["writes"],
                    row["write_bytes"],
                    row["write_ns"],
                    row["syncs"],
                    row["sync_ns"],
                    row["others"],
                    row["other_ns"],
                    total,
                    row["max_ns"],
                    row["under_lock_ns"],
                    row["under_lock_calls"],
                )
            )
    table.sort(table.order)
    return table


def io_calls(result: Result, filters: Filters) -> Table:
    """Recorded I/O per file, function and role."""
    table = Table(
        "io_calls",
        "recorded I/O calls",
        (
            text("file", "file"),
            text("call", "call"),
            text("class", "class", 2),
            text("role", "role"),
            number("count", "calls", "calls"),
            number("errors", "errors", "calls", 3),
            size("bytes", "bytes", 2),
            ns("total", "time"),
            ns("p50", "p50", 1),
            ns("p99", "p99"),
            ns("max", "max"),
        ),
        "total",
    )
    for row in result.rows(
        "SELECT f.name AS file, x.call, x.class, r.name AS role, x.count, x.errors, x.bytes, x.ns, "
        "x.p50_ns, x.p99_ns, x.max_ns "
        "FROM io_calls x LEFT JOIN files f ON f.id = x.file LEFT JOIN roles r ON r.id = x.role"
    ):
        if filters.role_passes(row["role"]) and filters.time_passes(row["ns"]):
            table.rows.append(tuple(row))
    table.sort(table.order)
    return table


def io_under_lock(result: Result, filters: Filters) -> Table:
    """Recorded I/O that was done while holding a lock."""
    table = Table(
        "io_under_lock",
        "I/O under a lock",
        (
            text("lock", "lock"),
            text("call", "call"),
            text("file", "file"),
            text("role", "role", 1),
            text("site", "site", 1),
            number("count", "calls", "calls"),
            ns("total", "time"),
            ns("max", "max"),
            text("place", "source", 4),
        ),
        "total",
    )
    for row in result.rows(
        "SELECT l.name AS lock, x.call, f.name AS file, r.name AS role, x.count, x.ns, x.max_ns, "
        f"{SITE_COLUMNS} "
        "FROM io_under_lock x LEFT JOIN locks l ON l.id = x.lock LEFT JOIN files f ON f.id = x.file "
        "LEFT JOIN roles r ON r.id = x.role LEFT JOIN sites s ON s.id = x.site"
    ):
        if (
            filters.lock_passes(row["lock"])
            and filters.role_passes(row["role"])
            and filters.time_passes(row["ns"])
        ):
            table.rows.append(
                (
                    row["lock"],
                    row["call"],
                    row["file"],
                    row["role"],
                    row["site"],
                    row["count"],
                    row["ns"],
                    row["max_ns"],
                    row["place"],
                )
            )
    table.sort(table.order)
    return table


def merged_io_under_lock(result: Result, filters: Filters) -> Table:
    """The same with one row per lock, call and file; site and source are those that took most time."""
    table = io_under_lock(result, filters)
    groups: dict[tuple[Value, ...], list[tuple[Value, ...]]] = {}
    for row in table.rows:  # the longest first
        groups.setdefault(row[:3], []).append(row)
    table.rows = [_merged(table, rows) for rows in groups.values()]
    table.sort(table.order)
    return table


def _merged(table: Table, rows: list[tuple[Value, ...]]) -> tuple[Value, ...]:
    """Count and time added up, the longest call, the first row's other values."""
    merged = list(rows[0])
    for name, combine in (("count", sum), ("total", sum), ("max", max)):
        at = table.index(name)
        merged[at] = combine(row[at] or 0 for row in rows)
    roles = {row[table.index("role")] for row in rows}
    if len(roles) > 1:
        merged[table.index("role")] = f"{len(roles)} roles"
    return tuple(merged)
