#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""exports.py LIBLATCHKEY_PRELOAD LIBLATCHKEY_EVENTS

The preload library defines exactly the functions of symbols.def, without versions (so that they answer to
any version asked for), and needs nothing but the C library: no C++ runtime, unwinder or LTTng may come into
a program through it. The events library shows one symbol.
"""

from __future__ import annotations

import re
import subprocess

import tree

ALLOWED_NEEDS = {"libc.so.6", "ld-linux-x86-64.so.2"}


def output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def defined(library: str) -> list[str]:
    """Defined dynamic symbols, with @VERSION where they have one."""
    lines = output("nm", "-D", "--defined-only", "--with-symbol-versions", library).splitlines()
    return [line.split()[-1] for line in lines]


def needed(library: str) -> set[str]:
    return set(re.findall(r"\(NEEDED\).*\[(.*)\]", output("readelf", "-dW", library)))


def check(arguments: list[str]) -> int:
    preload, events = arguments
    table = set(tree.symbols())
    exported = defined(preload)
    names = {name.partition("@")[0] for name in exported}
    failures = [f"symbols.def: {name} is not exported" for name in sorted(table - names)]
    failures += [f"{preload}: exports {name}, which is not in symbols.def" for name in sorted(names - table)]
    failures += [f"{preload}: {name} has a version" for name in exported if "@" in name]
    failures += [f"{preload}: needs {name}" for name in sorted(needed(preload) - ALLOWED_NEEDS)]
    failures += [f"{events}: exports {name}" for name in defined(events) if name != "latchkey_event_table"]
    failures += [f"{events}: needs {name}" for name in sorted(needed(events))
                 if re.match(r"libstdc\+\+|libunwind", name)]
    return tree.end("exports", failures)


if __name__ == "__main__":
    tree.main(check)
