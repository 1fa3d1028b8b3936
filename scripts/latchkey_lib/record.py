# SPDX-License-Identifier: Apache-2.0
"""latchkey record: run a program, record where its threads wait, and print the short report.

The report goes to stderr, like everything else that is ours: the program's stdout stays as it is
without Latchkey, byte for byte.
"""

import argparse
import sys
from pathlib import Path

from latchkey_lib import analysis, options, recorder, report
from latchkey_lib.messages import LatchkeyError, say

SUMMARY = "run a program and record where its threads wait"
_SHORT_REPORT_LIMIT = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds what record and run have in common, and record's own."""
    add_common_arguments(parser)
    options.add_to(parser)
    parser.add_argument(
        "--no-report", action="store_true", help="do not analyse afterwards; latchkey report will"
    )


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of record and run."""
    parser.add_argument(
        "-o", "--output", type=Path, metavar="DIR", help="run directory (default latchkey-out/NAME-TIME)"
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing but warnings and errors")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="[--] PROGRAM [ARGUMENT ...]")


def order_of(args: argparse.Namespace, level: str | None = None) -> recorder.Order:
    """The order that the arguments give; `level` overrides theirs. Raises UsageError."""
    values = options.resolve(args)
    if level:
        values["level"] = level
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    return recorder.Order(command, values, args.output, args.quiet)


def main(args: argparse.Namespace) -> int:
    """The program's exit status; 128 + signal if one ended it."""
    recording = recorder.record(order_of(args))
    if not args.no_report and not recording.interrupted:
        _report(recording.run, args.quiet)
    if not args.quiet:
        say(f"recorded in {_shown(recording.run)}; latchkey report {_shown(recording.run)} shows more")
    return recording.outcome.exit_status


def _report(run: Path, quiet: bool) -> None:
    """The status of the program stays the command's, whatever happens here."""
    try:
        analysis.analyze(run, quiet)
        if not quiet:
            report.print_short(run, _SHORT_REPORT_LIMIT, sys.stderr)
    except LatchkeyError as error:
        say(str(error))
    except KeyboardInterrupt:
        say("analysis interrupted; the recording is kept")


def _shown(run: Path) -> Path:
    """Relative to here if it is below."""
    return run.relative_to(Path.cwd()) if run.is_relative_to(Path.cwd()) else run
