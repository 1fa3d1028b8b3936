#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Runs victims bare and under Latchkey and compares: stdout, stderr and exit status must be the same.

    run_case.py --victims DIR --preload LIB --events LIB [--mode M]... [--name N]... [--repeat N] FILE.case...

Modes: off (preloaded, no run directory), counters, contended and full (run directory, events library, no
session daemon); own, own-contended and kernel-pi (the same on another runtime); record, record-full and
record-own (under `latchkey record`, with --latchkey). Prints TAP.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import case_file
import counters_file


@dataclass(frozen=True)
class Mode:
    level: str
    runtime: str = "off"


PLAIN_MODES = {"off": None, "counters": Mode("counters"), "contended": Mode("contended"), "full": Mode("full"),
               "own": Mode("counters", "own"), "own-contended": Mode("contended", "own"),
               "kernel-pi": Mode("counters", "kernel-pi")}
RECORD_MODES = {"record": Mode("contended"), "record-full": Mode("full"), "record-own": Mode("full", "own")}
RUNTIMES = ["off", "own", "kernel-pi"]  # as the counters file numbers them
LTTNG_HELPERS = ["liblttng-ust-fork.so.1", "liblttng-ust-fd.so.1"]


def library_paths(names: list[str]) -> list[str]:
    """Full paths: the loader drops those silently in a setuid program, bare names with a complaint."""
    cache = subprocess.run(["/sbin/ldconfig", "-p"], check=True, capture_output=True, text=True).stdout
    return [re.search(rf"{re.escape(name)} .*=> (\S+)", cache).group(1) for name in names]


@dataclass(frozen=True)
class Setup:
    victims: Path
    preload: Path
    events: Path
    latchkey: Path


@dataclass(frozen=True)
class Outcome:
    status: int
    stdout: str
    stderr: str
    hung: bool


def bare_environment() -> dict[str, str]:
    """Ours without anything that concerns Latchkey or LTTng."""
    return {name: value for name, value in os.environ.items()
            if name != "LD_PRELOAD" and not name.startswith(("LATCHKEY_", "LTTNG_"))}


def launch(command: list[str], env: dict[str, str], limit_s: float) -> Outcome:
    """Runs in a session of its own; when the time is over, everything in it is killed."""
    process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, errors="replace", start_new_session=True)
    hung = False
    try:
        stdout, stderr = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        hung = True
        os.killpg(process.pid, signal.SIGKILL)
        stdout, stderr = process.communicate()
    return Outcome(process.returncode, stdout, stderr, hung)


def command_of(case: case_file.Case, setup: Setup) -> list[str]:
    program, *arguments = case.run
    libraries = {path.stem: str(path) for path in setup.victims.glob("*.so")}
    return [str(setup.victims / program), *(text.format(**libraries) for text in arguments)]


def run_bare(case: case_file.Case, setup: Setup) -> Outcome:
    env = bare_environment()
    if case.preload:
        env["LD_PRELOAD"] = ":".join(case.preload)
    return launch(command_of(case, setup), env, case.limit_s)


def run_preloaded(case: case_file.Case, mode: str, setup: Setup, directory: Path) -> Outcome:
    env = bare_environment() | {"LTTNG_HOME": str(directory)}
    preload = [str(setup.preload), *case.preload]
    setting = PLAIN_MODES[mode]
    if setting:
        (directory / "counters").mkdir(mode=0o700)
        env |= {"LATCHKEY_DIR": str(directory), "LATCHKEY_LEVEL": setting.level, "LATCHKEY_RUNTIME": setting.runtime}
    if setting and setting.level != "counters":
        env |= {"LATCHKEY_EVENTS_LIB": str(setup.events), "LATCHKEY_MIN_WAIT": "0ns", "LATCHKEY_MIN_IO": "0ns"}
        preload[1:1] = library_paths(LTTNG_HELPERS)
    env |= case.env | {"LD_PRELOAD": ":".join(preload)}
    return launch(command_of(case, setup), env, case.limit_s)


def run_recorded(case: case_file.Case, mode: str, setup: Setup, directory: Path) -> Outcome:
    env = bare_environment() | case.env | {"LATCHKEY_BUILD": str(setup.preload.parents[1])}
    if case.preload:
        env["LD_PRELOAD"] = ":".join(case.preload)
    setting = RECORD_MODES[mode]
    command = [str(setup.latchkey), "record", "--quiet", "--no-report", "--level", setting.level,
               "--runtime", setting.runtime, "--output", str(directory / "run"), "--", *command_of(case, setup)]
    return launch(command, env, case.limit_s + 60)


def without_losses(seen: Outcome) -> Outcome:
    """A program that outruns the tracer is told so at the end of a recording: that is no failure."""
    stderr = re.sub(r"^latchkey: \d+ events lost: .*\n", "", seen.stderr, flags=re.MULTILINE)
    return replace(seen, stderr=stderr)


def differences(case: case_file.Case, bare: Outcome, seen: Outcome) -> list[str]:
    found = []
    if seen.hung:
        found.append(f"hung: killed after {case.limit_s} s")
    if seen.status != bare.status:
        found.append(f"exit status {seen.status}, bare {bare.status}")
    if seen.stdout != bare.stdout:
        found.append(f"stdout {seen.stdout!r}, bare {bare.stdout!r}")
    wanted = list(case.stderr)
    rest = []
    for line in seen.stderr.splitlines(keepends=True):
        match = next((text for text in wanted if re.search(text, line)), None)
        if match is None:
            rest.append(line)
        else:
            wanted.remove(match)
    if "".join(rest) != bare.stderr:
        found.append(f"stderr {''.join(rest)!r}, bare {bare.stderr!r}")
    found.extend(f"stderr has no line like {text!r}" for text in wanted)
    return found


def bare_failures(case: case_file.Case, bare: Outcome) -> list[str]:
    found = []
    if bare.hung or bare.status != case.exit_status:
        found.append(f"exit status {bare.status}, not {case.exit_status}; stderr {bare.stderr!r}")
    if case.must_succeed and not bare.stdout.endswith("EXIT-SUCCESS\n"):
        found.append(f"stdout does not end in EXIT-SUCCESS: {bare.stdout!r}")
    return found


def runtime_failures(case: case_file.Case, mode: str, sums: dict[str, int]) -> list[str]:
    """Whether the locks were those the mode is about, in every process; or libc's, where the case says so."""
    if "processes" not in sums:
        return ["no counters: nothing was preloaded"]
    is_refused = any("own locks are used" in line for line in case.stderr)
    name = "off" if is_refused else (PLAIN_MODES | RECORD_MODES)[mode].runtime
    wanted = RUNTIMES.index(name) * sums["processes"]
    return [] if sums["process.runtime"] == wanted else [f"not all {sums['processes']} processes ran on {name}"]


def mode_failures(case: case_file.Case, mode: str, setup: Setup, bare: Outcome) -> list[str]:
    """What is wrong with the case in this mode; empty: nothing."""
    with tempfile.TemporaryDirectory(prefix="latchkey-test-") as name:
        directory = Path(name)
        if mode in RECORD_MODES:
            seen = without_losses(run_recorded(case, mode, setup, directory))
            bare = replace(bare, status=bare.status if bare.status >= 0 else 128 - bare.status)
            directory = directory / "run"
        else:
            seen = run_preloaded(case, mode, setup, directory)
        found = differences(case, bare, seen)
        if mode == "off" or seen.hung or seen.status != bare.status:
            return found
        try:
            sums = counters_file.sums(directory)
            found += case_file.counters_failures(case, mode, sums) + runtime_failures(case, mode, sums)
        except (OSError, ValueError) as error:
            found.append(f"counters: {error}")
    return found


class Tap:
    """Test Anything Protocol on stdout."""

    def __init__(self) -> None:
        self.count = 0
        self.failed = 0

    def report(self, name: str, failures: list[str]) -> None:
        self.count += 1
        self.failed += bool(failures)
        print(f"{'not ok' if failures else 'ok'} {self.count} - {name}")
        for failure in failures:
            print(f"# {failure}")
        sys.stdout.flush()

    def end(self) -> int:
        print(f"1..{self.count}")
        return 1 if self.failed else 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--victims", type=Path, required=True, help="directory of the built victims")
    parser.add_argument("--preload", type=Path, required=True, help="liblatchkey-preload.so")
    parser.add_argument("--events", type=Path, required=True, help="liblatchkey-events.so")
    parser.add_argument("--latchkey", type=Path, default=Path("latchkey"), help="command for the record modes")
    parser.add_argument("--mode", action="append", choices=["bare", *PLAIN_MODES, *RECORD_MODES])
    parser.add_argument("--name", action="append", help="only this case")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE.case")
    return parser.parse_args()


def main() -> int:
    options = parse_arguments()
    setup = Setup(options.victims, options.preload.absolute(), options.events.absolute(), options.latchkey)
    modes = options.mode or list(PLAIN_MODES)
    cases = [case for path in options.files for case in case_file.read(path)
             if not options.name or case.name in options.name]
    tap = Tap()
    for case in cases * options.repeat:
        bare = run_bare(case, setup)
        tap.report(f"{case.name} bare", bare_failures(case, bare))
        for mode in modes:
            if mode != "bare" and case_file.runs_in(case, mode):
                tap.report(f"{case.name} {mode}", mode_failures(case, mode, setup, bare))
    return tap.end()


if __name__ == "__main__":
    sys.exit(main())
