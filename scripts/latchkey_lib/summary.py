# SPDX-License-Identifier: Apache-2.0
"""The terminal report: what to doubt first, then where the time went, locks, signals and I/O."""

import textwrap
from collections.abc import Iterator
from pathlib import Path

from latchkey_lib import io_views, render, time_views, units, views
from latchkey_lib.filters import Filters
from latchkey_lib.load import Result
from latchkey_lib.places import Place, Places
from latchkey_lib.render import Style
from latchkey_lib.table import Table, Value

_PLACES_SHOWN = 3
_PAIRS_SHOWN = 3
_SMALL_SHARE = 0.05  # places below are left out, but for the first


def report(result: Result, filters: Filters, style: Style, limit: int) -> Iterator[str]:
    """Lines of the whole report; `limit` rows per section."""
    yield from quality_lines(result, style)
    yield from textwrap.wrap(_header(result), style.width, subsequent_indent="  ")
    yield from _section(
        style,
        "WHERE THE TIME WENT (thread-seconds by role; idle, poll, sleep and join are no contention)",
        time_views.roles(result, filters),
        limit,
    )
    yield from _locks(result, filters, style, limit)
    yield from _signals(result, filters, style, limit)
    yield from _section(style, "WHO WAKES WHOM", views.pairs(result, filters, "signal"), limit)
    yield from _section(style, "I/O PER FILE", io_views.files(result, filters), limit)
    yield from _section(style, "I/O UNDER A LOCK", io_views.merged_io_under_lock(result, filters), limit)


def quality_lines(result: Result, style: Style) -> Iterator[str]:
    """The line on data quality, and one line per finding that is not ok."""
    findings = [dict(zip(("severity", "key", "value", "text"), row)) for row in views.quality(result).rows]
    launcher = [str(text) for text in result.launcher_facts().get("warnings", [])]
    warnings = sum(finding["severity"] == "warning" for finding in findings) + len(launcher)
    lost = next((finding["value"] for finding in findings if finding["key"] == "lost_events"), 0)
    events = units.count(result.number("events"))
    level = result.meta.get("level") or units.UNKNOWN
    verdict = "good" if not warnings else "1 warning" if warnings == 1 else f"{warnings} warnings"
    told = "no events, sums only" if level == "counters" else f"{events} events, {units.count(lost)} lost"
    first, *rest = textwrap.wrap(f"data quality: {verdict} ({told})", style.width, subsequent_indent="  ")
    yield from (style.heading(first), *rest)
    if result.meta.get("finished") == "0":
        yield "  note: the run is still going, or was cut short; these are its figures so far"
    doubts = [("warning", text) for text in launcher]
    doubts += [
        (row["severity"], row["text"])
        for row in findings
        if row["severity"] != "ok" and row["key"] != "open_run"
    ]
    for severity, text in doubts:
        yield from textwrap.wrap(
            f"{severity}: {text}", style.width, initial_indent="  ", subsequent_indent="    "
        )


def _header(result: Result) -> str:
    processes = result.rows("SELECT pid, exe FROM processes ORDER BY id")
    threads = result.rows("SELECT count(*) AS n FROM threads")[0]["n"]
    roles = result.rows("SELECT count(*) AS n FROM roles")[0]["n"]
    name = Path(processes[0]["exe"] or "?").name if processes else result.meta.get("run_name") or "?"
    who = f"pid {processes[0]['pid']}" if len(processes) == 1 else _counted(len(processes), "process", "es")
    return (
        f"{name} ({who}) on {result.meta.get('host') or '?'}, {_counted(result.number('cpus'), 'cpu')}: "
        f"{units.duration(result.number('duration_ns'))}, "
        f"{_counted(threads, 'thread')} in {_counted(roles, 'role')}, "
        f"level {result.meta.get('level')}{_thresholds(result)}{_runtime(result)}"
    )


def _runtime(result: Result) -> str:
    """Whose locks it was, unless they were all the C library's; and of how many processes, if not of all."""
    rows = result.rows(
        "SELECT runtime, handoff, count(*) AS n, (SELECT count(*) FROM processes) AS of FROM processes "
        "WHERE runtime != 'off' GROUP BY runtime, handoff ORDER BY n DESC"
    )
    return "".join(
        f", runtime {row['runtime']}"
        + (f", handoff {row['handoff']}" if row["handoff"] else "")
        + (f" ({row['n']} of {row['of']} processes)" if row["n"] != row["of"] else "")
        for row in rows
    )


def _thresholds(result: Result) -> str:
    """At level contended: from where on something is an event."""
    if result.meta.get("level") != "contended":
        return ""
    wait, io = (
        units.duration(result.number(key)).replace(".00 ", " ").replace(".0 ", " ")
        for key in ("min_wait_ns", "min_io_ns")
    )
    return f" (waits >= {wait}, I/O >= {io})"


def _counted(number: int | None, what: str, plural: str = "s") -> str:
    return f"{units.count(number)} {what}{'' if number == 1 else plural}"


def _section(style: Style, title: str, table: Table, limit: int, numbered: bool = False) -> Iterator[str]:
    yield ""
    yield style.heading(render.shorten_end(title, style.width))
    if not table.rows:
        yield " none recorded"
        return
    yield from render.lines(table, style, limit, numbered)
    if len(table.rows) > limit:
        yield f" and {len(table.rows) - limit} more"


def _locks(result: Result, filters: Filters, style: Style, limit: int) -> Iterator[str]:
    """The table of locks, with places and roles under each row."""
    table = views.locks(result, filters)
    table.rows = [row for row in table.rows if row[table.index("contended")]]
    places, pairs = Places(result, "lock"), views.pairs(result, Filters(role=filters.role), "lock")
    details = []
    for row in table.rows[:limit]:
        own, total = int(row[table.index("id")] or 0), row[table.index("wait_total")]
        details.append(
            [
                *_shares("blamed on", _blamed(places, own, int(total or 0)), total, style),
                *_shares("waited at", places.of(own, "waiter"), total, style),
                *_between(pairs, row[table.index("lock")], style),
                *_endings(table, row, style),
            ]
        )
    yield from _with_details(
        _section(style, "TOP LOCKS BY WAIT CAUSED", table, limit, numbered=True), details
    )


def _blamed(places: Places, lock: int, total: int) -> list[Place]:
    """Where holders released the lock, which has their stacks; where they had acquired it if that tells more."""
    releases = places.of(lock, "release")
    told = 2 * sum(place.ns for place in releases) >= total
    return releases if told else places.of(lock, "holder", "release")


def _signals(result: Result, filters: Filters, style: Style, limit: int) -> Iterator[str]:
    table = views.signals(result, filters)
    places = Places(result, "signal")
    details = []
    for row in table.rows[:limit]:
        own, total = int(row[table.index("id")] or 0), row[table.index("wait_total")]
        is_idle = row[table.index("class")] == "idle"
        details.append(
            [
                *_shares("waited at", places.of(own, "waiter"), total, style),
                *_shares("woken at", [] if is_idle else places.of(own, "waker"), None, style),
            ]
        )
    title = "TOP WAITS FOR A SIGNAL (known or unknown wakers first, idle waiting last)"
    yield from _with_details(_section(style, title, table, limit, numbered=True), details)


def _with_details(lines: Iterator[str], details: list[list[str]]) -> Iterator[str]:
    """Puts each row's details behind it; rows are the lines that begin with their number."""
    for line in lines:
        yield line
        number = line.split(maxsplit=1)[0] if line.startswith(" ") and line.strip() else ""
        if number.isdigit() and int(number) <= len(details):
            yield from details[int(number) - 1]


def _shares(label: str, places: list[Place], total: Value, style: Style) -> Iterator[str]:
    """One line per place: its share of `total` or, without one, how often; then the chain of callers."""
    for number, place in enumerate(places[:_PLACES_SHOWN]):
        share = render.share(place.ns, int(total)) if total else f"{units.count(place.count)} x"
        if number and total and place.ns < _SMALL_SHARE * int(total):
            break
        yield render.shorten_end(
            f"     {label if not number else '':<9} {share:>7}  {place.chain}", style.width
        )


def _endings(table: Table, row: tuple[Value, ...], style: Style) -> Iterator[str]:
    """One line for a lock of Latchkey's own: how the waits for it ended."""
    spun, woken, handed, requeued = (row[table.index(name)] for name in ("spun", "woken", "handed", "requeued"))
    if ended := (spun or 0) + (woken or 0) + (handed or 0):
        shown = [
            f"{render.share(part, ended)} {how}"
            for part, how in ((spun, "spinning"), (woken, "woken"), (handed, "handed over"))
            if part
        ]
        if requeued:
            shown.append(f"{units.count(requeued)} came from a condition variable")
        yield render.shorten_end(f"     waits end {', '.join(shown)}", style.width)


def _between(pairs: Table, lock: Value, style: Style) -> Iterator[str]:
    """One line: who waited for whom at this lock."""
    at = {name: pairs.index(name) for name in ("waiter", "holder", "object_name", "total")}
    shown = [
        f"{row[at['waiter']] or '?'} held up by {row[at['holder']] or '?'} "
        f"{pairs.columns[at['total']].show(row[at['total']], style.raw_ns)}"
        for row in pairs.rows
        if row[at["object_name"]] == lock
    ]
    if shown:
        yield render.shorten_end(f"     between   {', '.join(shown[:_PAIRS_SHOWN])}", style.width)
