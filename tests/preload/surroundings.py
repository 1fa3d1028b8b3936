#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The preload library where it cannot work: no place for its counters, a full disk, another program.

The victim must not notice; at most one line is said. Takes the arguments of run_case.py without cases and
prints TAP. The full disks are small tmpfs mounts in a mount namespace of their own (root, or a user namespace).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import counters_file
import run_case

VICTIM = ["mutex_counts"]
MANY_THREADS = ["thread_churn"]


class Surroundings:
    """Runs a victim in a directory that is not what the library expects."""

    def __init__(self, setup: run_case.Setup) -> None:
        self.setup = setup

    def bare(self, victim: list[str]) -> run_case.Outcome:
        return run_case.launch(self.command(victim), run_case.bare_environment(), 20)

    def command(self, victim: list[str]) -> list[str]:
        return [str(self.setup.victims / victim[0]), *victim[1:]]

    def environment(self, directory: Path, **options: str) -> dict[str, str]:
        return run_case.bare_environment() | {
            "LD_PRELOAD": str(self.setup.preload), "LATCHKEY_DIR": str(directory), "LATCHKEY_LEVEL": "counters",
            **{f"LATCHKEY_{name.upper()}": value for name, value in options.items()}}

    def compare(self, victim: list[str], seen: run_case.Outcome, lines: range) -> list[str]:
        """stdout and status as bare; as many lines on stderr as `lines` allows, all ours."""
        bare = self.bare(victim)
        said = seen.stderr.splitlines()
        failures = []
        if (seen.status, seen.stdout, seen.hung) != (bare.status, bare.stdout, False):
            failures.append(f"status {seen.status}, stdout {seen.stdout!r}, stderr {seen.stderr!r}")
        if len(said) not in lines or not all(line.startswith("latchkey: ") for line in said):
            failures.append(f"stderr {seen.stderr!r}")
        return failures

    def missing_directory(self) -> list[str]:
        env = self.environment(Path("/nonexistent/run"))
        return self.compare(VICTIM, run_case.launch(self.command(VICTIM), env, 20), range(1, 2))

    def file_in_place_of_directory(self) -> list[str]:
        env = self.environment(Path("/dev/null"))
        return self.compare(VICTIM, run_case.launch(self.command(VICTIM), env, 20), range(1, 2))

    def other_program(self) -> list[str]:
        with tempfile.TemporaryDirectory(prefix="latchkey-test-") as name:
            (Path(name) / "counters").mkdir()
            env = self.environment(Path(name), only="postgres,mysqld*")
            failures = self.compare(VICTIM, run_case.launch(self.command(VICTIM), env, 20), range(1))
            return failures + [f"left {path.name}" for path in (Path(name) / "counters").iterdir()]

    def this_program(self) -> list[str]:
        with tempfile.TemporaryDirectory(prefix="latchkey-test-") as name:
            (Path(name) / "counters").mkdir()
            env = self.environment(Path(name), only="postgres,mutex_c*")
            failures = self.compare(VICTIM, run_case.launch(self.command(VICTIM), env, 20), range(1))
            locks = counters_file.sums(Path(name)).get("calls.pthread_mutex_lock")
            return failures + ([] if locks == 2100 else [f"{locks} locks counted"])

    def on_disk_with_room(self, victim: list[str], free_kib: int) -> run_case.Outcome:
        """The victim with its run directory on a tmpfs of 1 MiB of which free_kib are left."""
        with tempfile.TemporaryDirectory(prefix="latchkey-test-") as name:
            script = (f"mount -t tmpfs -o size=1m none {name} && mkdir {name}/counters && "
                      f"head -c {1024 - free_kib}K /dev/zero > {name}/filler 2>/dev/null; "
                      f"export LD_PRELOAD={self.setup.preload}; exec \"$@\"")
            env = self.environment(Path(name))
            del env["LD_PRELOAD"]
            namespace = ["--mount"] if os.geteuid() == 0 else ["--mount", "--map-root-user"]
            return run_case.launch(["unshare", *namespace, "sh", "-c", script, "sh", *self.command(victim)], env, 40)

    def full_disk(self) -> list[str]:
        return self.compare(VICTIM, self.on_disk_with_room(VICTIM, 0), range(1, 2))

    def disk_that_fills_up(self) -> list[str]:
        return self.compare(MANY_THREADS, self.on_disk_with_room(MANY_THREADS, 200), range(2))


def checks(surroundings: Surroundings) -> list[Callable[[], list[str]]]:
    return [surroundings.missing_directory, surroundings.file_in_place_of_directory, surroundings.other_program,
            surroundings.this_program, surroundings.full_disk, surroundings.disk_that_fills_up]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--victims", type=Path, required=True)
    parser.add_argument("--preload", type=Path, required=True)
    options = parser.parse_args()
    setup = run_case.Setup(options.victims, options.preload.absolute(), options.preload, Path("latchkey"))
    tap = run_case.Tap()
    for check in checks(Surroundings(setup)):
        try:
            tap.report(check.__name__, check())
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            tap.report(check.__name__, [str(error)])
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
