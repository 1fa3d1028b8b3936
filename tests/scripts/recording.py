# SPDX-License-Identifier: Apache-2.0
"""What the tests share that record for real: starting, looking into the run, and what was left behind."""

import json
import os
import subprocess
import sys
from pathlib import Path

from support import LATCHKEY, TemporaryDirectory, latchkey

# Makes waits and events at level full until it is killed: Python's own locks are semaphores.
BUSY = """
import os, signal, sys, threading
lock = threading.Lock()
def work():
    while True:
        with lock:
            pass
for _ in range(3):
    threading.Thread(target=work, daemon=True).start()
"""


class Recording(TemporaryDirectory):
    """A test case whose recordings and temporary files lie in self.directory."""

    def setUp(self) -> None:
        super().setUp()
        self.run_dir = self.directory / "run"
        self.temporary = Path("/tmp") / self.directory.name.replace("test", "tmp")
        self.temporary.mkdir(mode=0o700)
        self.addCleanup(self.assert_nothing_left)

    def environ(self) -> dict[str, str]:
        """Our daemons' homes are made where only this test looks."""
        return {"TMPDIR": str(self.temporary)}

    def record(
        self,
        *command: object,
        args: tuple[str, ...] = ("--quiet",),
        subcommand: str = "record",
        environ: dict[str, str] | None = None,
    ) -> "subprocess.CompletedProcess[str]":
        """Records a command into self.run_dir."""
        more = ("--no-report",) if subcommand == "record" else ()
        return latchkey(
            subcommand,
            *args,
            *more,
            "-o",
            self.run_dir,
            "--",
            *command,
            environ=self.environ() | (environ or {}),
        )

    def start(self, *command: object, args: tuple[str, ...] = ()) -> "subprocess.Popen[str]":
        """Starts a recording and returns at once."""
        words = [sys.executable, LATCHKEY, "record", *args, "--no-report", "-o", self.run_dir, "--", *command]
        process = subprocess.Popen(
            list(map(str, words)),
            env=os.environ | self.environ(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(process.__exit__, None, None, None)
        self.addCleanup(process.kill)
        return process

    def facts(self) -> dict:
        """run.json of the run."""
        return json.loads((self.run_dir / "run.json").read_text())

    def events(self) -> list[str]:
        """The trace as babeltrace2 prints it."""
        done = subprocess.run(
            ["babeltrace2", self.run_dir / "trace"], capture_output=True, text=True, check=True
        )
        return done.stdout.splitlines()

    def assert_nothing_left(self) -> None:
        """No directory of a daemon, and no process that has it in its environment."""
        self.assertEqual(list(self.temporary.iterdir()), [])
        self.temporary.rmdir()
        self.assertEqual(processes_with(f"LTTNG_HOME={self.temporary}"), [])


def processes_with(setting: str) -> list[str]:
    """Names of the processes whose environment has such a beginning of a setting."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and any(
                part.startswith(setting.encode()) for part in (entry / "environ").read_bytes().split(b"\0")
            ):
                found.append((entry / "comm").read_text().strip())
        except OSError:
            continue
    return found
