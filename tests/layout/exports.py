#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""exports.py LIBLATCHKEY_PRELOAD LIBLATCHKEY LIBLATCHKEY_EVENTS

The preload library defines exactly the functions of symbols.def, without versions (so that they answer to
any version asked for), and needs nothing but the C library: no C++ runtime, unwinder or LTTng may come into
a program through it. liblatchkey.so defines the functions that latchkey.h marks, with versions, each has a
manual page, and it needs the C library only. The events library shows one symbol.
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


def header_functions() -> set[str]:
    """The functions of latchkey.h."""
    return set(re.findall(r"^LK_API [^;(]*?(\w+)\(", tree.read(tree.ROOT / "runtime/latchkey.h"), re.MULTILINE))


def documented_functions() -> set[str]:
    """The functions that the manual pages of section 3 declare."""
    pages = tree.files(".3", below="man")
    return {name for page in pages for name in re.findall(r"^\.BI? \"[\w *]*?(lk_\w+)\(", tree.read(page), re.MULTILINE)}


def library_failures(library: str) -> list[str]:
    """What is wrong with liblatchkey.so."""
    functions = header_functions()
    exported = [name for name in defined(library) if not re.fullmatch(r"LATCHKEY_[0-9.]+", name)]
    names = {name.partition("@")[0] for name in exported}
    failures = [f"latchkey.h: {name} is not exported" for name in sorted(functions - names)]
    failures += [f"{library}: exports {name}, which is not in latchkey.h" for name in sorted(names - functions)]
    failures += [f"{library}: {name} has no version" for name in exported if "@@LATCHKEY_" not in name]
    failures += [f"{library}: needs {name}" for name in sorted(needed(library) - ALLOWED_NEEDS)]
    documented = documented_functions()
    failures += [f"latchkey.h: {name} is in no manual page" for name in sorted(functions - documented)]
    failures += [f"man: {name} is not in latchkey.h" for name in sorted(documented - functions)]
    return failures if functions else ["latchkey.h: no functions found"]


def check(arguments: list[str]) -> int:
    preload, library, events = arguments
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
    failures += library_failures(library)
    return tree.end("exports", failures)


if __name__ == "__main__":
    tree.main(check)
