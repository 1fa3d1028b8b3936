# SPDX-License-Identifier: Apache-2.0
"""The run directory: run.json beside counters/, trace/ and result.db, readable by its owner only."""

import json
import os
import platform
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from latchkey_lib import paths
from latchkey_lib.messages import UsageError

FORMAT = 1
OUT = Path("latchkey-out")


def create(program: Path, wanted: Path | None) -> Path:
    """Makes the run directory, `wanted` or latchkey-out/NAME-TIME, with mode 0700; absolute."""
    if wanted is None:
        wanted = _unused(OUT / f"{program.name}-{time.strftime('%Y%m%d-%H%M%S')}")
    run = wanted.absolute()
    try:
        run.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(run.iterdir()):
            raise UsageError(f"{wanted}: is not empty; name a new directory with --output, or remove it")
        run.chmod(0o700)
        (run / "counters").mkdir(mode=0o700)
    except OSError as error:
        raise UsageError(
            f"{wanted}: cannot be made a run directory: {error.strerror}; choose one with --output"
        ) from None
    return run


def _unused(path: Path) -> Path:
    candidate, number = path, 1
    while candidate.exists():
        number += 1
        candidate = path.with_name(f"{path.name}-{number}")
    return candidate


class RunFile:
    """run.json: written when the program starts and again when it has ended."""

    def __init__(self, run: Path, command: list[str], options: dict[str, str]) -> None:
        libc = platform.libc_ver()
        self._path = run / "run.json"
        self.content: dict[str, Any] = {
            "format": FORMAT,
            "version": paths.version(),
            "command": command,
            "level": options["level"],
            "options": options,
            "host": platform.node(),
            "cpus": os.cpu_count(),
            "kernel": platform.release(),
            "libc": " ".join(libc),
            "started": None,
            "started_ns": None,
            "finished": None,
            "duration_ns": None,
            "exit_status": None,
            "signal": None,
            "warnings": [],
            "lttng": None,
        }

    def start(self) -> None:
        """Notes the time and writes. Raises OSError."""
        self.content["started_ns"] = time.time_ns()
        self.content["started"] = datetime.now().astimezone().isoformat(timespec="milliseconds")
        self._write()

    def ended(self, status: int | None, signal: int | None) -> None:
        """Notes that the program and its descendants have ended, now."""
        self.content["finished"] = datetime.now().astimezone().isoformat(timespec="milliseconds")
        self.content["duration_ns"] = time.time_ns() - int(self.content["started_ns"])
        self.content["exit_status"] = status
        self.content["signal"] = signal

    def finish(self, warnings: list[str], lttng: dict[str, int | None] | None) -> None:
        """Writes again, with what the end of the recording said. Raises OSError and leaves the old file."""
        self.content["warnings"] = warnings
        self.content["lttng"] = lttng
        self._write()

    def _write(self) -> None:
        """Replaces the file as a whole, or, on a full disk, writes into the blocks it already has."""
        text = json.dumps(self.content, indent=1) + "\n"
        temporary = self._path.with_suffix(".tmp")
        try:
            temporary.write_text(text)
            temporary.replace(self._path)
        except OSError:
            temporary.unlink(missing_ok=True)
            if not self._path.exists():
                raise
            _overwrite(self._path, text)


def _overwrite(path: Path, text: str) -> None:
    old = path.read_bytes()
    try:
        with path.open("r+b") as stream:
            stream.write(text.encode())
            stream.truncate()
    except OSError:
        with path.open("r+b") as stream:
            stream.write(old)
        raise
