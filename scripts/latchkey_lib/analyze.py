# SPDX-License-Identifier: Apache-2.0
"""latchkey analyze: build result.db of a run directory anew."""

import argparse
from pathlib import Path

from latchkey_lib import analysis
from latchkey_lib.messages import OK

SUMMARY = "build result.db of a run directory anew"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run directory."""
    parser.add_argument("dir", type=Path, metavar="DIR", help="run directory of latchkey record")
    parser.add_argument("-q", "--quiet", action="store_true", help="no progress line")


def main(args: argparse.Namespace) -> int:
    """0, or the analyser's error as an exception."""
    analysis.require_run(args.dir)
    analysis.analyze(args.dir, args.quiet)
    return OK
