# SPDX-License-Identifier: Apache-2.0
"""LMDB in several processes: one robust process-shared mutex in a mapped file stops all writers but one."""

import unittest

import truth
from case import SubjectCase
from result import Result


class Lmdb(SubjectCase):
    def argv(self, directory: str, writers: str = "2", seconds: str = "0", sync: str = "0") -> list[str]:
        return [self.driver("lmdb"), str(self.dir / directory), writers, "1", seconds, sync]

    def check_writer_lock(self, result: Result, processes: int) -> None:
        """The writers of several processes waited for it, and it has a name."""
        rows = result.rows("SELECT * FROM locks WHERE kind LIKE '%robust%' AND contended > 0")
        self.assertTrue(rows, result.column("SELECT kind || ' ' || name FROM locks"))
        self.assertTrue(all("shared" in row["kind"] for row in rows), [row["kind"] for row in rows])
        self.assertTrue(all(row["name"] and row["name_source"] != "address" for row in rows))
        self.assertGreater(sum(row["wait_ns"] for row in rows), 0)
        waiting = result.value("SELECT count(DISTINCT process) FROM thread_counters "
                               "WHERE name = 'mutex_contended' AND value > 0")
        self.assertGreaterEqual(waiting, processes)

    def test_forked_processes(self) -> None:
        finished, result = self.record("run", self.argv("data", seconds="1.5"), {"PROCS": "2"})
        self.assertEqual(finished.status, 0, finished.err)
        self.assertEqual(len(result.processes("driver-lmdb")), 3)
        self.check_writer_lock(result, 2)
        self.assertIn("robust", self.check_report("run")["locks"][0]["kind"])
        self.assertGreater(result.files("%data.mdb")["writes"], 0)

    def test_processes_started_independently(self) -> None:
        """They map the lock file at different addresses."""
        one = " ".join(self.argv("data", seconds="1.5"))
        script = f"PROCS=2 PROC=0 {one} & one=$!; PROCS=2 PROC=1 {one} & two=$!; wait $one && wait $two"
        finished, result = self.record("run", ["bash", "-c", script])
        self.assertEqual(finished.status, 0, finished.err)
        self.assertEqual(len(result.processes("driver-lmdb")), 2)
        self.check_writer_lock(result, 2)

    def test_same_output(self) -> None:
        env = {"PROCS": "2", "OPS": "2000", "QUIET": "1"}
        bare = self.bare(self.argv("bare"), env)
        recorded, _ = self.record("run", self.argv("recorded"), env)
        self.assertEqual(bare.status, 0, bare.err)
        self.assertEqual(recorded.status, bare.status, recorded.err)
        # The processes end in any order.
        self.assertEqual(sorted(recorded.out.splitlines()), sorted(bare.out.splitlines()))

    def test_runtime_own(self) -> None:
        """Its mutexes are robust and shared: they stay glibc's, which says nothing of how a wait ended."""
        env = {"PROCS": "2", "OPS": "8000", "QUIET": "1"}
        bare = self.bare(self.argv("bare"), env)
        own, _ = self.record("own", self.argv("recorded"), env, "contended", "--runtime=own")
        self.assertEqual(bare.status, 0, bare.err)
        self.assertEqual(own.status, bare.status, own.err)
        self.assertEqual(sorted(own.out.splitlines()), sorted(bare.out.splitlines()))
        result = self.check_own("own")
        self.check_writer_lock(result, 2)
        ours = result.value("SELECT sum(spun + woken + handed) FROM locks WHERE kind LIKE '%robust%'")
        self.assertEqual(ours, 0)

    def test_strace(self) -> None:
        argv = [*truth.strace(self.dir / "log"), *self.argv("data", sync="1")]
        finished, result = self.record("run", argv, {"PROCS": "2", "OPS": "300"}, "counters")
        self.assertEqual(finished.status, 0, finished.err)
        truth.check_strace(self, result, self.dir / "log", "driver-lmdb", ("pwrite64", "fdatasync"),
                           truth.STDOUT)

    def test_full_level(self) -> None:
        finished, _ = self.record("run", self.argv("data"), {"PROCS": "2", "OPS": "2000"}, "full")
        self.assertEqual(finished.status, 0, finished.err)
        truth.check_full_level(self, "run")
        truth.check_babeltrace(self, "run")


if __name__ == "__main__":
    unittest.main()
