#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every row of the .def tables is used, and none is there twice.

An event must be emitted, a counter added to, an option parsed, an object waited for; symbols are the business
of exports.py.
"""

from __future__ import annotations

import re
from collections import Counter

import tree


def sources(folder: str) -> str:
    return "\n".join(tree.without_comments(tree.read(path)) for path in tree.files(".h", ".cpp", below=folder))


def repeated(table: str, names: list[str]) -> list[str]:
    return [f"{table}: {name} is there {count} times" for name, count in Counter(names).items() if count > 1]


def unused(table: str, names: list[str], source: str, pattern: str) -> list[str]:
    """Rows whose `pattern`, with NAME replaced, is nowhere in the source."""
    return [f"{table}: {name} is not used" for name in names
            if not re.search(pattern.replace("NAME", re.escape(name)), source)]


def check(_: list[str]) -> int:
    preload = sources("preload")
    events = tree.rows("preload/events.def", "EVENT")
    objects = tree.rows("preload/events.def", "OBJECT")
    counters = tree.rows("runtime/counters.def", "COUNTER")
    options = tree.rows("preload/options.def", "OPTION", 1)
    failures = []
    for table, names in (("symbols.def", tree.symbols()), ("events.def", events + objects),
                         ("counters.def", counters), ("options.def", options)):
        failures += repeated(table, names) if names else [f"{table}: no rows found"]
    failures += unused("events.def", events, preload, r"\bEMIT\([^;]*?\bNAME\b")
    failures += unused("events.def", objects, preload, r"\bkObject_NAME\b")
    failures += unused("counters.def", counters, preload, r"\bk_NAME\b")
    failures += unused("options.def", options, preload, r"\bparse_NAME\(")
    failures += [f"options.def: {name} is not lower_case" for name in options
                 if not re.fullmatch(r"[a-z][a-z_]*", name)]
    return tree.end("tables", failures)


if __name__ == "__main__":
    tree.main(check)
