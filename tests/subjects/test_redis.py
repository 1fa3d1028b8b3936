# SPDX-License-Identifier: Apache-2.0
"""Redis: jemalloc locks before main(), a forked child saves in the background, named service threads."""

import time
import unittest

import truth
from result import Result
from servercase import ServerCase
from servers import Redis

STDIO = (r"^read /(dev/urandom|proc/sys/net|sys/kernel)", r"^write .*/(server\.log|temp-rewriteaof-.*)$")
COMMANDS = "".join(f"SET key:{n} value:{n * n}\nRPUSH list:{n % 10} {n}\nHSET hash:{n % 7} f{n} {n}\n"
                   for n in range(1000))


class RedisCase(ServerCase):
    server_class = Redis
    server: Redis

    def fixed_commands(self) -> str:
        """A digest of the data that COMMANDS make."""
        self.server.cli(stdin=COMMANDS)
        return self.server.cli("DEBUG", "DIGEST")

    def load(self) -> None:
        """Many operations of few clients, then few of many: only these use the I/O threads, which spin."""
        self.server.benchmark("-c", "3", "-n", "20000", "-r", "10000", "-t", "set", "-d", "200")
        self.server.benchmark("-c", "10", "-n", "500", "-r", "10000", "-t", "set", "-d", "200")

    def save(self) -> None:
        """Saves in a child process, and waits for it."""
        self.server.cli("BGSAVE")
        deadline = time.monotonic() + 20
        while self.server.info("rdb_bgsave_in_progress") != "0":
            self.assertLess(time.monotonic(), deadline, "the background save does not end")
            time.sleep(0.02)
        self.assertEqual(self.server.info("rdb_last_bgsave_status"), "ok")

    def test_default_level(self) -> None:
        with self.running():
            bare = self.fixed_commands()
            self.server.cli("FLUSHALL")
        with self.recorded("run"):
            recorded = self.fixed_commands()
            self.load()
            self.save()
            saved = self.server.cli("DEBUG", "DIGEST")
        self.assertEqual(recorded, bare)
        with self.running():
            self.assertEqual(self.server.cli("DEBUG", "DIGEST"), saved)
        result = self.result("run")
        self.only_recording(result)
        self.check_report("run")
        self.check_threads(result)
        self.check_child(result)

    def test_runtime_own(self) -> None:
        """The background save's child inherits our locks. An asynchronous flush wakes a thread by a condvar
        whose mutex is held: the thread is moved to the mutex."""
        with self.running():
            bare = self.fixed_commands()
            self.server.cli("FLUSHALL")
        with self.on_own("own"):
            own = self.fixed_commands()
            self.save()
            self.load()
            self.server.cli("FLUSHALL", "ASYNC")
        self.assertEqual(own, bare)
        result = self.check_own("own")
        self.only_recording(result)
        self.check_child(result)
        self.assertGreater(result.counter("cond_requeued"), 0)

    def check_threads(self, result: Result) -> None:
        roles = " ".join(result.roles())
        for name in ("io_thd_*", "bio_aof_fsync", "bio_close_file", "bio_lazy_free"):
            self.assertIn(name, roles)
        self.assertGreater(result.calls("pthread_mutex_lock", "pthread_mutex_trylock"), 0, "jemalloc's")

    def check_child(self, result: Result) -> None:
        processes = result.processes(self.server.exe)
        children = [process for process in processes if process["ppid"] == processes[0]["pid"]]
        self.assertEqual(len(processes), 1 + len(children))
        self.assertTrue(children)
        self.assertGreater(result.files("%.rdb")["syncs"], 0)

    def test_strace(self) -> None:
        with self.straced("run", self.dir / "log"):
            self.fixed_commands()
        truth.check_strace(self, self.result("run"), self.dir / "log", self.server.exe,
                           ("read", "write", "epoll_wait"), STDIO)

    def test_full_level(self) -> None:
        with self.recorded("run", "full"):
            self.fixed_commands()
        untraced = self.result("run").counter("untraced_locks")
        self.assertGreater(untraced, 0, "jemalloc takes locks before main(), when nothing is traced yet")
        truth.check_full_level(self, "run")
        truth.check_babeltrace(self, "run")


if __name__ == "__main__":
    unittest.main()
