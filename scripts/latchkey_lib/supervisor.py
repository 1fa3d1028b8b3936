# SPDX-License-Identifier: Apache-2.0
"""Runs the program as if latchkey were not there, and waits for all of its descendants.

Signals are blocked for the whole recording and taken one by one with sigwaitinfo(2): there are no
handlers and nothing to race with. A signal sent to latchkey is passed on to the program; one that the
terminal generated reaches the program without us. As child subreaper we are told of the end of
daemons that the program leaves behind.
"""

import ctypes
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from latchkey_lib.lttng import children_of
from latchkey_lib.messages import UsageError, say

_FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
_ENDS_THE_WAIT = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_SI_KERNEL = 0x80
_PR_SET_CHILD_SUBREAPER = 36


@dataclass
class Outcome:
    """How the program ended: exit status or signal; and descendants that still run."""

    status: int | None = None
    signal: int | None = None
    left_running: list[str] = field(default_factory=list)

    @property
    def exit_status(self) -> int:
        """As a shell reports it."""
        return 128 + self.signal if self.signal else int(self.status or 0)


class Supervisor:
    """Context manager: signals are blocked inside."""

    def __init__(self, quiet: bool = False) -> None:
        self._quiet = quiet
        ignored = {number for number in _FORWARDED if signal.getsignal(number) == signal.SIG_IGN}
        self._signals = {signal.SIGCHLD, *_FORWARDED} - ignored
        self._mask: set[signal.Signals] = set()
        self._child = 0
        self._outcome: Outcome | None = None

    def __enter__(self) -> "Supervisor":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, self._signals | {signal.SIGUSR1})
        return self

    def __exit__(self, *unused: object) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    def interrupted(self) -> int | None:
        """A signal that asks us to stop and has come since the program ended; it is taken."""
        info = signal.sigtimedwait(_ENDS_THE_WAIT, 0)
        return info.si_signo if info else None

    def run(
        self,
        file: Path,
        command: list[str],
        environ: Mapping[str, str],
        umask: int,
        is_daemon: Callable[[int], bool],
    ) -> Outcome:
        """Runs `command` to its end and that of its descendants, children that are `is_daemon` apart."""
        own = os.umask(umask)
        try:
            self._child = os.posix_spawn(
                file,
                command,
                dict(environ),
                setsigmask=self._mask,
                setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
            )
        except OSError as error:
            raise UsageError(
                f"{file}: cannot be started: {error.strerror}; try it without latchkey"
            ) from None
        finally:
            os.umask(own)
        return self._wait(command[0], is_daemon)

    def _wait(self, name: str, is_daemon: Callable[[int], bool]) -> Outcome:
        told = False
        while True:
            info = signal.sigwaitinfo(self._signals)
            if info.si_signo != signal.SIGCHLD:
                if self._outcome and info.si_signo in _ENDS_THE_WAIT:
                    break
                self._forward(info)
                continue
            self._reap()
            if self._outcome:
                left = _descendants(is_daemon)
                if not left:
                    return self._outcome
                if not told and not self._quiet:
                    told = True
                    say(f"{name} has ended; still recording {_names(left)}; Ctrl-C ends the recording")
        assert self._outcome
        self._outcome.left_running = _describe(_descendants(is_daemon))
        return self._outcome

    def _forward(self, info: "signal.struct_siginfo") -> None:
        """Passes a signal on, unless the terminal sent it: then the program has it already."""
        if info.si_code != _SI_KERNEL and not self._outcome:
            try:
                os.kill(self._child, info.si_signo)
            except ProcessLookupError:
                pass

    def _reap(self) -> None:
        """Collects every child that has ended; several may share one SIGCHLD."""
        while True:
            try:
                pid, code = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self._child:
                ended = os.waitstatus_to_exitcode(code)
                self._outcome = Outcome(status=ended) if ended >= 0 else Outcome(signal=-ended)


def _descendants(is_daemon: Callable[[int], bool]) -> list[int]:
    """Our children but the daemons. Only we reap, so if there is none, no descendant is left either."""
    return [pid for pid in children_of(os.getpid()) if not is_daemon(pid)]


def _describe(pids: list[int]) -> list[str]:
    described = []
    for pid in pids:
        try:
            described.append(f"{Path(f'/proc/{pid}/comm').read_text().strip()} ({pid})")
        except OSError:
            continue
    return described


def _names(pids: list[int]) -> str:
    described = _describe(pids)
    return ", ".join(described[:3]) + (f" and {len(described) - 3} more" if len(described) > 3 else "")
