# SPDX-License-Identifier: Apache-2.0
"""Runs latchkey-analyze, which turns a run directory into its result.db; knows when that is needed."""

import json
import subprocess
from pathlib import Path

from latchkey_lib import paths
from latchkey_lib.messages import USAGE, DataError, Progress, UsageError

RESULT = "result.db"


def require_run(run: Path) -> None:
    """Raises UsageError if `run` is no run directory."""
    if not run.is_dir():
        what = "not a directory" if run.exists() else "no such directory"
        raise UsageError(f"{run}: {what}; name a run directory of latchkey record")
    if not (run / "run.json").is_file() and not (run / RESULT).is_file():
        raise UsageError(f"{run}: has neither run.json nor {RESULT}; name a run directory of latchkey record")


def analyze(run: Path, quiet: bool = False) -> None:
    """Builds result.db. Raises UsageError or DataError with the last line that the analyser said."""
    command = [str(paths.require(paths.parts().analyze)), str(run)]
    with Progress("analysing", not quiet):
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            check=False,
        )
    if done.returncode != 0:
        words = done.stderr.strip().splitlines() or [
            f"{run}: latchkey-analyze ended with status {done.returncode}"
        ]
        text = words[-1].removeprefix("latchkey-analyze: ").removeprefix("latchkey: ")
        raise UsageError(text) if done.returncode == USAGE else DataError(text)


def is_current(run: Path) -> bool:
    """True if result.db is there, newer than all that was recorded, and the run has ended."""
    result = run / RESULT
    if not result.is_file():
        return False
    if not (run / "run.json").exists():
        return True  # a result alone, as copied from another place
    made = result.stat().st_mtime_ns
    if any(file.stat().st_mtime_ns > made for file in _recorded(run)):
        return False
    try:
        return json.loads((run / "run.json").read_text()).get("finished") is not None
    except (OSError, ValueError, AttributeError):
        return True


def _recorded(run: Path) -> list[Path]:
    folders = [file for name in ("counters", "trace") for file in (run / name).rglob("*") if file.is_file()]
    return [*folders, run / "run.json"]
