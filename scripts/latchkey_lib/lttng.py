# SPDX-License-Identifier: Apache-2.0
"""The private LTTng session daemon of one recording: start, session, loss, end; each step bounded in time.

Root needs namespace.PrivateRundir around it; for an ordinary user LTTNG_HOME alone keeps it apart. The
daemon is our child, in a session of its own, so that a Ctrl-C meant for the program does not reach it
and so that we know whom to kill when it does not answer. It also ends if we are killed.
"""

import ctypes
import os
import re
import resource
import shutil
import signal
import subprocess
import tempfile
import xml.etree.ElementTree
from pathlib import Path

from latchkey_lib.messages import LatchkeyError
from latchkey_lib.namespace import session_daemons

PACKAGES = ("lttng-tools", "liblttng-ust1")
HELPERS = ("liblttng-ust-fork.so.1", "liblttng-ust-fd.so.1")
REGISTER_TIMEOUT_MS = 3000

SESSION, _CHANNEL = "latchkey", "events"
_BUFFERS = {"contended": ("256k", 4), "full": ("1M", 8)}
_SWITCH_TIMER_US = 1_000_000  # a report of a run still going lags behind by that much
_START_S, _STEP_S, _STOP_S, _END_S = 15, 15, 20, 5
_NONSENSE = 1 << 62  # the daemon has been seen to report such counts of lost events
_FAILED_WRITE = re.compile(r"Error in write mmap \(ret -?\d+ != write_len (\d+)\): (.*?) \(in ")
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


def missing() -> list[str]:
    """What of LTTng is not installed."""
    commands = [name for name in ("lttng", "lttng-sessiond") if not shutil.which(name)]
    found = helper_paths()
    return commands + [name for name in HELPERS if name not in found]


def helper_paths() -> dict[str, str]:
    """Where those of HELPERS are that the loader knows. They are preloaded by full path: the loader drops
    that silently in a set-user-ID program below ours, where it would complain about a bare name."""
    cache = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=False).stdout
    known = re.findall(r"^\s*(\S+) \(libc6,x86-64.*=> (\S+)$", cache, re.MULTILINE)
    found = dict(reversed(known))
    return {name: found[name] for name in HELPERS if name in found}


def buffer_bytes(level: str, cpus: int) -> int:
    """Shared memory that the buffers of one traced process take."""
    size, count = _BUFFERS[level]
    factor = {"k": 1 << 10, "M": 1 << 20}[size[-1]]
    return int(size[:-1]) * factor * count * cpus


class LttngError(LatchkeyError):
    """A step of the daemon or of the lttng command failed."""


class SessionDaemon:
    """One daemon with one session. start() raises LttngError; the steps of the end never raise."""

    def __init__(self, level: str, output: Path) -> None:
        self._level = level
        self._output = output
        self._daemon: subprocess.Popen[bytes] | None = None
        self._shm_before = set(_wait_files())
        self.home = Path(tempfile.mkdtemp(prefix="latchkey-", dir=_short_directory()))
        self._log = self.home / "log"
        self._environ = os.environ | {"LTTNG_HOME": str(self.home), "LC_ALL": "C"}

    def owns(self, pid: int) -> bool:
        """Is this child of ours the daemon or one that it left, not the program's?"""
        try:
            return self._daemon is not None and os.getsid(pid) == self._daemon.pid
        except ProcessLookupError:
            return False

    def start(self) -> None:
        """Starts daemon and session. SIGUSR1 and SIGCHLD must be blocked."""
        with self._log.open("wb") as log:
            self._daemon = subprocess.Popen(
                ["lttng-sessiond", "--no-kernel", "--sig-parent"],
                env=self._environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_daemon_setup,
            )
        if not self._is_ready(self._daemon):
            raise LttngError(
                f"LTTng session daemon: {self._last_words() or 'did not start'}; try latchkey doctor"
            )
        size, count = _BUFFERS[self._level]
        self._lttng("create", SESSION, f"--output={self._output}")
        self._lttng(
            "enable-channel",
            "--userspace",
            "--buffers-pid",
            f"--subbuf-size={size}",
            f"--num-subbuf={count}",
            f"--switch-timer={_SWITCH_TIMER_US}",
            _CHANNEL,
        )
        self._lttng("enable-event", "--userspace", f"--channel={_CHANNEL}", "latchkey:*")
        self._lttng("add-context", "--userspace", f"--channel={_CHANNEL}", "--type=vpid", "--type=vtid")
        self._lttng("start", SESSION)

    @staticmethod
    def _is_ready(daemon: "subprocess.Popen[bytes]") -> bool:
        """Waits for the daemon to say so with SIGUSR1, or to end."""
        while info := signal.sigtimedwait({signal.SIGUSR1, signal.SIGCHLD}, _START_S):
            if info.si_signo == signal.SIGUSR1 or daemon.poll() is not None:
                return daemon.poll() is None
        return False

    def stop(self) -> tuple[int | None, list[str]]:
        """Ends the recording: the number of lost events (None: not known) and what went wrong."""
        problems = []
        lost = None
        if self._daemon is None or self._daemon.poll() is not None:
            return None, ["the LTTng session daemon ended during the recording; events after that are lost"]
        try:
            self._lttng("stop", SESSION, timeout_s=_STOP_S)
            lost = lost_events(self._lttng("--mi=xml", "list", SESSION))
            self._lttng("destroy", SESSION, timeout_s=_STOP_S)
        except LttngError as error:
            problems.append(f"the recording did not end orderly ({error}); the last events may be missing")
        if self._output.is_dir():
            self._output.chmod(0o700)
        return lost, problems + failed_writes(self._log.read_text(errors="replace"))

    def close(self) -> None:
        """Ends the daemons, by force if need be, and removes what they leave."""
        if self._daemon:
            self._daemon.terminate()
            try:
                self._daemon.wait(_END_S)
            except subprocess.TimeoutExpired:
                pass
            self._kill_session(self._daemon.pid)
            self._daemon.wait()
        shutil.rmtree(self.home, ignore_errors=True)
        if not session_daemons():
            for file in set(_wait_files()) - self._shm_before:
                file.unlink(missing_ok=True)

    def _kill_session(self, session: int) -> None:
        """Ends what is left of the daemon and its helpers, and collects those that became our children."""
        try:
            os.killpg(session, signal.SIGKILL)
            while True:
                os.waitpid(-session, 0)
        except (ProcessLookupError, ChildProcessError):
            pass

    def _lttng(self, *args: str, timeout_s: int = _STEP_S) -> str:
        """Runs the lttng command; its stdout."""
        step = next(arg for arg in args if not arg.startswith("--mi"))
        try:
            done = subprocess.run(
                ["lttng", "--no-sessiond", *args],
                env=self._environ,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=timeout_s,
                start_new_session=True,
            )
        except subprocess.TimeoutExpired:
            raise LttngError(f"lttng {step}: no answer within {timeout_s} s") from None
        if done.returncode != 0:
            words = (done.stderr or done.stdout).strip().splitlines() or [f"exit status {done.returncode}"]
            raise LttngError(f"lttng {step}: {words[-1]}")
        return done.stdout

    def _last_words(self) -> str:
        """The daemon's last error, for people."""
        lines = self._log.read_text(errors="replace").strip().splitlines()
        errors = [line for line in lines if line.startswith("Error")] or lines
        return errors[-1] if errors else ""


def lost_events(listing: str) -> int | None:
    """Events and packets that `lttng --mi=xml list SESSION` calls lost; None if it cannot be believed."""
    try:
        root = xml.etree.ElementTree.fromstring(listing)
    except xml.etree.ElementTree.ParseError:
        return None
    counts = []
    for element in root.iter():
        if element.tag.rpartition("}")[2] in ("discarded_events", "lost_packets"):
            counts.append(int(element.text or 0))
    return sum(counts) if counts and all(0 <= count < _NONSENSE for count in counts) else None


def failed_writes(log: str) -> list[str]:
    """One sentence per reason for which the consumer daemon could not write packets of the trace."""
    lost: dict[str, list[int]] = {}
    for size, reason in _FAILED_WRITE.findall(log):
        lost.setdefault(reason, []).append(int(size))
    return [
        f"the trace could not be written: {reason}: {len(sizes)} packets ({sum(sizes) >> 10} KiB) of events "
        "are missing; record to a roomier place with --output, or with a higher --min-wait"
        for reason, sizes in lost.items()
    ]


def children_of(pid: int) -> list[int]:
    """Direct children of a process, zombies included."""
    return [
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdigit() and _parent(int(entry.name)) == pid
    ]


def _parent(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return None


def _daemon_setup() -> None:
    """In the daemon before exec: no blocked signals, an end when the launcher is killed, many descriptors."""
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _wait_files() -> list[Path]:
    return list(Path("/dev/shm").glob("lttng-ust-wait-*"))


def _short_directory() -> str | None:
    """Where the daemon's sockets fit into the 108 bytes of a socket address."""
    return None if len(tempfile.gettempdir()) < 40 else "/tmp"
