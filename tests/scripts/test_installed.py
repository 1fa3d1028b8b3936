# SPDX-License-Identifier: Apache-2.0
"""The command as `meson install` lays it out: bin/latchkey points into share/latchkey, with installed.py."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import sample
from support import ROOT, TemporaryDirectory


class Installed(TemporaryDirectory):
    """A tree like the installed one."""

    def setUp(self) -> None:
        super().setUp()
        self.share = self.directory / "share" / "latchkey"
        shutil.copytree(ROOT / "scripts" / "latchkey_lib", self.share / "latchkey_lib")
        shutil.copy(ROOT / "scripts" / "latchkey", self.share)
        for table in ("options.def", "symbols.def"):
            shutil.copy(ROOT / "preload" / table, self.share)
        places = {
            "version": "1.2.3",
            "preload": "lib/preload.so",
            "events": "lib/events.so",
            "analyze": "bin/latchkey-analyze",
        }
        template = (ROOT / "scripts" / "installed.py.in").read_text()
        names = {"tables": str(self.share)} | {
            name: str(self.directory / place) for name, place in places.items()
        }
        names["version"] = places["version"]
        (self.share / "latchkey_lib" / "installed.py").write_text(
            re.sub(r"@(\w+)@", lambda match: names[match.group(1)], template)
        )
        (self.directory / "bin").mkdir()
        (self.directory / "bin" / "latchkey").symlink_to(Path("..") / "share" / "latchkey" / "latchkey")

    def latchkey(self, *args: object) -> "subprocess.CompletedProcess[str]":
        environ = {name: value for name, value in os.environ.items() if not name.startswith("LATCHKEY_")}
        return subprocess.run(
            [self.directory / "bin" / "latchkey", *args],
            env=environ,
            cwd=self.directory,
            text=True,
            capture_output=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    def test_version_tables_and_parts_are_found(self) -> None:
        self.assertEqual(self.latchkey("--version").stdout, "latchkey 1.2.3\n")
        self.assertIn("pthread_mutex_lock\n", self.latchkey("doctor", "--symbols").stdout)
        self.assertIn("--min-wait TIME", self.latchkey("record", "--help").stdout)
        done = self.latchkey("run", "true")
        self.assertEqual(done.returncode, 2)
        self.assertIn(f"latchkey: {self.directory}/lib/preload.so: not found", done.stderr)

    def test_a_report_needs_nothing_else(self) -> None:
        sample.write(self.directory / "run")
        self.assertIn("log_mutex", self.latchkey("report", "run").stdout)
