# SPDX-License-Identifier: Apache-2.0
"""latchkey report: what a recording says about locks, signals, threads and I/O.

Without --by it prints the whole report; with --by one table. It works on a run that is still going:
the analysis is brought up to date first if anything was recorded since.
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from latchkey_lib import analysis, io_views, options, paths, render, summary, time_views, views
from latchkey_lib.filters import Filters
from latchkey_lib.load import Result
from latchkey_lib.messages import OK, DataError, UsageError, say
from latchkey_lib.table import Table

SUMMARY = "print what a recording says"
FORMAT, VERSION = "latchkey-report", 1
_DEFAULT_LIMIT = 20

View = Callable[[Result, Filters], Table]
_VIEWS: dict[str, tuple[View, ...]] = {
    "lock": (views.locks, views.signals),
    "site": (views.sites,),
    "thread": (time_views.threads,),
    "role": (time_views.roles,),
    "file": (io_views.files, io_views.io_calls, io_views.io_under_lock),
}
_ALL: tuple[View, ...] = (
    views.quality,
    time_views.roles,
    views.locks,
    views.signals,
    views.sites,
    lambda result, filters: views.pairs(result, filters, "lock"),
    lambda result, filters: views.pairs(result, filters, "signal"),
    io_views.files,
    io_views.io_calls,
    io_views.io_under_lock,
    time_views.threads,
)
_SORTS = {
    "wait": "wait_total",
    "hold": "hold_total",
    "p99": "wait_p99",
    "max": "wait_max",
    "count": "contended",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Directory, choice of tables, filters and form."""
    parser.add_argument("dir", type=Path, metavar="DIR", help="run directory of latchkey record")
    parser.add_argument("--by", choices=sorted(_VIEWS), help="one table instead of the whole report")
    parser.add_argument(
        "--sort",
        metavar="COLUMN",
        help="wait, hold, p99, max, count or a column of --format json (default: total time)",
    )
    parser.add_argument(
        "--limit",
        type=_natural,
        metavar="N",
        help=f"rows per table (default {_DEFAULT_LIMIT}; json and csv: all)",
    )
    parser.add_argument("--min", metavar="TIME", help="leave out rows with less total time, such as 1ms")
    parser.add_argument("--lock", metavar="GLOB", default="", help="only locks and signals with such a name")
    parser.add_argument("--role", metavar="GLOB", default="", help="only threads of such a role")
    parser.add_argument("--format", choices=("text", "json", "csv"), default="text", help="default text")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write there instead of to stdout")
    parser.add_argument("--no-color", action="store_true", help="no bold headings, even on a terminal")
    parser.add_argument("--raw-ns", action="store_true", help="durations as nanoseconds without rounding")


def main(args: argparse.Namespace) -> int:
    """0; the errors are exceptions."""
    filters = Filters(args.lock, args.role, _minimum(args.min))
    analysis.require_run(args.dir)
    _bring_up_to_date(args.dir)
    result = Result(args.dir)
    text = {"json": _json, "csv": _csv, "text": _text}[args.format](result, filters, args)
    result.close()
    if args.output:
        _write(args.output, text)
    else:
        sys.stdout.write(text)
    return OK


def print_short(run: Path, limit: int, stream: TextIO) -> None:
    """The report with few rows, as record prints it."""
    result = Result(run)
    for line in summary.report(result, Filters(), render.style_for(stream), limit):
        print(line, file=stream)
    result.close()


def _bring_up_to_date(run: Path) -> None:
    if analysis.is_current(run):
        return
    try:
        analysis.analyze(run)
    except (DataError, UsageError) as error:
        if not (run / analysis.RESULT).is_file():
            raise
        say(f"{error}; this report is of the last analysis")


def _text(result: Result, filters: Filters, args: argparse.Namespace) -> str:
    style = render.style_for(None if args.output else sys.stdout, not args.no_color, args.raw_ns)
    limit = args.limit or _DEFAULT_LIMIT
    if not args.by:
        if args.sort:
            raise UsageError("--sort orders one table; say which with --by")
        return "\n".join(summary.report(result, filters, style, limit)) + "\n"
    lines = list(summary.quality_lines(result, style))
    for table in _tables(result, filters, args):
        lines += ["", style.heading(table.title), *render.lines(table, style, limit)]
        if len(table.rows) > limit:
            lines.append(f" and {len(table.rows) - limit} more")
    return "\n".join(lines) + "\n"


def _json(result: Result, filters: Filters, args: argparse.Namespace) -> str:
    tables = [_limited(table, args.limit).as_json() for table in _tables(result, filters, args)]
    return (
        json.dumps(
            {
                "format": FORMAT,
                "version": VERSION,
                "latchkey": paths.version(),
                "run": result.meta,
                "tables": tables,
            },
            indent=1,
        )
        + "\n"
    )


def _csv(result: Result, filters: Filters, args: argparse.Namespace) -> str:
    """One table: the first that --by names."""
    return _limited(_tables(result, filters, args, default="lock")[0], args.limit).as_csv()


def _tables(result: Result, filters: Filters, args: argparse.Namespace, default: str = "") -> list[Table]:
    """The tables asked for, sorted. Raises UsageError if the first has no such column."""
    by = args.by or default
    tables = [view(result, filters) for view in (_VIEWS[by] if by else _ALL)]
    if args.sort:
        _sort(tables, args.sort)
    return tables


def _sort(tables: list[Table], wanted: str) -> None:
    names = [column.name for column in tables[0].columns]
    column = wanted if wanted in names else _SORTS.get(wanted, wanted)
    if column not in names:
        raise UsageError(f"option --sort: {wanted!r} is no column here; allowed: {', '.join(names)}")
    for table in tables:
        if column in [own.name for own in table.columns]:
            table.sort(column)


def _limited(table: Table, limit: int | None) -> Table:
    table.rows = table.rows[:limit]
    return table


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; choose another file with --output") from None


def _minimum(text: str | None) -> int:
    if text is None:
        return 0
    value = options.duration_ns(text)
    if value is None:
        raise UsageError(
            f"option --min: {text!r} is no time; allowed: digits with ns, us, ms or s, such as 1ms"
        )
    return value


def _natural(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number from 1 on")
    return int(text)
