#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Whole analyses: sample runs -> latchkey-analyze -> result.db, compared with tests/analyze/expected.

`LATCHKEY_UPDATE_EXPECTED=1` writes the expected files anew; then read the difference.
"""

import os
import sqlite3
import stat
import subprocess
import tempfile
import unittest
from pathlib import Path

BUILD = Path(os.environ["LATCHKEY_BUILD"])
ANALYZE = BUILD / "analyze" / "latchkey-analyze"
EXPECTED = Path(__file__).resolve().parent / "expected"
SAMPLES = ("contended", "full", "signals", "counters_only", "killed", "own")
CONSERVATION = """
SELECT name, object, wait_ns, coalesce((SELECT sum(ns) FROM lock_sites WHERE lock = id AND side = 'holder'), 0),
       coalesce((SELECT sum(ns) FROM lock_sites WHERE lock = id AND side = 'waiter'), 0),
       coalesce((SELECT sum(ns) FROM lock_pairs WHERE lock = id), 0) FROM locks
"""
PASSAGES = """
SELECT name, contended, spun + woken + handed, woken + handed, requeued, queued, queue_sum, queue_max FROM locks
"""


def analyze(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([ANALYZE, *words], capture_output=True, text=True, timeout=60, check=False)


def shown(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else "-" if value is None else str(value)


def dump(database: Path) -> str:
    """All tables, a row a line."""
    lines: list[str] = []
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")]
        for table in tables:
            cursor = db.execute(f"SELECT * FROM {table}")
            rows = sorted("|".join(map(shown, row)) for row in cursor)
            if rows:
                lines += [f"-- {table}: {' '.join(column[0] for column in cursor.description)}", *rows]
    db.close()
    return "\n".join(lines) + "\n"


class Results(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls) -> None:
        cls.directory = tempfile.TemporaryDirectory(prefix="latchkey-")
        cls.runs = Path(cls.directory.name)
        subprocess.run([BUILD / "tests" / "analyze" / "sample_runs", cls.runs], check=True)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.directory.cleanup()

    def test_expected(self) -> None:
        for name in SAMPLES:
            with self.subTest(name):
                done = analyze(self.runs / name)
                self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))
                text = dump(self.runs / name / "result.db")
                expected = EXPECTED / f"{name}.expect"
                if os.environ.get("LATCHKEY_UPDATE_EXPECTED"):
                    expected.write_text(text, encoding="utf-8")
                self.assertEqual(text, expected.read_text(encoding="utf-8"))

    def test_all_waiting_is_charged(self) -> None:
        for name in SAMPLES:
            analyze(self.runs / name)
            with sqlite3.connect(self.runs / name / "result.db") as db:
                for lock, kind, waited, charged, by_waiter, by_pair in db.execute(CONSERVATION):
                    self.assertEqual((waited,) * 3, (charged, by_waiter, by_pair), f"{name}: {kind} {lock}")
            db.close()

    def test_each_wait_ends_in_one_way(self) -> None:
        for name in SAMPLES:
            analyze(self.runs / name)
            with sqlite3.connect(self.runs / name / "result.db") as db:
                for row in db.execute(PASSAGES):
                    lock, waits, ended, slept, requeued, queued, queue_sum, queue_max = row
                    self.assertLessEqual(ended, waits + requeued, f"{name}: {lock}")
                    self.assertLessEqual(requeued, slept, f"{name}: {lock}")
                    self.assertLessEqual(queue_max, queue_sum, f"{name}: {lock}")
                    self.assertLessEqual(queue_sum, queued * queue_max, f"{name}: {lock}")
            db.close()

    def test_readers_agree(self) -> None:
        for name in ("contended", "full", "signals", "own"):
            other = self.runs / f"{name}.db"
            own = self.runs / f"{name}-own.db"
            self.assertEqual(analyze(self.runs / name, "--reader", "babeltrace2", "-o", other).returncode, 0)
            self.assertEqual(analyze(self.runs / name, "--reader", "own", "-o", own).returncode, 0)
            self.assertEqual(dump(other), dump(own), name)
            dumps = [analyze(self.runs / name, "--dump", "--reader", reader) for reader in ("own", "babeltrace2")]
            self.assertGreater(len(dumps[0].stdout), 1000)
            self.assertEqual(sorted(dumps[0].stdout.splitlines()), sorted(dumps[1].stdout.splitlines()))

    def test_file_is_private_and_appears_at_once(self) -> None:
        run = self.runs / "contended"
        (run / "result.db").write_bytes(b"an old one")
        (run / "result.db").chmod(0o644)
        self.assertEqual(analyze(run).returncode, 0)
        self.assertEqual(stat.S_IMODE((run / "result.db").stat().st_mode), 0o600)
        self.assertEqual(sorted(path.name for path in run.iterdir()), ["counters", "result.db", "run.json", "trace"])


if __name__ == "__main__":
    unittest.main()
