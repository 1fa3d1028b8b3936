# SPDX-License-Identifier: Apache-2.0
"""latchkey doctor: what works here, what does not, and what to do about it.

Exit status 0 if recording works in full, 1 if something is missing. With a program after --, says
also whether that program can be recorded.
"""

import argparse
from collections.abc import Iterable

from latchkey_lib import checks, paths
from latchkey_lib.messages import FINDING, OK
from latchkey_lib.tables import read_symbols

SUMMARY = "say what works here and what to do about the rest"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """--symbols, or a program."""
    parser.add_argument(
        "--symbols", action="store_true", help="list the interposed functions: group, name, symbol version"
    )
    parser.add_argument(
        "command", nargs=argparse.REMAINDER, metavar="[-- PROGRAM]", help="also check this program"
    )


def main(args: argparse.Namespace) -> int:
    """0, or 1 if something is missing."""
    if args.symbols:
        for symbol in read_symbols(paths.table("preload/symbols.def")):
            print(f"{symbol.group:<10} {symbol.name:<33} {symbol.version}".rstrip())
        return OK
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    missing = _print(checks.machine()) + (_print(checks.program(command[0])) if command else 0)
    print("all usable" if not missing else f"{missing} missing")
    return FINDING if missing else OK


def _print(findings: Iterable[checks.Finding]) -> int:
    """Prints findings as they come; how many are missing."""
    missing = 0
    for finding in findings:
        missing += finding.verdict == checks.MISSING
        mend = f"; {finding.mend}" if finding.mend else ""
        print(f"{finding.verdict:<8} {finding.subject:<21} {finding.text}{mend}", flush=True)
    return missing
