# SPDX-License-Identifier: Apache-2.0
"""What the tests of scripts/ share: where things are, and running the command."""

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LATCHKEY = ROOT / "scripts" / "latchkey"
SCHEMA_VERSION = "1"

sys.path.insert(0, str(ROOT / "scripts"))


def latchkey(
    *args: object, environ: dict[str, str] | None = None, cwd: Path | None = None, timeout: float = 120
) -> "subprocess.CompletedProcess[str]":
    """Runs the command from the source tree; no colour, 110 columns."""
    base = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("LATCHKEY_") or name == "LATCHKEY_BUILD"
    }
    return subprocess.run(
        [sys.executable, LATCHKEY, *map(str, args)],
        env=base | {"COLUMNS": "110"} | (environ or {}),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


class TemporaryDirectory(unittest.TestCase):
    """A test case with a directory of its own in self.directory."""

    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory(prefix="latchkey-test-")
        self.addCleanup(holder.cleanup)
        self.directory = Path(holder.name)
