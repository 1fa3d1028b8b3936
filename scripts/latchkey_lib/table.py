# SPDX-License-Identifier: Apache-2.0
"""A table that describes itself: each column has a class and a unit, as in LTTng-analyses' LAMI.

Rows hold plain values (int, float, str or None for "not known"); durations are nanoseconds, sizes
bytes. Text, JSON and CSV are made from the same table.
"""

import csv
import io
from dataclasses import dataclass, field

from latchkey_lib import units

Value = int | float | str | None


@dataclass(frozen=True)
class Column:
    """kind: text | duration | count | decimal | size | percent. rank: 0 always shown as text; the higher, the
    wider the terminal must be; 9: in JSON and CSV only. group: heading above several columns."""

    name: str
    title: str
    kind: str = "text"
    unit: str = ""
    rank: int = 0
    group: str = ""

    def show(self, value: Value, raw_ns: bool = False) -> str:
        """A value as text."""
        if self.kind == "text" or isinstance(value, str):
            return units.UNKNOWN if value is None or value == "" else str(value)
        if self.kind == "duration":
            return units.duration(value) if not raw_ns else units.UNKNOWN if value is None else f"{value} ns"
        show = {"count": units.count, "decimal": units.decimal, "size": units.size, "percent": units.percent}
        return show[self.kind](value)


@dataclass
class Table:
    """Named rows; `order` is the column that sorts them, largest first."""

    name: str
    title: str
    columns: tuple[Column, ...]
    order: str = ""
    rows: list[tuple[Value, ...]] = field(default_factory=list)

    def index(self, name: str) -> int:
        """Position of a column."""
        return [column.name for column in self.columns].index(name)

    def sort(self, name: str) -> None:
        """Largest first, unknown last; text from A to Z."""
        at = self.index(name)
        if self.columns[at].kind == "text":
            self.rows.sort(key=lambda row: str(row[at] or ""))
        else:
            self.rows.sort(key=lambda row: (row[at] is None, -(row[at] or 0)))

    def as_json(self) -> dict[str, object]:
        """The table with its columns' classes and units."""
        columns = [
            {
                "name": c.name,
                "title": " ".join(filter(None, (c.group, c.title))),
                "class": c.kind,
                "unit": c.unit,
            }
            for c in self.columns
        ]
        return {
            "name": self.name,
            "title": self.title,
            "columns": columns,
            "rows": [list(row) for row in self.rows],
        }

    def as_csv(self) -> str:
        """Comma separated, the units in the header line; unknown values are empty."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(f"{c.name} [{c.unit}]" if c.unit else c.name for c in self.columns)
        writer.writerows(self.rows)
        return text.getvalue()


def text(name: str, title: str, rank: int = 0) -> Column:
    """A column of words."""
    return Column(name, title, rank=rank)


def ns(name: str, title: str, rank: int = 0, group: str = "") -> Column:
    """A column of durations."""
    return Column(name, title, "duration", "ns", rank, group)


def number(name: str, title: str, unit: str, rank: int = 0, group: str = "") -> Column:
    """A column of counts of `unit`."""
    return Column(name, title, "count", unit, rank, group)


def decimal(name: str, title: str, unit: str, rank: int = 0, group: str = "") -> Column:
    """A column of means: of counts of `unit`, with a fraction."""
    return Column(name, title, "decimal", unit, rank, group)


def size(name: str, title: str, rank: int = 0, group: str = "") -> Column:
    """A column of byte counts."""
    return Column(name, title, "size", "bytes", rank, group)


def percent(name: str, title: str, rank: int = 0, group: str = "") -> Column:
    """A column of shares."""
    return Column(name, title, "percent", "%", rank, group)
