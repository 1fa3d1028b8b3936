#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Puts the .def tables into a man page, so that there is no second list of options, events or symbols.

gen_man_tables.py ROOT VERSION PAGE OUTPUT. In PAGE, a line `@NAME@` becomes the table of that name from
ROOT (see _TABLES) as man(7) source, and @version@ the version.
"""

import itertools
import re
import sys
from collections.abc import Callable
from pathlib import Path

from latchkey_lib import tables
from latchkey_lib.tables import Option


def quoted(text: str) -> str:
    """Text as man(7) source."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + escaped if escaped.startswith((".", "'")) else escaped


def tagged(tag: str, text: str) -> str:
    """A tagged paragraph."""
    return f".TP\n{tag}\n{text}\n"


def option_flags(root: Path) -> str:
    """Options as flags of record."""
    return "".join(
        tagged(f'.BI {quoted(row.flag)} " {quoted(row.values)}"', _option_text(row)) for row in _options(root)
    )


def option_variables(root: Path) -> str:
    """Options as variables, those of the launcher too."""
    rows = tables.read_options(root / "preload" / "options.def")
    return "".join(
        tagged(
            f'.BR {row.variable} " ({quoted(row.values)})"',
            _option_text(row) + ("\nSet by the launcher." if row.kind == "path" else ""),
        )
        for row in rows
    )


def option_keys(root: Path) -> str:
    """Names of the keys of a policy file, one line."""
    return ",\n".join(f".B {row.name}" for row in _options(root)).replace(",\n.B ", ",\n.B ") + "\n"


def _options(root: Path) -> list[Option]:
    return [row for row in tables.read_options(root / "preload" / "options.def") if row.kind != "path"]


def _option_text(row: Option) -> str:
    default = f" Default: {quoted(row.default)}." if row.default else ""
    return f"{quoted(row.help[0].upper() + row.help[1:])}.{default}"


def events(root: Path) -> str:
    """Each event with the table of its fields."""
    out = []
    for event in tables.read_events(root / "preload" / "events.def"):
        level, _, meaning = event.help.partition(" ")
        levels = {"[c]": "levels contended and full", "[f]": "level full only"}[level]
        out.append(f".SS latchkey:{event.name}\n{quoted(meaning[0].upper() + meaning[1:])} ({levels}).\n")
        out += [
            tagged(f'.BR {field.name} " ({field.type})"', quoted(field.help) + ".") for field in event.fields
        ]
    return "".join(out)


def objects(root: Path) -> str:
    """Values of the field `object`."""
    return "".join(
        tagged(f".B {value}", name) for name, value in tables.read_objects(root / "preload" / "events.def")
    )


def passages(root: Path) -> str:
    """Values of the field `passage`."""
    return "".join(
        tagged(f".B {value}", quoted(meaning) + ".")
        for value, meaning in tables.read_passages(root / "preload" / "events.def")
    )


def counters(root: Path) -> str:
    """Counters of a thread with their units."""
    return "".join(
        tagged(f'.BR {row.name} " ({row.unit})"', quoted(row.help) + ".")
        for row in tables.read_counters(root / "runtime" / "counters.def")
    )


def symbols(root: Path) -> str:
    """Interposed functions by group, with their row numbers."""
    rows = enumerate(tables.read_symbols(root / "preload" / "symbols.def"))
    out = []
    for group, numbered in itertools.groupby(rows, key=lambda item: item[1].group):
        members = list(numbered)
        names = ",\n".join(quoted(row.name) for _, row in members) + "\n"
        out.append(tagged(f'.BR {group} " ({members[0][0]} to {members[-1][0]})"', names))
    return "".join(out)


_TABLES: dict[str, Callable[[Path], str]] = {
    "option_flags": option_flags,
    "option_variables": option_variables,
    "option_keys": option_keys,
    "events": events,
    "objects": objects,
    "passages": passages,
    "counters": counters,
    "symbols": symbols,
}


def fill(page: str, root: Path, version: str) -> str:
    """The page with its tables. Raises KeyError for a table that is unknown."""
    page = page.replace("@version@", version)
    return re.sub(r"^@(\w+)@\n", lambda match: _TABLES[match.group(1)](root), page, flags=re.MULTILINE)


def main() -> int:
    """Writes OUTPUT; 0 if all is well."""
    if len(sys.argv) != 5:
        print("usage: gen_man_tables.py ROOT VERSION PAGE OUTPUT", file=sys.stderr)
        return 2
    root, version, page, output = sys.argv[1:]
    try:
        Path(output).write_text(fill(Path(page).read_text(), Path(root), version))
    except KeyError as error:
        print(f"gen_man_tables.py: {page}: no table {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
