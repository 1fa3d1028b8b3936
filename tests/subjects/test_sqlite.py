# SPDX-License-Identifier: Apache-2.0
"""SQLite in several processes: callers wait by fcntl locks and usleep, never in a lock call."""

import unittest

import truth
from case import SubjectCase
from result import Result

PROCESSES = 4


class Sqlite(SubjectCase):
    def argv(self, directory: str, seconds: str = "0", readers: str = "1", writers: str = "1") -> list[str]:
        return [self.driver("sqlite"), str(self.dir / directory), writers, readers, seconds, "0"]

    def children(self, result: Result) -> list[int]:
        """Ids of the worker processes: the parent started them all."""
        processes = result.processes("driver-sqlite")
        self.assertEqual(len(processes), PROCESSES + 1)
        parent = processes[0]["pid"]
        children = [process["id"] for process in processes if process["ppid"] == parent]
        self.assertEqual(len(children), PROCESSES)
        return children

    def calls_of(self, result: Result, process: int, *functions: str) -> int:
        marks = ",".join("?" * len(functions))
        return result.value(f"SELECT sum(calls) FROM symbol_calls WHERE process = ? AND name IN ({marks})",
                            process, *functions)

    def test_write_ahead_log(self) -> None:
        finished, result = self.record("run", self.argv("data", "2"), {"PROCS": str(PROCESSES)})
        self.assertEqual(finished.status, 0, finished.err)
        for child in self.children(result):
            self.assertGreater(self.calls_of(result, child, "fcntl", "fcntl64"), 0)
        self.assertGreater(result.counter("file_lock_failed"), 0, "nobody found a range locked")
        self.assertGreater(result.calls("usleep"), 0)
        self.check_report("run")
        wal = result.files("%-wal")
        self.assertGreater(wal["writes"], 0)
        self.assertGreater(wal["write_bytes"], 1024 * wal["writes"], "frames of a page and a header")

    def test_rollback_journal(self) -> None:
        """Who finds the file locked sleeps in the busy handler: one sleep after at least one failed lock."""
        env = {"PROCS": str(PROCESSES), "ROLLBACK": "1"}
        finished, result = self.record("run", self.argv("data", "1.5", "0"), env)
        self.assertEqual(finished.status, 0, finished.err)
        sleepers = [child for child in self.children(result) if self.calls_of(result, child, "usleep")]
        self.assertGreaterEqual(len(sleepers), 1)
        self.assertGreaterEqual(result.counter("file_lock_failed"), result.calls("usleep"))
        self.assertGreater(result.counter("sleep_ns"), 0)

    def test_same_output(self) -> None:
        env = {"PROCS": str(PROCESSES), "OPS": "800", "QUIET": "1"}
        bare = self.bare(self.argv("bare"), env)
        recorded, _ = self.record("run", self.argv("recorded"), env)
        self.assertEqual(bare.status, 0, bare.err)
        self.assertEqual(recorded.status, bare.status, recorded.err)
        # The processes end in any order.
        self.assertEqual(sorted(recorded.out.splitlines()), sorted(bare.out.splitlines()))

    def test_runtime_own(self) -> None:
        """Eight threads of one process: SQLite's own mutexes, recursive ones too, are contended."""
        env = {"OPS": "3000", "QUIET": "1"}
        bare = self.bare(self.argv("bare", readers="4", writers="4"), env)
        own, result = self.record("own", self.argv("recorded", readers="4", writers="4"), env, "contended",
                                  "--runtime=own")
        self.assertEqual(bare.status, 0, bare.err)
        self.assertEqual((own.status, own.out), (bare.status, bare.out), own.err)
        self.check_own("own")
        self.assertGreater(result.own_waits(), 0)

    def test_strace(self) -> None:
        env = {"PROCS": "2", "OPS": "400"}
        argv = [*truth.strace(self.dir / "log"), *self.argv("data")]
        finished, result = self.record("run", argv, env, "counters")
        self.assertEqual(finished.status, 0, finished.err)
        truth.check_strace(self, result, self.dir / "log", "driver-sqlite", ("fcntl", "pread64", "pwrite64"),
                           truth.STDOUT)

    def test_full_level(self) -> None:
        finished, result = self.record("run", self.argv("data"), {"PROCS": "2", "OPS": "400"}, "full")
        self.assertEqual(finished.status, 0, finished.err)
        self.assertGreater(result.value("SELECT count(*) FROM locks WHERE kind LIKE '%recursive%'"), 0)
        truth.check_full_level(self, "run")
        truth.check_babeltrace(self, "run")


if __name__ == "__main__":
    unittest.main()
