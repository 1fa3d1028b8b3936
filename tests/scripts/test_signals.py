# SPDX-License-Identifier: Apache-2.0
"""Signals reach the program once, its end becomes ours, and descendants are waited for."""

import os
import pty
import signal
import subprocess
import sys

from recording import BUSY, Recording
from support import LATCHKEY

_TRAPS = """
import signal, sys
for number in map(int, sys.argv[1:]):
    signal.signal(number, lambda number, frame: print("got", number, flush=True))
print("ready", flush=True)
for line in sys.stdin:
    sys.exit(5)
"""

_LEAVES_A_DAEMON = """
import os, sys
if os.fork() == 0:
    os.setsid()
    open(sys.argv[1]).read()
    open(sys.argv[2], "w").write("done")
    os._exit(0)
"""

_COUNTS_INTERRUPTS = """
import signal, sys
count = 0
def handler(number, frame):
    global count
    count += 1
    print("interrupted", flush=True)
signal.signal(signal.SIGINT, handler)
print("ready", flush=True)
sys.stdin.readline()
print("count", count, flush=True)
"""


class Forwarding(Recording):
    """Signals while the program runs."""

    def test_signals_are_passed_on(self) -> None:
        numbers = [
            signal.SIGTERM,
            signal.SIGHUP,
            signal.SIGINT,
            signal.SIGQUIT,
            signal.SIGUSR1,
            signal.SIGUSR2,
        ]
        process = self.start(sys.executable, "-c", _TRAPS, *map(int, numbers))
        self.assertEqual(process.stdout.readline(), "ready\n")
        for number in numbers:
            process.send_signal(number)
            self.assertEqual(process.stdout.readline(), f"got {int(number)}\n")
        process.communicate("end\n")
        self.assertEqual(process.returncode, 5)
        self.assertEqual((self.facts()["exit_status"], self.facts()["signal"]), (5, None))

    def test_a_signal_that_ends_the_program_ends_the_recording_orderly(self) -> None:
        process = self.start(sys.executable, "-c", "print('ready', flush=True); input()")
        self.assertEqual(process.stdout.readline(), "ready\n")
        process.send_signal(signal.SIGTERM)
        process.communicate()
        self.assertEqual(process.returncode, 128 + signal.SIGTERM)
        self.assertEqual((self.facts()["exit_status"], self.facts()["signal"]), (None, signal.SIGTERM))

    def test_ctrl_c_reaches_the_program_once(self) -> None:
        pid, terminal = pty.fork()
        if pid == 0:
            os.environ.update(self.environ())
            os.execv(
                sys.executable,
                [
                    sys.executable,
                    str(LATCHKEY),
                    "record",
                    "--quiet",
                    "--no-report",
                    "-o",
                    str(self.run_dir),
                    "--",
                    sys.executable,
                    "-c",
                    _COUNTS_INTERRUPTS,
                ],
            )
        with os.fdopen(terminal, "r+b", buffering=0) as stream:
            seen = _read_until(stream, b"ready")
            stream.write(b"\x03")
            seen += _read_until(stream, b"interrupted")
            stream.write(b"go on\n")
            seen += _read_until(stream, b"count ")
            seen += stream.read(1)
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        self.assertEqual((seen[-1:], status), (b"1", 0), seen)

    def test_signals_that_were_ignored_stay_ignored(self) -> None:
        done = subprocess.run(
            [
                "nohup",
                sys.executable,
                LATCHKEY,
                "record",
                "--quiet",
                "--no-report",
                "-o",
                self.run_dir,
                "--",
                "grep",
                "SigIgn",
                "/proc/self/status",
            ],
            env=os.environ | self.environ(),
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        self.assertEqual(int(done.stdout.split()[1], 16) & 0xFF, 1 << (signal.SIGHUP - 1))


class Ends(Recording):
    """How a program ends is how latchkey ends."""

    def test_exit_statuses(self) -> None:
        for status in (0, 1, 2, 3, 127, 255):
            with self.subTest(status=status):
                self.run_dir = self.directory / str(status)
                self.assertEqual(
                    self.record("sh", "-c", f"exit {status}", args=("-q", "--level", "counters")).returncode,
                    status,
                )
                self.assertEqual(self.facts()["exit_status"], status)

    def test_kill_minus_9_of_a_busy_program(self) -> None:
        done = self.record(
            sys.executable,
            "-c",
            BUSY + "signal.sigtimedwait([], .5); os.kill(os.getpid(), 9)",
            args=("-q", "--level", "full"),
        )
        self.assertEqual(done.returncode, 128 + signal.SIGKILL)
        self.assertEqual(self.facts()["signal"], signal.SIGKILL)

    def test_a_crash_of_the_session_daemon_does_not_harm_the_program(self) -> None:
        process = self.start(sys.executable, "-c", "print('ready', flush=True); input(); print('end')")
        self.assertEqual(process.stdout.readline(), "ready\n")
        os.kill(_session_daemon_of(process.pid), signal.SIGKILL)
        out, err = process.communicate("\n")
        self.assertEqual((out, process.returncode), ("end\n", 0))
        self.assertIn("the LTTng session daemon ended during the recording", err)
        self.assertIn("session daemon ended", self.facts()["warnings"][0])

    def test_a_session_daemon_that_hangs_is_killed(self) -> None:
        launcher = (
            "import sys; from latchkey_lib import lttng; lttng._STOP_S = lttng._STEP_S = lttng._END_S = 1; "
            f"sys.argv[0] = {str(LATCHKEY)!r}; exec(open(sys.argv[0]).read())"
        )
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                launcher,
                "record",
                "--no-report",
                "-o",
                self.run_dir,
                "--",
                sys.executable,
                "-c",
                "print('ready', flush=True); input()",
            ],
            env=os.environ | self.environ() | {"PYTHONPATH": str(LATCHKEY.parent)},
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.assertEqual(process.stdout.readline(), "ready\n")
        os.kill(_session_daemon_of(process.pid), signal.SIGSTOP)
        _, err = process.communicate("\n")
        self.assertEqual(process.returncode, 0, err)
        self.assertIn("did not end orderly (lttng stop: no answer within 1 s)", err)


class Descendants(Recording):
    """Processes that the program leaves behind."""

    def test_a_daemon_is_waited_for(self) -> None:
        fifo, result = self.directory / "fifo", self.directory / "result"
        os.mkfifo(fifo)
        process = self.start(sys.executable, "-c", _LEAVES_A_DAEMON, fifo, result)
        said = process.stderr.readline()
        self.assertRegex(
            said, r"^latchkey: .*python3.* has ended; still recording python3.* \(\d+\); Ctrl-C ends"
        )
        self.assertIsNone(process.poll())
        fifo.write_text("go")
        process.communicate()
        self.assertEqual((process.returncode, result.read_text()), (0, "done"))
        self.assertEqual(len({_vpid(line) for line in self.events()}), 2)

    def test_an_interrupt_ends_the_wait_for_a_daemon(self) -> None:
        fifo, result = self.directory / "fifo", self.directory / "result"
        os.mkfifo(fifo)
        process = self.start(sys.executable, "-c", _LEAVES_A_DAEMON, fifo, result)
        process.stderr.readline()
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(), 0)
        fifo.write_text("go")  # it goes on without us
        _, err = process.communicate()  # ends when the daemon does
        self.assertEqual(result.read_text(), "done")
        self.assertIn("not waited for: python3", err)
        self.assertIn("not waited for: python3", self.facts()["warnings"][0])

    def test_orphans_that_end_first_are_collected(self) -> None:
        done = self.record("sh", "-c", "(sleep 0 & sleep 0 &) ; (exit 3 &); exit 4")
        self.assertEqual((done.returncode, done.stderr), (4, ""))


def _read_until(stream, wanted: bytes) -> bytes:
    seen = b""
    while wanted not in seen:
        seen += stream.read(1)
    return seen


def _session_daemon_of(pid: int) -> int:
    children = subprocess.run(
        ["ps", "--ppid", str(pid), "-o", "pid=,comm="], capture_output=True, text=True, check=True
    )
    return next(int(line.split()[0]) for line in children.stdout.splitlines() if "lttng-sessiond" in line)


def _vpid(line: str) -> str:
    return line.partition("vpid = ")[2].split(",")[0]
