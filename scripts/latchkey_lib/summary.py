# SPDX-License-Identifier: Apache-2.0
"""The terminal report: what to doubt first, then where the time went, locks, signals and I/O."""

import textwrap
from collections.abc import Iterator
from pathlib import Path

from latchkey_lib import render, time_views, units, views
from latchkey_lib.filters import Filters
from latchkey_lib.load import Result
from latchkey_lib.render import Style
from latchkey_lib.table import Table

_SITES_SHOWN = 3
_PAIRS_SHOWN = 3


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
    yield from _section(style, "I/O PER FILE", views.files(result, filters), limit)
    yield from _section(style, "I/O UNDER A LOCK", views.io_under_lock(result, filters), limit)


def quality_lines(result: Result, style: Style) -> Iterator[str]:
    """The line on data quality, and one line per finding that is not ok."""
    findings = [dict(zip(("severity", "key", "value", "text"), row)) for row in views.quality(result).rows]
    launcher = [str(text) for text in result.launcher_facts().get("warnings", [])]
    warnings = sum(finding["severity"] == "warning" for finding in findings) + len(launcher)
    lost = next((finding["value"] for finding in findings if finding["key"] == "lost_events"), None)
    events = units.count(result.number("events"))
    level = result.meta.get("level") or units.UNKNOWN
    verdict = "good" if not warnings else "1 warning" if warnings == 1 else f"{warnings} warnings"
    told = (
        "no events, sums only"
        if level == "counters"
        else f"{events} events, {_lost(lost, bool(warnings))} lost"
    )
    yield style.heading(f"data quality: {verdict}") + f" ({told})"
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


def _lost(lost: int | None, doubted: bool) -> str:
    return units.count(lost if lost is not None or doubted else 0)


def _header(result: Result) -> str:
    processes = result.rows("SELECT pid, exe FROM processes ORDER BY id")
    threads = result.rows("SELECT count(*) AS n FROM threads")[0]["n"]
    roles = result.rows("SELECT count(*) AS n FROM roles")[0]["n"]
    name = result.meta.get("run_name") or (Path(processes[0]["exe"] or "?").name if processes else "?")
    who = f"pid {processes[0]['pid']}" if len(processes) == 1 else _counted(len(processes), "process", "es")
    return (
        f"{name} ({who}) on {result.meta.get('host') or '?'}, {_counted(result.number('cpus'), 'cpu')}: "
        f"{units.duration(result.number('duration_ns'))}, {_counted(threads, 'thread')} in {_counted(roles, 'role')}, "
        f"level {result.meta.get('level')}{_thresholds(result)}"
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
    """The table of locks, with sites and roles under each row."""
    table = views.locks(result, filters)
    table.rows = [row for row in table.rows if row[table.index("contended")]]
    lines = list(_section(style, "TOP LOCKS BY WAIT CAUSED", table, limit, numbered=True))
    sites, pairs = views.sites(result, filters), views.pairs(result, filters, "lock")
    details = {}
    for number, row in enumerate(table.rows[:limit]):
        name, total = row[0], row[table.index("wait_total")]
        details[number] = [
            ("blamed on", _places(sites, ("locks", row[-1]), "holder", total)),
            ("waited at", _places(sites, ("locks", row[-1]), "waiter", total)),
            ("between", _between(pairs, str(name), "held by", style)),
        ]
    yield from _with_details(lines, details, len(table.rows[:limit]), style)


def _signals(result: Result, filters: Filters, style: Style, limit: int) -> Iterator[str]:
    table = views.signals(result, filters)
    lines = list(
        _section(
            style,
            "TOP WAITS FOR A SIGNAL (known or unknown wakers first, idle waiting last)",
            table,
            limit,
            True,
        )
    )
    sites = views.sites(result, filters)
    details = {}
    for number, row in enumerate(table.rows[:limit]):
        if row[table.index("class")] != "idle":
            total = row[table.index("wait_total")]
            details[number] = [
                ("waited at", _places(sites, ("signals", row[-1]), "waiter", total)),
                ("woken at", _places(sites, ("signals", row[-1]), "waker", None)),
            ]
    yield from _with_details(lines, details, len(table.rows[:limit]), style)


def _with_details(
    lines: list[str], details: dict[int, list[tuple[str, str]]], rows: int, style: Style
) -> Iterator[str]:
    """Puts the detail lines under the rows, which follow the headers in `lines`."""
    after = 1 if lines[-1].startswith(" and ") else 0
    first = len(lines) - after - rows
    for at, line in enumerate(lines):
        yield line
        for label, text in details.get(at - first, []) if at >= first else []:
            if text:
                yield render.shorten_end(f"     {label:<10}{text}", style.width)


def _places(sites: Table, target: tuple[str, object], side: str, total: object) -> str:
    """The sites of one object on one side by time, with their shares of `total`."""
    at = {name: sites.index(name) for name in ("site", "side", "total", "object_table", "object_id", "count")}
    sums: dict[str, list[int]] = {}
    for row in sites.rows:
        if (row[at["object_table"]], row[at["object_id"]]) == target and row[at["side"]] == side:
            own = sums.setdefault(str(row[at["site"]]), [0, 0])
            own[0] += int(row[at["total"]] or 0)
            own[1] += int(row[at["count"]] or 0)
    ordered = sorted(sums.items(), key=lambda item: (-item[1][0], -item[1][1], item[0]))
    shown = [
        f"{name} {render.share(time, int(total)) if total else _times(count)}"
        for name, (time, count) in ordered[:_SITES_SHOWN]
    ]
    more = len(ordered) - len(shown)
    return ", ".join(shown) + (f", {more} more" if more > 0 else "")


def _times(count: int) -> str:
    return f"{units.count(count)} times"


def _between(pairs: Table, lock: str, word: str, style: Style) -> str:
    at = {name: pairs.index(name) for name in ("waiter", "holder", "object_name", "total")}
    rows = [row for row in pairs.rows if row[at["object_name"]] == lock]
    shown = [
        f"{row[at['waiter']] or '?'} {word} {row[at['holder']] or '?'} "
        f"{pairs.columns[at['total']].show(row[at['total']], style.raw_ns)}"
        for row in rows[:_PAIRS_SHOWN]
    ]
    return ", ".join(shown)
