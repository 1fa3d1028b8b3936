# SPDX-License-Identifier: Apache-2.0
"""Reads a counters file (counters/PID of a run directory) by the schema the file itself carries.

Independent of the product's own readers on purpose: it is what the tests hold the writer against.
"""

from __future__ import annotations

import errno
import mmap
import os
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MAGIC = b"LATCHKC1"
INTEGERS = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q", "i32": "i", "i64": "q"}


@dataclass(frozen=True)
class Section:
    offset: int
    stride: int
    count: int


@dataclass(frozen=True)
class Field:
    type: str
    offset: int


def written_ranges(file: int) -> Iterator[tuple[int, int]]:
    """The parts of a file that are not holes: a counters file is sparse, with room for all threads there may be."""
    end = 0
    while True:
        try:
            start = os.lseek(file, end, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            return
        end = os.lseek(file, start, os.SEEK_HOLE)
        yield start, end


class CountersFile:
    """One counters file, read once. Raises ValueError when it is not one."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            self._written = list(written_ranges(file.fileno()))
            self._data = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        if self._data[:8] != MAGIC:
            raise ValueError(f"{path}: not a counters file")
        start, length = struct.unpack_from("<II", self._data, 8)
        self._sections: dict[str, Section] = {}
        self._fields: dict[str, dict[str, Field]] = {}
        for line in self._data[start : start + length].decode("ascii").splitlines():
            self._read_schema_line(line.split())

    def _read_schema_line(self, words: list[str]) -> None:
        if words[0] == "section":
            self._sections[words[1]] = Section(*map(int, words[2:5]))
            self._fields[words[1]] = {}
        elif words[0] == "field":
            self._fields[words[1]][words[2]] = Field(words[3], int(words[4]))

    def fields(self, section: str) -> list[str]:
        return list(self._fields[section])

    def _value(self, at: int, kind: str) -> int | str:
        if kind.startswith("char["):
            raw = self._data[at : at + int(kind[5:-1])]
            return raw.split(b"\0", 1)[0].decode("utf-8", "replace")
        size = struct.calcsize(INTEGERS[kind])
        raw = self._data[at : at + size].ljust(size, b"\0")
        return struct.unpack("<" + INTEGERS[kind], raw)[0]

    def _written_records(self, place: Section) -> list[int]:
        indexes: set[int] = set()
        for start, end in self._written:
            first = max(0, (start - place.offset) // place.stride)
            indexes.update(range(first, min(place.count, -(-(end - place.offset) // place.stride))))
        return sorted(indexes)

    def records(self, section: str) -> list[dict[str, int | str]]:
        """All records of a section that are in the file and not empty; arrays are left out."""
        place = self._sections[section]
        result = []
        for index in self._written_records(place):
            at = place.offset + index * place.stride
            if not any(self._data[at : at + place.stride]):
                continue
            result.append({name: self._value(at + field.offset, field.type)
                           for name, field in self._fields[section].items()
                           if not field.type.startswith("u64[")})
        return result


def sums(directory: Path) -> dict[str, int]:
    """Sums over all counters files below `directory`/counters.

    Thread fields go by their own name (mutex_contended, calls.read), the others as file.FIELD and
    process.FIELD; `processes` is the number of files.
    """
    total: Counter[str] = Counter()
    for path in sorted((directory / "counters").iterdir()):
        counters = CountersFile(path)
        total["processes"] += 1
        for section, prefix in (("thread", ""), ("file", "file."), ("process", "process.")):
            total.update({prefix + name: 0 for name in counters.fields(section)})
            for record in counters.records(section):
                total.update({prefix + name: value for name, value in record.items()
                              if isinstance(value, int)})
    return dict(total)
