# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL: processes instead of threads, shared semaphores instead of mutexes, roles only in titles."""

import os
import signal
import unittest

import truth
from result import Result
from servercase import ServerCase
from servers import PostgreSql

CLIENTS = "8"
STDIO = (r"/pg_internal\.init", r"/PG_VERSION$", r"/pgstat\.(stat|tmp)$", r"\.conf$", r"/timezonesets/",
         r"/postmaster\.opts$")
# The sums do not depend on the order of the transactions, and the seed fixes which there are.
DIGEST = """
SELECT md5(string_agg(t::text, ',' ORDER BY aid)) FROM (SELECT aid, bid, abalance FROM pgbench_accounts) AS t;
SELECT md5(string_agg(t::text, ',' ORDER BY tid)) FROM (SELECT tid, bid, tbalance FROM pgbench_tellers) AS t;
SELECT bid, bbalance FROM pgbench_branches ORDER BY bid;
SELECT md5(string_agg(t::text, ',' ORDER BY tid, bid, aid, delta))
  FROM (SELECT tid, bid, aid, delta FROM pgbench_history) AS t;
"""


class PostgreSqlCase(ServerCase):
    server_class = PostgreSql
    server: PostgreSql

    def tpc_b(self, transactions: int) -> str:
        """Runs a TPC-B load that is the same each time; a digest of what it leaves behind."""
        self.server.pgbench("-i", "-s", "1", "-q")
        self.server.pgbench("-n", "-c", CLIENTS, "-j", "1", "-t", str(transactions), "-M", "prepared",
                            "--random-seed=11")
        return self.server.sql(DIGEST)

    def test_default_level(self) -> None:
        with self.running():
            bare = self.tpc_b(150)
        with self.recorded("run"):
            recorded = self.tpc_b(150)
        self.assertEqual(recorded, bare)
        result = self.result("run")
        self.only_recording(result)
        self.check_report("run")
        self.check_roles(result)
        self.check_semaphores(result)
        self.check_write_ahead_log(result)

    def test_runtime_own(self) -> None:
        """Its semaphores are shared between processes, so they stay glibc's; what else there is is ours."""
        with self.running():
            bare = self.tpc_b(60)
        with self.on_own("own"):
            own = self.tpc_b(60)
        self.assertEqual(own, bare)
        result = self.check_own("own")
        self.only_recording(result)
        self.check_semaphores(result)

    def check_roles(self, result: Result) -> None:
        roles = result.roles()
        for word in ("checkpointer", "walwriter", "background writer", "[local]"):
            self.assertTrue(any(word in role for role in roles), f"no role with {word!r} in {roles}")

    def check_semaphores(self, result: Result) -> None:
        """Each process has one thread, so a known waker is another process."""
        threads = result.value("SELECT max(n) FROM (SELECT count(*) AS n FROM threads GROUP BY process)")
        self.assertEqual(threads, 1)
        waits = result.value("SELECT sum(waits) FROM signals WHERE object = 'semaphore'")
        woken = sum(row["count"] for row in result.woken("object = 'semaphore'"))
        self.assertGreater(waits, 0)
        self.assertGreater(woken, 0.8 * waits)
        self.assertEqual(result.counter("mutex_contended"), 0)

    def check_write_ahead_log(self, result: Result) -> None:
        wal = result.files("%pg_wal%")
        self.assertGreater(wal["syncs"], 0)
        self.assertGreater(wal["write_bytes"], 0)
        self.assertGreater(result.calls("fdatasync"), 0)

    def test_strace(self) -> None:
        with self.straced("run", self.dir / "log"):
            self.tpc_b(20)
        expected = ("recvfrom", "sendto", "epoll_wait", "pread64", "pwrite64", "fdatasync")
        truth.check_strace(self, self.result("run"), self.dir / "log", "postgres", expected, STDIO)

    def test_full_level(self) -> None:
        with self.recorded("run", "full"):
            self.tpc_b(20)
        truth.check_full_level(self, "run")
        truth.check_babeltrace(self, "run")

    def test_killed(self) -> None:
        """kill -9 of the recorded postmaster: what was committed is there after the restart."""
        with self.server.start(self.prefix("run", "contended", "--quiet"), self.env) as program:
            self.server.sql("CREATE TABLE kept(n int PRIMARY KEY)")
            self.server.sql("".join(f"INSERT INTO kept VALUES ({n});\n" for n in range(500)))
            os.kill(self.server.main_pid(), signal.SIGKILL)
            self.assertEqual(program.wait(), 128 + signal.SIGKILL)
        with self.running():
            kept = self.server.sql("SELECT count(*), sum(n) FROM kept").strip()
        self.assertEqual(kept, f"500|{499 * 500 // 2}")
        self.assertGreater(self.result("run").calls("fdatasync", exe="postgres"), 0)


if __name__ == "__main__":
    unittest.main()
