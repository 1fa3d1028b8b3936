# SPDX-License-Identifier: Apache-2.0
"""RocksDB: db_bench as Debian ships it, and our driver. Callers wait on the flush and compaction pools."""

import re
import unittest

import truth
from case import SubjectCase
from result import Result

SMALL_BUFFER = {"WBUF": str(1 << 20)}
POOLS = {"rocksdb:low", "rocksdb:high"}
# RocksDB writes its text log through stdio, and reads small files so.
STDIO = (r"^(write|fcntl) .*/LOG$", r"^read /(proc/cpuinfo|sys/.*/logical_block_size)$",
         r"^read .*/(CURRENT|IDENTITY|OPTIONS-\d+\.dbtmp|MANIFEST-\d+)$", *truth.STDOUT)


class DbBench(SubjectCase):
    def argv(self, num: int, benchmarks: str = "fillrandom,readwhilewriting") -> list[str]:
        return ["db_bench", f"--db={self.dir}/data", f"--benchmarks={benchmarks}",
                f"--num={num}", f"--reads={num // 3}", "--threads=4", "--value_size=200",
                "--write_buffer_size=1048576", "--max_background_jobs=2", "--compression_type=none",
                "--seed=7"]

    def test_default_level(self) -> None:
        num = 40_000
        finished, result = self.record("run", self.argv(num))
        self.assertEqual(finished.status, 0, finished.err)
        self.assertIn("fillrandom", finished.out)
        self.assertLessEqual(POOLS, result.roles())
        self.check_names(result)
        self.check_write_ahead_log(result, 4 * num * 200)
        self.check_callers_wait(result)
        report = self.check_report("run")
        self.assertIn("rocksdb", report["locks"][0]["lock"])

    def check_names(self, result: Result) -> None:
        names = result.column("SELECT name FROM locks WHERE object = 'mutex' AND contended > 0")
        self.assertTrue(any("rocksdb" in name for name in names), names)

    def check_write_ahead_log(self, result: Result, user_bytes: int) -> None:
        log = result.files("%.log")
        self.assertGreater(log["writes"], 0)
        self.assertGreater(log["write_bytes"], user_bytes)

    def check_callers_wait(self, result: Result) -> None:
        """A thread that writes waits for a known waker: the leader of its group or a background thread."""
        self.assertTrue(result.woken("class = 'known' AND waiter NOT LIKE 'rocksdb:%' AND ns > 0"))
        idle = result.rows("SELECT * FROM signal_pairs JOIN roles ON roles.id = waiter_role "
                           "WHERE class = 'idle' AND name LIKE 'rocksdb:%'")
        self.assertTrue(idle, "the pools wait for work, which is not contention")

    def test_runtime_own(self) -> None:
        """The seed decides which keys four threads write, and which of those they read are there."""
        argv = self.argv(15_000, "fillrandom,readrandom,readwhilewriting")
        bare = self.bare(argv)
        own, _ = self.record("own", argv, None, "contended", "--runtime=own")
        self.assertEqual(bare.status, 0, bare.err)
        self.assertEqual(own.status, bare.status, own.err)
        self.assertEqual(self.keys_found(own.out), self.keys_found(bare.out))
        result = self.check_own("own")
        self.assertGreater(result.own_waits(), 0)
        self.assertGreater(result.counter("cond_requeued"), 0)
        self.check_names(result)
        self.check_callers_wait(result)

    def keys_found(self, out: str) -> str:
        found = re.findall(r"readrandom .*\((\d+ of \d+ found)\)", out)
        self.assertEqual(len(found), 1, out)
        return found[0]

    def test_strace(self) -> None:
        argv = [*truth.strace(self.dir / "log"), *self.argv(4000)]
        finished, result = self.record("run", argv, level="counters")
        self.assertEqual(finished.status, 0, finished.err)
        truth.check_strace(self, result, self.dir / "log", "db_bench",
                           ("write", "pread64", "fsync", "fdatasync"), STDIO)

    def test_full_level(self) -> None:
        finished, _ = self.record("run", self.argv(4000), level="full")
        self.assertEqual(finished.status, 0, finished.err)
        truth.check_full_level(self, "run")
        truth.check_babeltrace(self, "run")


class Driver(SubjectCase):
    def argv(self, directory: str) -> list[str]:
        return [self.driver("rocksdb"), str(self.dir / directory), "3", "1", "0", "0"]

    def test_same_output(self) -> None:
        env = {**SMALL_BUFFER, "OPS": "8000", "QUIET": "1"}
        bare = self.bare(self.argv("bare"), env)
        recorded, result = self.record("run", self.argv("recorded"), env)
        self.assertEqual(bare.status, 0, bare.err)
        self.assertEqual((recorded.status, recorded.out), (bare.status, bare.out))
        self.assertLessEqual({"main", "writer*", "reader*"} | POOLS, result.roles())

    def on_runtime(self, runtime: str) -> None:
        """Records a fixed load into run directory `runtime`; its output must be the bare one."""
        env = {"WBUF": str(1 << 18), "OPS": "6000", "QUIET": "1"}
        bare = self.bare(self.argv("bare"), env)
        recorded, _ = self.record(runtime, self.argv("recorded"), env, "contended", f"--runtime={runtime}")
        self.assertEqual(bare.status, 0, bare.err)
        self.assertEqual((recorded.status, recorded.out), (bare.status, bare.out), recorded.err)

    def test_runtime_kernel_pi(self) -> None:
        """RocksDB asks for plain mutexes only; those that were contended had become inheriting ones."""
        self.on_runtime("kernel-pi")
        result = self.check_runtime("kernel-pi", "kernel-pi")
        kinds = result.column("SELECT kind FROM locks WHERE object = 'mutex' AND contended > 0")
        self.assertTrue(kinds)
        self.assertEqual([kind for kind in kinds if "inherit" not in kind], [])
        self.assertEqual(result.own_waits(), 0)

    def test_runtime_own(self) -> None:
        self.on_runtime("own")
        self.assertGreater(self.check_own("own").counter("cond_requeued"), 0)

    def test_writers_wait_for_the_pools(self) -> None:
        """With small buffers a writer soon waits until the flush thread or a compaction makes room."""
        env = {"WBUF": str(1 << 18), "OPS": "12000"}
        finished, result = self.record("run", self.argv("data"), env)
        self.assertEqual(finished.status, 0, finished.err)
        wakers = {pair["waker"] for pair in result.woken("waiter = 'writer*' AND class = 'known' AND ns > 0")}
        self.assertTrue(POOLS & wakers, wakers)

    def test_priorities(self) -> None:
        """Pools at idle priority: each thread of theirs asks for it once it has something to do."""
        env = {**SMALL_BUFFER, "OPS": "1000", "LOWPRI": "2"}
        finished, result = self.record("run", self.argv("data"), env)
        self.assertEqual(finished.status, 0, finished.err)
        calls = set(result.column("SELECT call FROM priorities"))
        self.assertLessEqual({"sched_setscheduler", "syscall"}, calls)


if __name__ == "__main__":
    unittest.main()
