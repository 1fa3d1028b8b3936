# SPDX-License-Identifier: Apache-2.0
"""MariaDB: adaptive mutexes, and InnoDB's latches, which only wait in syscall(SYS_futex)."""

import os
import signal
import unittest

import truth
from result import Result
from servercase import ServerCase
from servers import MariaDb

# Files made by tmpfile(3) are opened as streams with an fcntl.
STDIO = (r"/ib_buffer_pool", r"^read /proc/\d+/status$", r"^write .*/server\.log$", r"^fcntl /tmp/#")
SCRIPT = """
CREATE DATABASE kept;
USE kept;
CREATE TABLE t(id INT PRIMARY KEY, n INT, v VARCHAR(200)) ENGINE=InnoDB;
INSERT INTO t SELECT seq, seq * seq % 97, REPEAT(CHAR(65 + seq % 26), 100) FROM seq_1_to_3000;
UPDATE t SET n = n + 1 WHERE id % 3 = 0;
DELETE FROM t WHERE id % 7 = 0;
SELECT COUNT(*), SUM(n), MD5(GROUP_CONCAT(v ORDER BY id)) FROM t;
"""


class MariaDbCase(ServerCase):
    server_class = MariaDb
    server: MariaDb

    def fixed_script(self) -> str:
        """The answers to SCRIPT and a dump of what it made."""
        return self.server.sql(SCRIPT) + self.server.dump("kept")

    def sysbench(self, workload: str, *options: str) -> None:
        self.server.sql("CREATE DATABASE sbtest")
        self.server.sysbench(workload, "prepare")
        self.server.sysbench(workload, "run", "--threads=8", *options)

    def test_default_level(self) -> None:
        with self.running():
            bare = self.fixed_script()
            self.server.sql("DROP DATABASE kept")
        with self.recorded("run"):
            recorded = self.fixed_script()
            self.sysbench("oltp_write_only", "--time=3")
        self.assertEqual(recorded, bare)
        result = self.result("run")
        self.only_recording(result)
        self.check_report("run")
        self.check_futexes(result)
        self.check_locks(result)
        self.check_redo_log(result)

    def test_runtime_own(self) -> None:
        with self.running():
            bare = self.fixed_script()
            self.server.sql("DROP DATABASE kept")
        with self.on_own("own"):
            own = self.fixed_script()
            self.sysbench("oltp_write_only", "--time=0", "--events=1000")
        self.assertEqual(own, bare)
        result = self.check_own("own")
        self.only_recording(result)
        self.check_locks(result)
        self.assertGreater(result.own_waits(), 0)
        self.assertGreater(result.counter("cond_requeued"), 0)

    def check_futexes(self, result: Result) -> None:
        self.assertGreater(result.counter("futex_waits"), 0)
        self.assertGreater(result.counter("futex_wait_ns"), 0)
        self.assertTrue(result.woken("object = 'futex' AND ns > 0"))

    def check_locks(self, result: Result) -> None:
        """The many mutexes come in few named classes, the adaptive ones known as such."""
        self.assertGreater(result.counter("mutex_contended"), 0)
        contended = result.rows("SELECT * FROM locks WHERE object = 'mutex' AND contended > 0")
        kinds = {row["kind"] for row in contended}
        self.assertTrue([kind for kind in kinds if "adaptive" in kind], kinds)
        named = [row for row in contended if row["name_source"] != "address"]
        self.assertTrue(named, [row["name"] for row in contended])

    def check_redo_log(self, result: Result) -> None:
        log = result.files("%ib_logfile0")
        self.assertGreater(log["writes"], 0)
        self.assertGreater(log["syncs"], 0)

    def test_strace(self) -> None:
        with self.straced("run", self.dir / "log"):
            self.fixed_script()
        truth.check_strace(self, self.result("run"), self.dir / "log", "mariadbd",
                           ("pread64", "pwrite64", "fdatasync", "recvfrom", "sendto", "poll"), STDIO)

    def test_full_level(self) -> None:
        with self.recorded("run", "full"):
            self.fixed_script()
        truth.check_full_level(self, "run")
        truth.check_babeltrace(self, "run")

    def test_killed(self) -> None:
        """After kill -9 of the recorded server its data are there, and so is what was recorded."""
        with self.server.start(self.prefix("run", "contended", "--quiet"), self.env) as program:
            before = self.fixed_script()
            os.kill(self.server.main_pid(), signal.SIGKILL)
            self.assertEqual(program.wait(), 128 + signal.SIGKILL)
        with self.running():
            self.assertIn(self.server.dump("kept"), before)
        result = self.result("run")
        self.assertGreater(result.calls("pthread_mutex_lock", exe="mariadbd"), 0)
        self.assertEqual(result.column("SELECT exited FROM processes"), [0])


if __name__ == "__main__":
    unittest.main()
