#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Which folder may include what: `program -> preload -> runtime`, `events.def -> trace -> analyze`.

Quoted includes are rooted (`"runtime/held_locks.h"`); what a folder may name is in ROOTED, headers of other
projects that only some files may name are in RESERVED.
"""

from __future__ import annotations

import re

import tree

# Folder -> patterns of the quoted includes its files may use.
ROOTED = {
    "runtime": [r"runtime/"],
    "preload": [r"preload/", r"runtime/"],
    "analyze": [r"analyze/", r"preload/(events|symbols|options)\.def$", r"runtime/counters\.def$"],
    "tests/preload/victims": [r"victim\.h$"],
}

# Header -> patterns of the files that may include it, per folder of ROOTED; elsewhere it is not used at all.
RESERVED = {
    r"lttng/.*": [r"preload/provider\.h"],
    r"libunwind.*": [r"preload/stack\.cpp"],
    r"dlfcn\.h|link\.h": [r"preload/(real\.h|real\.cpp|loader\.cpp|stack\.cpp|process\.cpp)",
                          r"tests/preload/victims/loader.*\.c"],
    r"iostream|fstream|sstream|string|vector|map|unordered_map|memory|functional|exception|stdexcept|new":
        [r"analyze/.*", r"tests/.*"],
    r"cstdio|stdio\.h": [r"analyze/.*", r"tests/.*", r"preload/(real\.h|counters_file\.cpp)", r"runtime/rank\.h"],
    r"babeltrace2/.*": [r"analyze/(bt_reader|babeltrace|fallback)[a-z_]*\.(cpp|h)"],
    r"sqlite3\.h": [r"analyze/(sqlite|store)[a-z_]*\.(cpp|h)"],
    r"boost/.*": [r"analyze/main\.cpp"],
    r"gelf\.h|libelf\.h|elfutils/.*|dwarf\.h": [r"analyze/(symbol|line)[a-z_]*\.(cpp|h)"],
}


def includes(source: str) -> list[tuple[int, str, str]]:
    """(line, `"` or `<`, header) of each include."""
    found = []
    for number, line in enumerate(tree.without_comments(source).splitlines(), 1):
        match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
        if match:
            found.append((number, match.group(1), match.group(2)))
    return found


def is_allowed(folder: str, name: str, quote: str, header: str) -> bool:
    if quote == '"' and not any(re.match(pattern, header) for pattern in ROOTED[folder]):
        return False
    for pattern, users in RESERVED.items():
        if re.fullmatch(pattern, header):
            return any(re.fullmatch(user, name) for user in users)
    return True


def check(_: list[str]) -> int:
    failures = []
    for folder in ROOTED:
        for path in tree.files(".h", ".c", ".cpp", ".def", below=folder):
            name = tree.relative(path)
            failures += [f"{name}:{line}: may not include {header}"
                         for line, quote, header in includes(tree.read(path))
                         if not is_allowed(folder, name, quote, header)]
    return tree.end("includes", failures)


if __name__ == "__main__":
    tree.main(check)
