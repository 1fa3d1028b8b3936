# SPDX-License-Identifier: Apache-2.0
"""What the tests of scripts/ share: where things are, and running the command."""

import os
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LATCHKEY = ROOT / "scripts" / "latchkey"
SCHEMA_VERSION = "2"

_PT_INTERP, _PT_LOAD = 3, 1

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


def elf(interpreter: str | None = None, bits: int = 2, machine: int = 62) -> bytes:
    """The head of an ELF file, with or without a PT_INTERP."""
    name = (interpreter or "").encode() + b"\0"
    header = b"\x7fELF" + bytes([bits, 1, 1]) + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 3, machine, 1, 0, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    kind = _PT_INTERP if interpreter else _PT_LOAD
    return header + struct.pack("<IIQQQQQQ", kind, 4, 120, 0, 0, len(name), len(name), 1) + name
