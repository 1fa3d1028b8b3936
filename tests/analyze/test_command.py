#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""latchkey-analyze as a command: options, bad input, exit statuses, one clear line each."""

import json
import os
import shutil
import sqlite3
import subprocess
import tempfile
import unittest
from contextlib import closing
from pathlib import Path

BUILD = Path(os.environ["LATCHKEY_BUILD"])
ANALYZE = BUILD / "analyze" / "latchkey-analyze"
OK, USAGE, UNUSABLE = 0, 2, 3


class Command(unittest.TestCase):
    def setUp(self) -> None:
        directory = tempfile.TemporaryDirectory(prefix="latchkey-")
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)
        subprocess.run([BUILD / "tests" / "analyze" / "sample_runs", self.directory], check=True)
        self.run_dir = self.directory / "contended"

    def analyze(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run([ANALYZE, *words], capture_output=True, text=True, timeout=60, check=False)

    def refused(self, status: int, *words: str | Path) -> str:
        """The one line of a refusal."""
        done = self.analyze(*words)
        self.assertEqual(done.returncode, status, done.stderr)
        self.assertEqual(done.stdout, "")
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertTrue(done.stderr.startswith("latchkey-analyze: "))
        return done.stderr

    def result(self, sql: str) -> str:
        with closing(sqlite3.connect(self.run_dir / "result.db")) as db:
            return " ".join(str(row[0]) for row in db.execute(sql))

    def test_help_and_version(self) -> None:
        for option in ("--help", "-h"):
            done = self.analyze(option)
            self.assertEqual(done.returncode, OK)
            for word in ("RUN_DIR", "--output", "--reader", "--dump", "--limit-memory", "Exit status"):
                self.assertIn(word, done.stdout)
        self.assertRegex(self.analyze("--version").stdout, r"^latchkey-analyze \d+\.\d+\.\d+\n$")

    def test_bad_usage(self) -> None:
        self.assertIn("no run directory", self.refused(USAGE))
        self.assertIn("--colour", self.refused(USAGE, self.run_dir, "--colour"))
        self.assertIn("guess", self.refused(USAGE, self.run_dir, "--reader", "guess"))
        self.assertIn("limit-memory", self.refused(USAGE, self.run_dir, "--limit-memory", "much"))
        self.assertIn("limit-memory", self.refused(USAGE, self.run_dir, "--limit-memory", "0"))
        self.refused(USAGE, self.run_dir, "another")

    def test_what_is_no_run_directory(self) -> None:
        self.assertIn("No such file", self.refused(USAGE, self.directory / "nowhere"))
        self.assertIn("run.json", self.refused(USAGE, self.directory))
        self.refused(USAGE, ANALYZE)
        for text in ("", "{", "[]", '{"format": 2}', '"text"', "\0\0"):
            (self.run_dir / "run.json").write_text(text)
            self.assertIn("run.json", self.refused(USAGE, self.run_dir))

    def test_nothing_usable(self) -> None:
        shutil.rmtree(self.run_dir / "trace")
        self.assertIn("nothing to analyse", self.refused(UNUSABLE, self.run_dir))
        self.assertFalse((self.run_dir / "result.db").exists())

    def test_output_that_cannot_be_written(self) -> None:
        self.assertIn("cannot write", self.refused(UNUSABLE, self.run_dir, "-o", self.directory / "no" / "file.db"))
        self.assertIn("cannot write", self.refused(UNUSABLE, self.run_dir, "-o", self.directory))

    def test_too_little_memory(self) -> None:
        self.assertIn("memory", self.refused(UNUSABLE, self.run_dir, "--limit-memory", "1"))
        self.assertEqual(self.analyze(self.run_dir, "--limit-memory", "512").returncode, OK)

    def test_unreadable_streams_are_named_and_the_rest_is_used(self) -> None:
        folder = next((self.run_dir / "trace").rglob("metadata")).parent
        broken = folder.parent / "broken-1"
        shutil.copytree(folder, broken)
        (broken / "metadata").write_bytes(b"nonsense")
        done = self.analyze(self.run_dir)
        self.assertEqual((done.returncode, done.stderr), (OK, ""))
        self.assertIn("broken-1", self.result("SELECT text FROM quality WHERE key = 'unreadable_streams'"))

    def test_run_that_is_still_going(self) -> None:
        run = json.loads((self.run_dir / "run.json").read_text())
        run.update(finished=None, duration_ns=None, exit_status=None)
        (self.run_dir / "run.json").write_text(json.dumps(run))
        self.assertEqual(self.analyze(self.run_dir).returncode, OK)
        self.assertEqual(self.result("SELECT value FROM meta WHERE key = 'finished'"), "0")

    def test_dump(self) -> None:
        done = self.analyze(self.run_dir, "--dump")
        self.assertEqual(done.returncode, OK)
        lines = done.stdout.splitlines()
        self.assertIn('10000000000 100 100 process_started pid=100 ppid=1 start_ns=10000000000', lines[0])
        self.assertIn("held=[6291520]", done.stdout)
        self.assertFalse((self.run_dir / "result.db").exists())


if __name__ == "__main__":
    unittest.main()
