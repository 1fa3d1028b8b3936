# SPDX-License-Identifier: Apache-2.0
"""latchkey run: the program under the preload library without a tracer; the counters are still kept."""

import argparse

from latchkey_lib import options, record, recorder

SUMMARY = "run a program with the preload library but without recording"
_LEVEL = "counters"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """As record, without what only a recording needs."""
    record.add_common_arguments(parser)
    options.add_to(parser, skip=("level", "min_wait", "min_io", "stacks"))


def main(args: argparse.Namespace) -> int:
    """The program's exit status; 128 + signal if one ended it."""
    return recorder.record(record.order_of(args, _LEVEL)).outcome.exit_status
