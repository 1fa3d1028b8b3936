#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What can be said of every file: licence line first, no path of somebody's machine, no deferred work, no
trailing blanks, small files; and each subcommand has its man page.
"""

from __future__ import annotations

import re
from pathlib import Path

import tree

MAX_LINES = 400
MAX_COLUMNS = 128
SOURCES = (".h", ".c", ".cpp", ".def", ".py", ".sql", ".case", ".sh", "meson.build")
TABLES = (".def", ".sql")  # a row may be as long as it is
MACHINE_PATH = re.compile(r"(?<![\w.$}])/(?:work|root|home/[a-z]\w+|usr/src)/")
DEFERRED = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|X" r"XX)\b")


def is_script(path: Path) -> bool:
    return path.suffix == "" and path.is_file() and path.read_bytes()[:2] == b"#!"


def line_failures(name: str, text: str) -> list[str]:
    failures = []
    for number, line in enumerate(text.splitlines(), 1):
        if MACHINE_PATH.search(line):
            failures.append(f"{name}:{number}: path of somebody's machine")
        if DEFERRED.search(line):
            failures.append(f"{name}:{number}: deferred work")
        if line != line.rstrip():
            failures.append(f"{name}:{number}: trailing blank")
        if len(line) > MAX_COLUMNS and not name.endswith(TABLES):
            failures.append(f"{name}:{number}: {len(line)} columns")
    return failures


def file_failures(path: Path) -> list[str]:
    name, text = tree.relative(path), tree.read(path)
    lines = text.splitlines()
    head = lines[1:2] if text.startswith("#!") else lines[:1]
    failures = line_failures(name, text)
    if not head or "SPDX-License-Identifier: Apache-2.0" not in head[0]:
        failures.append(f"{name}: does not begin with its licence")
    if len(lines) > MAX_LINES:
        failures.append(f"{name}: {len(lines)} lines")
    return failures


def subcommands() -> list[str]:
    """The names of the dispatch table of scripts/latchkey."""
    text = tree.read(tree.ROOT / "scripts/latchkey")
    table = re.search(r"_COMMANDS = {(.*?)}", text, re.DOTALL)
    return re.findall(r'"([a-z]+)":', table.group(1)) if table else []


def check(_: list[str]) -> int:
    failures = []
    for path in tree.files():
        if path.name.endswith(SOURCES) or is_script(path):
            failures += file_failures(path)
    commands = subcommands()
    if not commands:
        failures.append("scripts/latchkey: no subcommands found")
    failures += [f"man/latchkey-{name}.1: missing" for name in commands
                 if not (tree.ROOT / f"man/latchkey-{name}.1").exists()]
    return tree.end("style", failures)


if __name__ == "__main__":
    tree.main(check)
