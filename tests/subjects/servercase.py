# SPDX-License-Identifier: Apache-2.0
"""The base of the servers' test cases: start bare or recorded, load from outside, stop, read the result."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import programs
import truth
from case import SubjectCase
from result import Result
from servers import Server


class ServerCase(SubjectCase):
    """A fresh database in self.server; it belongs to the unprivileged account."""

    account = programs.unprivileged_account()
    server_class: type[Server]
    # Lines of the server's log that tell of trouble.
    trouble = re.compile(r"\b(ERROR|FATAL|PANIC|[Ee]rror:|[Aa]ssert|signal 11|latchkey:)")

    def setUp(self) -> None:
        super().setUp()
        self.server = self.server_class(self.dir / "s")
        self.server.create()

    @contextmanager
    def running(self, prefix: list[str] | None = None) -> Iterator[programs.Program]:
        """The server, behind `prefix`; stopped at the end, with its expected status and a clean log."""
        with self.server.start(prefix or [], {"LATCHKEY_BUILD": self.env["LATCHKEY_BUILD"]}) as program:
            yield program
            self.assertEqual(self.server.stop(program), self.server.expected_status, program.text())
            bad = [line for line in program.text().splitlines() if self.trouble.search(line)]
            self.assertEqual(bad, [])

    def recorded(self, name: str, level: str = "contended", *options: str):
        """As running(), recorded into run directory `name`."""
        return self.running(self.prefix(name, level, "--quiet", *options))

    def on_own(self, name: str):
        """As recorded(), with runtime own."""
        return self.recorded(name, "contended", "--runtime=own")

    def straced(self, name: str, log: Path):
        """As recorded(), at level counters and with strace between; the server is stopped by its own pid."""
        return self.running([*self.prefix(name, "counters", "--quiet"), *truth.strace(log)])

    def only_recording(self, result: Result) -> None:
        """The run holds the server and nothing of its load generator."""
        executables = {Path(path).name for path in result.column("SELECT exe FROM processes")}
        self.assertEqual(executables, {self.server.exe})
