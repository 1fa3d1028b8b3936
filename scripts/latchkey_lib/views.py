# SPDX-License-Identifier: Apache-2.0
"""The tables of a report about locks, signals and places, each from one query of result.db.

A view takes the result and the filters and returns its table sorted. Columns that a terminal of 80
columns has no room for have a rank, see table.Column.
"""

from collections.abc import Mapping
from typing import Any

from latchkey_lib.filters import Filters
from latchkey_lib.load import SITE_COLUMNS, Result
from latchkey_lib.places import ARROW, Stacks
from latchkey_lib.table import Table, Value, decimal, ns, number, percent, text


def locks(result: Result, filters: Filters) -> Table:
    """Everything with an owner. With --role: only what these roles waited, then without percentiles."""
    table = Table(
        "locks",
        "locks by the time others waited for them",
        (
            text("lock", "lock"),
            text("kind", "kind", 1),
            text("program", "program", 1 if _several(result) else 9),
            number("instances", "inst", "locks", 3),
            number("acquired", "acquired", "calls", 3),
            number("contended", "contended", "calls", 1),
            ns("wait_total", "total", 0, "wait"),
            ns("wait_p50", "p50", 1, "wait"),
            ns("wait_p90", "p90", 3, "wait"),
            ns("wait_p99", "p99", 0, "wait"),
            ns("wait_max", "max", 0, "wait"),
            number("holds", "holds", "holds", 4),
            ns("hold_total", "total", 2, "hold"),
            ns("hold_p50", "p50", 4, "hold"),
            ns("hold_p90", "p90", 9, "hold"),
            ns("hold_p99", "p99", 1, "hold"),
            ns("hold_max", "max", 0, "hold"),
            ns("io_total", "I/O under", 1),
            number("io_calls", "I/O calls", "calls", 4),
            number("failed", "failed", "calls", 5),
            number("timeouts", "timeouts", "calls", 5),
            number("open_waits", "open", "waits", 5),
            number("queue_max", "max", "waiters", 0, "queue"),
            percent("handed_share", "handed", 0, "queue"),
            decimal("queue_mean", "mean", "waiters", 4, "queue"),
            number("spun", "spun", "waits", 4),
            number("woken", "woken", "waits", 9),
            number("handed", "handed", "waits", 9),
            number("requeued", "requeued", "waits", 4),
            text("name_source", "named by", 9),
            number("id", "id", "", 9),
        ),
        "wait_total",
    )
    waited = _waited_by_role(result, filters) if filters.role else {}
    for row in result.rows("SELECT l.*, p.exe FROM locks l LEFT JOIN processes p ON p.id = l.process"):
        mine = waited.get(row["id"]) if filters.role else None
        total = mine[1] if mine else row["wait_ns"]
        if (
            (filters.role and not mine)
            or not filters.lock_passes(row["name"])
            or not filters.time_passes(total)
        ):
            continue
        wait = (
            (mine[0], mine[1], None, None, None, mine[2])
            if mine
            else (
                row["contended"],
                row["wait_ns"],
                row["wait_p50_ns"],
                row["wait_p90_ns"],
                row["wait_p99_ns"],
                row["wait_max_ns"],
            )
        )
        table.rows.append(
            (
                row["name"],
                _kind(row["object"], row["kind"]),
                _base(row["exe"]),
                row["instances"],
                row["acquired"],
                *wait,
                row["holds"],
                row["hold_ns"],
                row["hold_p50_ns"],
                row["hold_p90_ns"],
                row["hold_p99_ns"],
                row["hold_max_ns"],
                row["io_ns"],
                row["io_calls"],
                row["failed"],
                row["timeouts"],
                row["open_waits"],
                *(_passages(row) if not mine else (None,) * 7),
                row["name_source"],
                row["id"],
            )
        )
    table.sort(table.order)
    return table


def _passages(row: Mapping[str, Any]) -> tuple[Value, ...]:
    """How the waits of a lock ended; not known unless the lock is Latchkey's own."""
    ended = row["spun"] + row["woken"] + row["handed"]
    if not ended and not row["queued"]:
        return (None,) * 7
    return (
        row["queue_max"],
        100.0 * row["handed"] / ended if ended else None,
        row["queue_sum"] / row["queued"] if row["queued"] else None,
        row["spun"],
        row["woken"],
        row["handed"],
        row["requeued"],
    )


def _waited_by_role(result: Result, filters: Filters) -> dict[int, tuple[int, int, int]]:
    """Count, time and longest wait per lock of the roles that pass."""
    waited: dict[int, tuple[int, int, int]] = {}
    for row in result.rows(
        "SELECT x.*, w.name AS waiter FROM lock_pairs x LEFT JOIN roles w ON w.id = x.waiter_role"
    ):
        if filters.role_passes(row["waiter"]):
            old = waited.get(row["lock"], (0, 0, 0))
            waited[row["lock"]] = (old[0] + row["count"], old[1] + row["ns"], max(old[2], row["max_ns"] or 0))
    return waited


def signals(result: Result, filters: Filters) -> Table:
    """Waits for another thread's word. Idle ones last, whatever their time."""
    table = Table(
        "signals",
        "waits for a signal; idle ones last",
        (
            text("object_name", "object"),
            text("object", "kind"),
            text("class", "class"),
            text("program", "program", 1 if _several(result) else 9),
            number("instances", "inst", "objects", 3),
            number("waits", "waits", "waits"),
            ns("wait_total", "total", 0, "wait"),
            ns("wait_p50", "p50", 1, "wait"),
            ns("wait_p90", "p90", 4, "wait"),
            ns("wait_p99", "p99", 0, "wait"),
            ns("wait_max", "max", 1, "wait"),
            ns("wakeup_total", "waking", 2),
            number("timeouts", "timeouts", "waits", 2),
            number("wakes", "wakes", "calls", 3),
            number("open_waits", "open", "waits", 5),
            number("spun", "spun", "waits", 4),
            number("requeued", "requeued", "waits", 4),
            text("why", "why this class", 9),
            text("name_source", "named by", 9),
            number("id", "id", "", 9),
        ),
        "wait_total",
    )
    for row in result.rows("SELECT g.*, p.exe FROM signals g LEFT JOIN processes p ON p.id = g.process"):
        if filters.lock_passes(row["name"]) and filters.time_passes(row["wait_ns"]):
            table.rows.append(
                (
                    row["name"],
                    row["object"],
                    row["class"],
                    _base(row["exe"]),
                    row["instances"],
                    row["waits"],
                    row["wait_ns"],
                    row["wait_p50_ns"],
                    row["wait_p90_ns"],
                    row["wait_p99_ns"],
                    row["wait_max_ns"],
                    row["wakeup_ns"],
                    row["timeouts"],
                    row["wakes"],
                    row["open_waits"],
                    row["spun"],
                    row["requeued"],
                    row["why"],
                    row["name_source"],
                    row["id"],
                )
            )
    table.sort(table.order)
    table.rows.sort(key=lambda row: row[2] == "idle")
    return table


def sites(result: Result, filters: Filters) -> Table:
    """Places in the program that waited, held or woke."""
    table = Table(
        "sites",
        "places in the program",
        (
            text("site", "site"),
            text("side", "side"),
            text("object_name", "lock or signal"),
            text("role", "role", 1),
            number("count", "count", "times"),
            ns("total", "total"),
            ns("max", "max", 1),
            text("place", "source", 3),
            text("module", "module", 9),
            text("stack", "stack, innermost first", 2),
            text("object_table", "table", 9),
            number("object_id", "id", "", 9),
        ),
        "total",
    )
    stacks = Stacks(result)
    for kind in ("lock", "signal"):
        for row in result.rows(
            f"SELECT x.side, x.site AS number, x.stack, x.{kind} AS object, o.name AS object_name, "
            f"r.name AS role, x.count, x.ns, x.max_ns, {SITE_COLUMNS}, s.module "
            f"FROM {kind}_sites x LEFT JOIN sites s ON s.id = x.site "
            f"LEFT JOIN {kind}s o ON o.id = x.{kind} LEFT JOIN roles r ON r.id = x.role"
        ):
            if (
                filters.lock_passes(row["object_name"])
                and filters.role_passes(row["role"])
                and filters.time_passes(row["ns"])
            ):
                table.rows.append(
                    (
                        row["site"],
                        row["side"],
                        row["object_name"],
                        row["role"],
                        row["count"],
                        row["ns"],
                        row["max_ns"],
                        row["place"],
                        _base(row["module"]),
                        ARROW.join(stacks.chain(row["number"], row["stack"])),
                        kind + "s",
                        row["object"],
                    )
                )
    table.sort(table.order)
    return table


def pairs(result: Result, filters: Filters, kind: str) -> Table:
    """Who waited for whom. kind: lock (waiter and holder) or signal (waiter and waker)."""
    other = "holder" if kind == "lock" else "waker"
    table = Table(
        f"{kind}_pairs",
        f"who waited for whose {'release' if kind == 'lock' else 'signal'}",
        (
            text("waiter", "waiter"),
            text(other, other),
            text("object_name", "lock" if kind == "lock" else "object"),
            text("class", "class", 9 if kind == "lock" else 0),
            number("count", "waits", "waits"),
            ns("total", "wait"),
            ns("max", "max"),
        ),
        "total",
    )
    wait_class = "x.class" if kind == "signal" else "NULL"
    for row in result.rows(
        f"SELECT w.name AS waiter, h.name AS other, o.name AS object_name, {wait_class} AS class, x.count, "
        f"x.ns, x.max_ns FROM {kind}_pairs x LEFT JOIN roles w ON w.id = x.waiter_role "
        f"LEFT JOIN roles h ON h.id = x.{other}_role LEFT JOIN {kind}s o ON o.id = x.{kind}"
    ):
        if (
            filters.lock_passes(row["object_name"])
            and filters.role_passes(row["waiter"], row["other"])
            and filters.time_passes(row["ns"])
        ):
            table.rows.append(tuple(row))
    table.sort(table.order)
    table.rows.sort(key=lambda row: row[3] == "idle")
    return table


def quality(result: Result, _: Filters = Filters()) -> Table:
    """What to doubt; warnings first. Nothing of it can be filtered out."""
    table = Table(
        "quality",
        "what to doubt",
        (
            text("severity", "severity"),
            text("key", "key"),
            number("value", "value", ""),
            text("text", "finding"),
        ),
    )
    order = {"warning": 0, "note": 1}
    table.rows = sorted(
        (tuple(row) for row in result.rows("SELECT severity, key, value, text FROM quality")),
        key=lambda row: (order.get(str(row[0]), 2), row[1] != "lost_events"),
    )
    return table


def _kind(lock: str | None, kind: str | None) -> Value:
    """Such as `mutex` or `mutex recursive`; the plain kind goes without saying."""
    return f"{lock} {kind}" if kind and kind not in (lock, "normal") else lock


def _base(path: str | None) -> str | None:
    return path.rpartition("/")[2] if path else None


def _several(result: Result) -> bool:
    """Did more than one executable run?"""
    return len(result.rows("SELECT DISTINCT exe FROM processes")) > 1
