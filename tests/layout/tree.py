# SPDX-License-Identifier: Apache-2.0
"""What the layout checks share: the files of the tree, the rows of the .def tables, one way to report."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SKIPPED = {".git", "__pycache__", "latchkey-out"}


def files(*suffixes: str, below: str = ".") -> Iterator[Path]:
    """Files of the tree with one of the suffixes (none given: all), without build directories."""
    for folder, folders, names in os.walk(ROOT / below):
        folders[:] = sorted(name for name in folders
                            if name not in SKIPPED and not (Path(folder) / name / "meson-private").exists())
        for name in sorted(names):
            if not suffixes or name.endswith(suffixes):
                yield Path(folder) / name


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


def without_comments(source: str) -> str:
    """C or C++ source without its comments; line numbers are kept."""
    source = re.sub(r"/\*.*?\*/", lambda match: "\n" * match.group().count("\n"), source, flags=re.DOTALL)
    return re.sub(r"//[^\n]*", "", source)


def rows(table: str, keyword: str, column: int = 0) -> list[str]:
    """One column of the rows `KEYWORD(a, b, ...)` of a .def table, in its order."""
    text = without_comments(read(ROOT / table))
    return [match.group(1).split(",")[column].strip()
            for match in re.finditer(rf"^{keyword}\(([^)]*)", text, re.MULTILINE)]


def symbols() -> list[str]:
    return rows("preload/symbols.def", r"SYMBOL(?:_AS)?", 1)


def end(what: str, failures: list[str]) -> int:
    """Prints the failures, or that `what` holds; returns the exit status."""
    for failure in failures:
        print(failure)
    print(f"{what}: {len(failures)} failures" if failures else f"{what}: holds")
    return 1 if failures else 0


def main(check) -> None:
    sys.exit(check(sys.argv[1:]))
