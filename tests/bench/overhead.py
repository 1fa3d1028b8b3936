# SPDX-License-Identifier: Apache-2.0
"""Benchmark `overhead`: what Latchkey adds to an uncontended lock, to a contended one, and to a process start.

One process of overhead_pairs per variant stays alive for the whole run and is asked in turn: bare, run (preloaded,
not recorded), contended and full (recorded), then the same backwards. A round gives one ratio per variant:
its two samples over the two of bare. The value is the median of the rounds.

Keys: pair_* are ns of thread CPU time per lock + unlock ÷ bare's; t32_* come from 32 threads on one mutex;
start_preload_ms is what preloading without tracing adds to fork, exec and exit of /bin/true.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("LATCHKEY_BUILD", ROOT / "build")).absolute()
PROGRAM = BUILD / "tests/bench/overhead_pairs"
PRELOAD = BUILD / "preload/liblatchkey-preload.so"
LATCHKEY = ROOT / "scripts/latchkey"

PAIRS_PER_WINDOW = 4000
WINDOWS = {"bare": 60, "run": 60, "contended": 60, "full": 4}   # full writes two events a pair


class Subject:
    """A living overhead_pairs, alone or under `latchkey run|record`. A context manager."""

    def __init__(self, prefix: list[str], kind: str) -> None:
        env = {**os.environ, "LATCHKEY_BUILD": str(BUILD)}
        self._process = subprocess.Popen([*prefix, str(PROGRAM), kind], env=env, text=True,
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ask(self, question: str) -> list[float]:
        self._process.stdin.write(question + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise OSError(f"{PROGRAM.name} ended before it answered")
        return [float(word) for word in answer.split()]

    def __enter__(self) -> "Subject":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.wait()


def latchkey(subcommand: str, directory: Path, *options: str) -> list[str]:
    return [str(LATCHKEY), subcommand, "--quiet", "--output", str(directory), *options, "--"]


def sandwich(variants: Iterable[str]) -> list[str]:
    """The order of one round: there and back."""
    there = list(variants)
    return there + there[::-1]


def rounds_of_ratios(count: int, variants: list[str], sample: Callable[[str], float]) -> dict[str, list[float]]:
    """Ratios to the first variant, one per round, of each other variant."""
    ratios: dict[str, list[float]] = {variant: [] for variant in variants[1:]}
    for _ in range(count):
        sums = dict.fromkeys(variants, 0.0)
        for variant in sandwich(variants):
            sums[variant] += sample(variant)
        for variant, values in ratios.items():
            values.append(sums[variant] / sums[variants[0]])
    return ratios


class Result:
    def __init__(self) -> None:
        self.values: dict[str, float] = {}
        self.spread: dict[str, list[float]] = {}

    def add(self, key: str, samples: list[float]) -> None:
        self.values[key] = round(statistics.median(samples), 4)
        self.spread[key] = [round(min(samples), 4), round(max(samples), 4)]


def measure_pairs(subjects: dict[str, Subject], rounds: int) -> dict[str, list[float]]:
    def sample(variant: str) -> float:
        return subjects[variant].ask(f"pairs {WINDOWS[variant]} {PAIRS_PER_WINDOW}")[0]

    for variant in subjects:
        sample(variant)
    return rounds_of_ratios(rounds, list(subjects), sample)


def measure_contention(subjects: dict[str, Subject], rounds: int, ms: int, result: Result) -> None:
    worst: list[float] = []

    def sample(variant: str) -> float:
        per_second, worst_ms = subjects[variant].ask(f"contend 32 {ms}")
        if variant == "bare":
            worst.append(worst_ms)
        return per_second

    pair = {variant: subjects[variant] for variant in ("bare", "contended")}
    result.add("t32_contended_throughput", rounds_of_ratios(rounds, list(pair), sample)["contended"])
    result.add("t32_glibc_worst_wait_ms", worst)


def start_ms(env: dict[str, str]) -> float:
    begin = time.perf_counter()
    os.waitpid(os.posix_spawn("/bin/true", ["true"], env), 0)
    return (time.perf_counter() - begin) * 1000


def measure_start(rounds: int, result: Result) -> None:
    bare = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    preloaded = bare | {"LD_PRELOAD": str(PRELOAD)}
    differences = []
    for _ in range(5):
        times: dict[bool, list[float]] = {False: [], True: []}
        for is_preloaded in [False, True, True, False] * rounds:
            times[is_preloaded].append(start_ms(preloaded if is_preloaded else bare))
        differences.append(statistics.median(times[True]) - statistics.median(times[False]))
    result.add("start_preload_ms", differences)


def run(quick: bool) -> dict:
    rounds = 10 if quick else 40
    for needed in (PROGRAM, PRELOAD):
        if not needed.exists():
            raise FileNotFoundError(f"{needed} does not exist")
    result = Result()
    with tempfile.TemporaryDirectory(prefix="latchkey-bench-") as name, ExitStack() as stack:
        runs = Path(name)

        def start(variant: str, *command: str, kind: str = "threads") -> Subject:
            print(f"overhead: starting {variant}", file=sys.stderr)
            return stack.enter_context(Subject(list(command), kind))

        single = {"bare": start("bare, single-threaded", kind="single"),
                  "run": start("run, single-threaded", *latchkey("run", runs / "single"), kind="single")}
        subjects = {"bare": start("bare"), "run": start("run", *latchkey("run", runs / "run"))}
        for level in ("contended", "full"):
            options = ("--no-report", "--level", level)
            subjects[level] = start(level, *latchkey("record", runs / level, *options))
        for variant, ratios in measure_pairs(subjects, rounds).items():
            result.add(f"pair_{variant}", ratios)
        result.add("pair_single_thread_run", measure_pairs(single, rounds)["run"])
        measure_contention(subjects, 3 if quick else 12, 150 if quick else 300, result)
        measure_start(5 if quick else 25, result)
    conditions = {"cpus": os.cpu_count(), "pairs_per_window": PAIRS_PER_WINDOW,
                  "order": " ".join(sandwich(subjects)), "ratio": "÷ bare glibc"}
    return {"runs": rounds, "values": result.values, "spread": result.spread, "conditions": conditions}
