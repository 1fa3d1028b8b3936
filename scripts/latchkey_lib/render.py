# SPDX-License-Identifier: Apache-2.0
"""Tables as text that fits the terminal."""

import itertools
import os
from dataclasses import dataclass
from typing import TextIO

from latchkey_lib import units
from latchkey_lib.table import Column, Table

_MIN_NAME = 16  # narrower names tell nothing
_MIN_WIDTH, _DEFAULT_WIDTH = 40, 110
_MAX_NAME = {0: 60, 1: 40}  # of the first text column, and of the others


@dataclass(frozen=True)
class Style:
    """How to print: columns of the terminal, colour, and durations as plain nanoseconds."""

    width: int = _DEFAULT_WIDTH
    color: bool = False
    raw_ns: bool = False

    def heading(self, text: str) -> str:
        """A section's title."""
        return f"\033[1m{text}\033[0m" if self.color else text


def style_for(stream: TextIO | None, color: bool = True, raw_ns: bool = False) -> Style:
    """COLUMNS, else the terminal's width, else 110; colour on terminals unless NO_COLOR is set."""
    terminal = stream is not None and stream.isatty()
    columns = os.environ.get("COLUMNS", "")
    width = int(columns) if columns.isdigit() else _terminal_width(stream) if terminal else _DEFAULT_WIDTH
    return Style(max(width, _MIN_WIDTH), color and terminal and "NO_COLOR" not in os.environ, raw_ns)


def _terminal_width(stream: TextIO) -> int:
    try:
        return os.get_terminal_size(stream.fileno()).columns or _DEFAULT_WIDTH
    except OSError:
        return _DEFAULT_WIDTH


def shorten(text: str, width: int) -> str:
    """Cuts the middle: both ends of a name tell more than its inside."""
    if len(text) <= width:
        return text
    tail = (width - 2) * 2 // 5
    return text[: width - 2 - tail] + ".." + text[len(text) - tail :]


def shorten_end(text: str, width: int) -> str:
    """Cuts the end: of a list, the first matter most."""
    return text if len(text) <= width else text[: width - 2] + ".."


def lines(table: Table, style: Style, limit: int | None = None, numbered: bool = False) -> list[str]:
    """Header and rows; columns of high rank are left out until the line fits, names shortened then."""
    rows = table.rows[:limit]
    columns = [
        at for at, column in enumerate(table.columns) if column.rank < 9 and _has_value(column, rows, at)
    ]
    cells = {at: [table.columns[at].show(row[at], style.raw_ns) for row in rows] for at in columns}
    indent = len(str(len(rows))) + 2 if numbered else 1
    while True:
        widths = {at: _width(table.columns[at], cells[at], at == columns[0]) for at in columns}
        _widen_for_groups(table, columns, widths)
        spare = style.width - indent - sum(widths.values()) - 2 * (len(columns) - 1)
        if spare >= 0:
            break
        if _shrink(table, columns, widths, spare):
            break
        columns.remove(max(columns[1:], key=lambda at: (table.columns[at].rank, at)))
    out = _header(table, columns, widths, indent)
    for number in range(len(rows)):
        first = f"{number + 1:>{indent - 1}} " if numbered else " " * indent
        out.append(
            (
                first + "  ".join(_cell(table.columns[at], cells[at][number], widths[at]) for at in columns)
            ).rstrip()
        )
    return out


def _has_value(column: Column, rows: list, at: int) -> bool:
    """Numbers that are all zero or unknown, and instance counts of one, are not worth their width."""
    dull = (None, 0, 1, "") if column.name == "instances" else (None, 0, "")
    return column.kind == "text" and column.rank == 0 or any(row[at] not in dull for row in rows)


def _width(column: Column, cells: list[str], first: bool) -> int:
    longest = max([len(column.title), *map(len, cells)])
    return min(longest, _MAX_NAME[0 if first else 1]) if column.kind == "text" else longest


def _shrink(table: Table, columns: list[int], widths: dict[int, int], spare: int) -> bool:
    """Takes what is missing from the text columns, the widest first, if no rank is left to drop."""
    if any(table.columns[at].rank for at in columns) and _shrinkable(table, columns, widths) + spare < 0:
        return False
    while spare < 0:
        names = [at for at in columns if table.columns[at].kind == "text" and widths[at] > _MIN_NAME]
        if not names:
            return len(columns) <= 2
        widest = max(names, key=lambda at: widths[at])
        widths[widest] -= 1
        spare += 1
    return True


def _shrinkable(table: Table, columns: list[int], widths: dict[int, int]) -> int:
    """Columns that names can give up before a column of rank is dropped: down to twice the minimum."""
    return sum(max(0, widths[at] - 2 * _MIN_NAME) for at in columns if table.columns[at].kind == "text")


def _header(table: Table, columns: list[int], widths: dict[int, int], indent: int) -> list[str]:
    titles = "  ".join(_cell(table.columns[at], table.columns[at].title, widths[at]) for at in columns)
    out = [(" " * indent + titles).rstrip()]
    if any(table.columns[at].group for at in columns):
        out.insert(0, (" " * indent + _groups(table, columns, widths)).rstrip())
    return out


def _runs(table: Table, columns: list[int]) -> list[list[int]]:
    """Neighbouring columns with the same group (or none)."""
    return [list(run) for _, run in itertools.groupby(columns, key=lambda at: table.columns[at].group)]


def _run_width(run: list[int], widths: dict[int, int]) -> int:
    return sum(widths[at] for at in run) + 2 * (len(run) - 1)


def _widen_for_groups(table: Table, columns: list[int], widths: dict[int, int]) -> None:
    """A group's name needs room as well."""
    for run in _runs(table, columns):
        widths[run[0]] += max(0, len(table.columns[run[0]].group) - _run_width(run, widths))


def _groups(table: Table, columns: list[int], widths: dict[int, int]) -> str:
    """The line above the titles: each group's name between dashes over its columns."""
    parts = []
    for run in _runs(table, columns):
        group, width = table.columns[run[0]].group, _run_width(run, widths)
        parts.append(
            f" {group} ".center(width, "-") if group and len(group) + 4 <= width else group.rjust(width)
        )
    return "  ".join(parts)


def _cell(column: Column, text: str, width: int) -> str:
    if column.kind == "text":
        return shorten(text, width).ljust(width)
    return text.rjust(width)


def share(part: int | None, whole: int | None) -> str:
    """A share in per cent; unknown if the whole is."""
    return units.percent(100.0 * part / whole) if part is not None and whole else units.UNKNOWN
