# SPDX-License-Identifier: Apache-2.0
"""memcached: memory only, some sixteen uncontended locks per operation, all threads named."""

import re
import unittest

import truth
from result import Result
from servercase import ServerCase
from servers import Memcached

KEYS = 500


class MemcachedCase(ServerCase):
    server_class = Memcached
    server: Memcached

    def fixed_commands(self) -> str:
        """What it answers to a fixed conversation, and its counts of it."""
        sets = "".join(f"set key{n} 0 0 {len(str(n * n))} noreply\r\n{n * n}\r\n" for n in range(KEYS))
        gets = "get " + " ".join(f"key{n}" for n in range(KEYS)) + "\r\n"
        answer = self.server.talk(sets + gets)
        stats = self.server.talk("stats\r\n")
        fields = "cmd_set|cmd_get|get_hits|curr_items|total_items"
        counts = re.findall(rf"^STAT (?:{fields}) \d+", stats, re.MULTILINE)
        self.assertEqual(len(counts), 5, stats)
        return answer + "\n".join(counts)

    def test_default_level(self) -> None:
        with self.running():
            bare = self.fixed_commands()
        with self.recorded("run"):
            recorded = self.fixed_commands()
            self.server.memcslap("--concurrency=8", "--execute-number=3000", "--test=set")
        self.assertEqual(recorded, bare)
        result = self.result("run")
        self.only_recording(result)
        self.check_report("run")
        self.check_workers(result)

    def test_runtime_own(self) -> None:
        """The crawler is woken by a condvar whose mutex is held: it is moved to the mutex."""
        with self.running():
            bare = self.fixed_commands()
        with self.on_own("own"):
            own = self.fixed_commands()
            self.server.memcslap("--concurrency=8", "--execute-number=3000", "--test=set")
            self.server.talk("lru_crawler crawl all\r\n", b"OK\r\n")
        self.assertEqual(own, bare)
        result = self.check_own("own")
        self.only_recording(result)
        self.check_workers(result)
        self.assertGreater(result.counter("cond_requeued"), 0)

    def check_workers(self, result: Result) -> None:
        self.assertEqual(result.value("SELECT threads FROM roles WHERE name = 'mc-worker'"), 4)
        roles = " ".join(result.roles())
        for name in ("mc-lrumaint", "mc-slabmaint", "mc-assocmaint"):
            self.assertIn(name, roles)
        locks = result.value("SELECT sum(value) FROM role_counters AS c JOIN roles ON roles.id = role "
                             "WHERE roles.name = 'mc-worker' AND c.name = 'calls.pthread_mutex_lock'")
        self.assertGreater(locks, 8 * 3000, "several locks per operation")

    def test_strace(self) -> None:
        with self.straced("run", self.dir / "log"):
            self.fixed_commands()
            self.server.memcslap("--concurrency=4", "--execute-number=200", "--test=set")
        truth.check_strace(self, self.result("run"), self.dir / "log", "memcached",
                           ("read", "sendmsg", "epoll_wait"), (r"/pid\.tmp$",))

    def test_full_level(self) -> None:
        with self.recorded("run", "full"):
            self.fixed_commands()
            self.server.memcslap("--concurrency=4", "--execute-number=200", "--test=set")
        items = self.result("run").rows("SELECT * FROM locks WHERE name_source = 'init' AND instances > 100")
        self.assertEqual(len(items), 1, "the item locks are one class, named by who initialised them")
        self.assertGreater(items[0]["acquired"], KEYS)
        truth.check_full_level(self, "run")
        truth.check_babeltrace(self, "run")


if __name__ == "__main__":
    unittest.main()
