# SPDX-License-Identifier: Apache-2.0
"""Reads the .def tables, the only lists of symbols, options, events and counters.

A table is C++ source for the preprocessor: rows MACRO(argument, ...), comments and #if lines around
them. This reader knows just that much, so that export map, option parser and man pages come from the
same rows as the libraries.
"""

import re
from dataclasses import dataclass
from pathlib import Path

_COMMENTS = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
_DIRECTIVE = re.compile(r"^[ \t]*#.*$", re.MULTILINE)
_ROW = re.compile(r"([A-Z][A-Z0-9_]*)\s*\(")
_STRING = re.compile(r'"((?:\\.|[^"\\])*)"\s*')


class TableError(Exception):
    """A .def file that cannot be read as rows; the text says where."""


@dataclass(frozen=True)
class Row:
    """One row: the macro's name and its arguments, string literals without their quotes."""

    macro: str
    args: tuple[str, ...]


@dataclass(frozen=True)
class Option:
    """A row of options.def."""

    kind: str
    name: str
    default: str
    values: str
    help: str

    @property
    def flag(self) -> str:
        return "--" + self.name.replace("_", "-")

    @property
    def variable(self) -> str:
        return "LATCHKEY_" + self.name.upper()


@dataclass(frozen=True)
class Symbol:
    """A row of symbols.def."""

    group: str
    name: str
    version: str


@dataclass(frozen=True)
class Field:
    """One field of an event; type is a C type, `text` or `TYPE[]`."""

    name: str
    type: str
    help: str


@dataclass(frozen=True)
class Event:
    """A row of events.def."""

    name: str
    help: str
    fields: tuple[Field, ...]


@dataclass(frozen=True)
class Counter:
    """A row of counters.def."""

    name: str
    unit: str
    help: str


def parse_rows(text: str) -> list[Row]:
    """Rows of a table's text in order. Raises TableError on an unbalanced row."""
    text = _COMMENTS.sub(lambda m: m.group() if m.group().startswith('"') else " ", text)
    text = _DIRECTIVE.sub("", text)
    rows = []
    position = 0
    while match := _ROW.search(text, position):
        args, position = _split_arguments(text, match.end())
        rows.append(Row(match.group(1), tuple(_unquote(arg) for arg in args)))
    return rows


def _split_arguments(text: str, start: int) -> tuple[list[str], int]:
    """Splits at the commas of the outermost level; returns the arguments and the end of the row."""
    args, depth, begin, at = [], 1, start, start
    while at < len(text):
        if text[at] == '"':
            at = _STRING.match(text, at).end() if _STRING.match(text, at) else len(text)
            continue
        if text[at] in "([":
            depth += 1
        elif text[at] in ")]":
            depth -= 1
        if depth == 0 or (depth == 1 and text[at] == ","):
            args.append(text[begin:at].strip())
            begin = at + 1
        at += 1
        if depth == 0:
            return args, at
    raise TableError(f"row without end at: {text[start:start + 40]!r}")


def _unquote(arg: str) -> str:
    """Joins adjacent string literals as the compiler does; anything else stays as written."""
    if not re.fullmatch(f"({_STRING.pattern})+", arg):
        return arg
    return "".join(part.replace('\\"', '"') for part in _STRING.findall(arg))


def _rows(path: Path, *macros: str) -> list[Row]:
    return [row for row in parse_rows(path.read_text()) if row.macro in macros]


def read_options(path: Path) -> list[Option]:
    """Rows of options.def."""
    return [Option(*row.args) for row in _rows(path, "OPTION")]


def read_symbols(path: Path) -> list[Symbol]:
    """Rows of symbols.def."""
    return [Symbol(*row.args[:3]) for row in _rows(path, "SYMBOL", "SYMBOL_AS")]


def read_events(path: Path) -> list[Event]:
    """EVENT rows of events.def with their fields."""
    return [Event(row.args[0], row.args[1], _fields(row.args[2])) for row in _rows(path, "EVENT")]


def _fields(text: str) -> tuple[Field, ...]:
    fields = []
    for row in parse_rows(text):
        if row.macro == "TXT":
            fields.append(Field(row.args[0], "text", row.args[1]))
        else:
            suffix = "[]" if row.macro == "SEQ" else ""
            fields.append(Field(row.args[1], row.args[0] + suffix, row.args[2]))
    return tuple(fields)


def read_objects(path: Path) -> list[tuple[str, int]]:
    """OBJECT rows of events.def: name and value."""
    return [(row.args[0], int(row.args[1])) for row in _rows(path, "OBJECT")]


def read_passages(path: Path) -> list[tuple[int, str]]:
    """PASSAGE rows of events.def: value and meaning."""
    return [(int(row.args[1]), row.args[2]) for row in _rows(path, "PASSAGE")]


def read_counters(path: Path) -> list[Counter]:
    """Rows of counters.def."""
    return [Counter(*row.args) for row in _rows(path, "COUNTER")]
