#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""hotpath.py LIBLATCHKEY_PRELOAD

The machine code of the uncontended mutex calls: the shortest way through pthread_mutex_lock and
pthread_mutex_unlock is short, has at most one locked instruction, and neither function calls anything: what
is slow is reached by a jump. dlopen ends in a jump, because the loader looks at its caller. Thread-local
storage is initial-exec: one %fs: access, never __tls_get_addr.
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass

import tree

FUNCTIONS = ["pthread_mutex_lock", "pthread_mutex_unlock"]
MAX_INSTRUCTIONS = 60
CALLER_SENSITIVE = ["dlopen", "dlmopen"]


@dataclass(frozen=True)
class Instruction:
    address: int
    text: str


def disassemble(library: str, function: str) -> list[Instruction]:
    listing = subprocess.run(["objdump", "-d", "--no-show-raw-insn", f"--disassemble={function}", library],
                             check=True, capture_output=True, text=True).stdout
    return [Instruction(int(match.group(1), 16), match.group(2).strip())
            for match in re.finditer(r"^\s+([0-9a-f]+):\t(.+)$", listing, re.MULTILINE)]


def successors(code: list[Instruction], index: int) -> list[int]:
    """Where control may go next inside the function, as indexes; a jump out of it goes nowhere."""
    text = code[index].text
    places = {instruction.address: place for place, instruction in enumerate(code)}
    target = re.match(r"j\w+\s+([0-9a-f]+)", text)
    following = [] if target is None or int(target.group(1), 16) not in places else \
        [places[int(target.group(1), 16)]]
    if not text.startswith(("jmp", "notrack jmp", "ret")) and index + 1 < len(code):
        following.append(index + 1)
    return following


def shortest_way(code: list[Instruction]) -> list[Instruction]:
    """The instructions from entry to the nearest ret; empty if there is none."""
    ways: list[list[int]] = [[0]]
    seen = {0}
    while ways:
        way = ways.pop(0)
        if code[way[-1]].text.startswith("ret"):
            return [code[index] for index in way]
        for index in successors(code, way[-1]):
            if index not in seen:
                seen.add(index)
                ways.append([*way, index])
    return []


def is_locked(text: str) -> bool:
    return text.startswith("lock ") or bool(re.match(r"xchg\s.*\(", text))


def function_failures(library: str, function: str) -> list[str]:
    code = disassemble(library, function)
    if not code:
        return [f"{function}: not found"]
    way = shortest_way(code)
    failures = [f"{function}: calls: {instruction.text}" for instruction in code
                if re.match(r"(notrack )?call", instruction.text)]
    if not 0 < len(way) <= MAX_INSTRUCTIONS:
        failures.append(f"{function}: {len(way)} instructions on its shortest way, at most {MAX_INSTRUCTIONS}")
    if sum(is_locked(instruction.text) for instruction in way) > 1:
        failures.append(f"{function}: more than one locked instruction on its shortest way")
    if not any("%fs:" in instruction.text for instruction in way):
        failures.append(f"{function}: does not look at its thread-local storage")
    return failures


def jump_failures(library: str, function: str) -> list[str]:
    """The real function is jumped to, not called: the return address stays the program's."""
    texts = [instruction.text for instruction in disassemble(library, function)]
    failures = [f"{function}: calls the real function: {text}" for text in texts
                if re.match(r"(notrack )?call\s+\*", text)]
    if not any(re.match(r"(notrack )?jmp\s+\*", text) for text in texts):
        failures.append(f"{function}: does not jump to the real function")
    return failures


def storage_failures(library: str) -> list[str]:
    relocations = subprocess.run(["readelf", "-rW", library], check=True, capture_output=True, text=True).stdout
    failures = [f"thread-local storage is not initial-exec: {name}"
                for name in ("DTPMOD64", "TLSDESC", "__tls_get_addr") if name in relocations]
    if "TPOFF64" not in relocations:
        failures.append("no initial-exec thread-local storage found")
    return failures


def check(arguments: list[str]) -> int:
    (library,) = arguments
    failures = storage_failures(library)
    for function in FUNCTIONS:
        failures += function_failures(library, function)
    for function in CALLER_SENSITIVE:
        failures += jump_failures(library, function)
    return tree.end("hotpath", failures)


if __name__ == "__main__":
    tree.main(check)
