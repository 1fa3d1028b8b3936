# SPDX-License-Identifier: Apache-2.0
"""LevelDB: locks that are never initialised, condition variables on stacks, a thread without a name."""

import unittest

import truth
from case import SubjectCase
from result import Result

SMALL_BUFFER = {"WBUF": str(1 << 20)}
STDIO = (r"^(write|fcntl) .*/LOG$", *truth.STDOUT)


class LevelDb(SubjectCase):
    def argv(self, directory: str, sync: str = "0") -> list[str]:
        return [self.driver("leveldb"), str(self.dir / directory), "3", "1", "0", sync]

    def test_default_level(self) -> None:
        env = {"WBUF": str(1 << 16), "OPS": "1000"}     # some twenty full buffers
        finished, result = self.record("run", self.argv("data", sync="1"), env)
        self.assertEqual(finished.status, 0, finished.err)
        self.check_background_thread(result)
        self.check_writers_wait(result)
        self.check_report("run")
        log = result.files("%.log")
        self.assertGreater(log["writes"], 0)
        self.assertGreater(log["syncs"], 0)
        self.assertEqual(result.calls("pthread_mutex_init", exe="driver-leveldb"), 0)

    def check_background_thread(self, result: Result) -> None:
        """It carries the name of the writer that created it, and must still not be taken for a writer."""
        self.assertEqual(result.value("SELECT threads FROM roles WHERE name = 'writer*'"), 3)
        others = result.roles() - {"main", "writer*", "reader*"}
        self.assertEqual(len(others), 1, others)
        self.assertTrue(any("leveldb" in name for name in others), others)

    def check_writers_wait(self, result: Result) -> None:
        self.assertTrue(result.woken("waiter = 'writer*' AND class = 'known' AND ns > 0"))
        self.assertGreater(result.counter("cond_wait_ns"), 0)

    def test_same_output(self) -> None:
        env = {**SMALL_BUFFER, "OPS": "8000", "QUIET": "1"}
        bare = self.bare(self.argv("bare"), env)
        recorded, _ = self.record("run", self.argv("recorded"), env)
        self.assertEqual(bare.status, 0, bare.err)
        self.assertEqual((recorded.status, recorded.out), (bare.status, bare.out))

    def own(self, name: str, level: str, handoff: str) -> Result:
        """Records a fixed load on our locks; its output must be the bare one."""
        env = {"WBUF": str(1 << 16), "OPS": "1500", "QUIET": "1"}
        bare = self.bare(self.argv(f"{name}-bare"), env)
        own, result = self.record(name, self.argv(name + "-data"), env, level, "--runtime=own",
                                  f"--handoff={handoff}")
        self.assertEqual(bare.status, 0, bare.err)
        self.assertEqual((own.status, own.out), (bare.status, bare.out), own.err)
        self.assertGreater(result.counter("cond_requeued"), 0)
        return result

    def test_runtime_own(self) -> None:
        self.own("own", "contended", "aged")
        result = self.check_own("own")
        self.check_background_thread(result)
        self.check_writers_wait(result)

    def test_handoffs(self) -> None:
        """Those that always hand over do, those woken from the condvar included; barge never does."""
        for handoff in ("barge", "fifo", "prio"):
            with self.subTest(handoff=handoff):
                self.own(handoff, "contended", handoff)
                result = self.check_own(handoff, handoff)
                handed = result.counter("mutex_handed") + result.value("SELECT sum(handed) FROM locks")
                self.assertEqual(handed > 0, handoff != "barge", f"{handed} handed over")

    def test_runtime_own_full_level(self) -> None:
        self.own("own", "full", "aged")
        truth.check_full_level(self, "own")
        truth.check_babeltrace(self, "own")

    def test_strace(self) -> None:
        env = {**SMALL_BUFFER, "OPS": "3000"}
        argv = [*truth.strace(self.dir / "log"), *self.argv("data")]
        finished, result = self.record("run", argv, env, "counters")
        self.assertEqual(finished.status, 0, finished.err)
        truth.check_strace(self, result, self.dir / "log", "driver-leveldb", ("write", "fdatasync"), STDIO)

    def test_full_level(self) -> None:
        finished, _ = self.record("run", self.argv("data"), {**SMALL_BUFFER, "OPS": "3000"}, "full")
        self.assertEqual(finished.status, 0, finished.err)
        truth.check_full_level(self, "run")
        truth.check_babeltrace(self, "run")


if __name__ == "__main__":
    unittest.main()
