# SPDX-License-Identifier: Apache-2.0
"""Programs in bounded time: run to the end, or kept in the background, as root or as somebody else.

Some servers refuse to run as root, and everything of theirs has to belong to the same user then. So
there is one unprivileged account for all of them: `nobody` when the tests run as root, else the user
who runs the tests.
"""

import os
import pwd
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

RUN_TIMEOUT_S = 90
STOP_TIMEOUT_S = 30
GRACE_S = 10

Argv = Sequence[str | Path]


@dataclass(frozen=True)
class Account:
    """Whose rights a program gets."""

    uid: int
    gid: int

    def popen_options(self) -> dict[str, object]:
        """For subprocess.Popen; nothing if we are that user already."""
        if self.uid == os.getuid():
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def own_account() -> Account:
    return Account(os.getuid(), os.getgid())


def unprivileged_account() -> Account:
    if os.getuid() != 0:
        return own_account()
    nobody = pwd.getpwnam("nobody")
    return Account(nobody.pw_uid, nobody.pw_gid)


@dataclass(frozen=True)
class Finished:
    """How a program ended: status as subprocess reports it (a signal is negative), and its output."""

    status: int
    out: str
    err: str


class Program:
    """A program in the background, in a session of its own. As a context manager it leaves nothing behind."""

    def __init__(self, argv: Argv, account: Account, env: Mapping[str, str], log: Path, cwd: Path):
        self.log = log
        self._argv = [str(word) for word in argv]
        with log.open("wb") as output:
            self._process = subprocess.Popen(self._argv, stdin=subprocess.DEVNULL, stdout=output,
                                             stderr=subprocess.STDOUT, env=dict(env), cwd=cwd,
                                             start_new_session=True, **account.popen_options())

    def __enter__(self) -> "Program":
        return self

    def __exit__(self, *_: object) -> None:
        kill_session(self._process)

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_until(self, ready: Callable[[], bool], timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Waits for `ready`; AssertionError with the log if the program ends or the time is over."""
        deadline = time.monotonic() + timeout_s
        while not ready():
            if self._process.poll() is not None:
                raise AssertionError(f"{self._argv[0]} ended with {self._process.returncode}:\n{self.text()}")
            if time.monotonic() > deadline:
                raise AssertionError(f"{self._argv[0]} not ready after {timeout_s} s:\n{self.text()}")
            time.sleep(0.02)

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """The exit status; AssertionError if it does not end."""
        try:
            return self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self._argv[0]} still runs after {timeout_s} s:\n{self.text()}") from None

    def text(self) -> str:
        return self.log.read_text(errors="replace")


def run(argv: Argv, account: Account, env: Mapping[str, str], cwd: Path, timeout_s: float = RUN_TIMEOUT_S,
        stdin: str = "") -> Finished:
    """Runs a program to its end; AssertionError with its output if that takes too long."""
    words = [str(word) for word in argv]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env=dict(env), cwd=cwd, text=True, errors="replace", start_new_session=True,
                               **account.popen_options())
    try:
        out, err = process.communicate(stdin, timeout_s)
    except subprocess.TimeoutExpired:
        kill_session(process)
        out, err = process.communicate()
        raise AssertionError(f"{words} still ran after {timeout_s} s:\n{out}\n{err}") from None
    return Finished(process.returncode, out, err)


def kill_session(process: subprocess.Popen) -> None:
    """Ends what a Popen with start_new_session started: kindly, then not."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            if process.poll() is None:
                os.killpg(process.pid, number)
            process.wait(GRACE_S)
            return
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
