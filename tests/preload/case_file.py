# SPDX-License-Identifier: Apache-2.0
"""The format of tests/preload/cases/*.case: blocks of `KEYWORD text` lines, each begun by NAME.

    NAME mutex_counts               what the case is called
    RUN mutex_counts 100            victim and arguments; {plugin} is the path of victim library `plugin`
    ENV KEY=VALUE                   added to the environment of the preloaded runs (repeatable)
    PRELOAD libjemalloc.so.2        further preloaded library, in the bare run too
    EXIT 3 | SIGKILL                how the bare run must end (0)
    ENDS success | anyhow           the last line of the bare output is EXIT-SUCCESS (success)
    STDERR regular expression       a line the preloaded runs print on top of the bare run's stderr (repeatable)
    MODES off counters              modes of run_case.py (all)
    NOT kernel-pi                   modes in which the victim cannot behave as bare; a comment says why
    LIMIT 20                        seconds until the run counts as hung (10)
    COUNTERS NAME OP NUMBER|NAME    holds for the sums of the run's counters (repeatable)
    COUNTERS NAME OP NUMBER in|except MODE...   holds in these modes only, in all but these

Empty lines and lines that begin with # are comments.
"""

from __future__ import annotations

import operator
import signal
from dataclasses import dataclass, field
from pathlib import Path

OPERATORS = {"==": operator.eq, "!=": operator.ne, "<=": operator.le, ">=": operator.ge,
             "<": operator.lt, ">": operator.gt}


@dataclass
class Case:
    name: str
    run: list[str] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    preload: list[str] = field(default_factory=list)
    exit_status: int = 0
    must_succeed: bool = True
    stderr: list[str] = field(default_factory=list)
    modes: list[str] = field(default_factory=list)
    not_modes: list[str] = field(default_factory=list)
    limit_s: float = 10.0
    counters: list[str] = field(default_factory=list)


def _exit_status(text: str) -> int:
    return -signal.Signals[text].value if text.startswith("SIG") else int(text)


def _apply(case: Case, keyword: str, text: str) -> None:
    if keyword == "RUN":
        case.run = text.split()
    elif keyword == "ENV":
        name, value = text.split("=", 1)
        case.env[name] = value
    elif keyword == "PRELOAD":
        case.preload.append(text)
    elif keyword == "EXIT":
        case.exit_status = _exit_status(text)
    elif keyword == "ENDS":
        case.must_succeed = {"success": True, "anyhow": False}[text]
    elif keyword == "STDERR":
        case.stderr.append(text)
    elif keyword == "MODES":
        case.modes = text.split()
    elif keyword == "NOT":
        case.not_modes = text.split()
    elif keyword == "LIMIT":
        case.limit_s = float(text)
    elif keyword == "COUNTERS":
        _, symbol, _, *scope = text.split()
        if symbol not in OPERATORS or (scope and scope[0] not in ("in", "except")):
            raise ValueError(text)
        case.counters.append(text)
    else:
        raise KeyError(keyword)


def read(path: Path) -> list[Case]:
    """The cases of a file, in its order. Raises ValueError with file and line for anything unknown."""
    cases: list[Case] = []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        keyword, _, text = line.partition(" ")
        try:
            if keyword == "NAME":
                cases.append(Case(text.strip()))
            else:
                _apply(cases[-1], keyword, text.strip())
        except (KeyError, ValueError, IndexError) as error:
            raise ValueError(f"{path}:{number}: cannot read {line!r}") from error
    unrunnable = [case.name for case in cases if not case.run]
    if unrunnable:
        raise ValueError(f"{path}: no RUN line in {', '.join(unrunnable)}")
    return cases


def runs_in(case: Case, mode: str) -> bool:
    return (not case.modes or mode in case.modes) and mode not in case.not_modes


def counters_failures(case: Case, mode: str, sums: dict[str, int]) -> list[str]:
    """The COUNTERS lines for this mode that do not hold, each with the values seen."""
    failures = []
    for line in case.counters:
        left, symbol, right, *scope = line.split()
        if scope and (mode in scope[1:]) != (scope[0] == "in"):
            continue
        if left not in sums or not (right.isdigit() or right in sums):
            failures.append(f"{line}: no such counter")
            continue
        limit = int(right) if right.isdigit() else sums[right]
        if not OPERATORS[symbol](sums[left], limit):
            failures.append(f"{line}: {left} is {sums[left]}, {right} is {limit}")
    return failures
