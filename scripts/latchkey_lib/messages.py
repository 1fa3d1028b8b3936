# SPDX-License-Identifier: Apache-2.0
"""Errors with their exit status, and everything Latchkey says.

All of it goes to stderr: stdout belongs to the recorded program, or to the report that was asked for.
A message is one line, "latchkey: what failed: why; what to do".
"""

import sys
import threading
import time
from types import TracebackType

OK, FINDING, USAGE, UNUSABLE = 0, 1, 2, 3  # exit statuses, see latchkey(1)


class LatchkeyError(Exception):
    """Ends the command with one line and `status`."""

    status = UNUSABLE


class UsageError(LatchkeyError):
    """The command line, an option, the program or a directory is not what it must be."""

    status = USAGE


class DataError(LatchkeyError):
    """What was recorded cannot be used."""


def say(text: str) -> None:
    """One line to stderr; a closed stderr is no reason to fail."""
    try:
        print(f"latchkey: {text}", file=sys.stderr, flush=True)
    except OSError:
        pass


class Progress:
    """`with Progress("analysing"):` shows a line with the seconds passed, from the first second on,
    when stderr is a terminal; it is wiped at the end."""

    def __init__(self, what: str, enabled: bool = True) -> None:
        self._what = what
        self._enabled = enabled and sys.stderr.isatty()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._show, daemon=True)

    def _show(self) -> None:
        begin = time.monotonic()
        shown = False
        while not self._done.wait(1.0):
            shown = True
            print(
                f"\rlatchkey: {self._what} ... {time.monotonic() - begin:.0f} s",
                end="",
                file=sys.stderr,
                flush=True,
            )
        if shown:
            print("\r\033[K", end="", file=sys.stderr, flush=True)

    def __enter__(self) -> "Progress":
        if self._enabled:
            self._thread.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._done.set()
        if self._enabled:
            self._thread.join()
