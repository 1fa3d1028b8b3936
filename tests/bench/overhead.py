# SPDX-License-Identifier: Apache-2.0
"""Benchmark `overhead`: what Latchkey adds to locks, or takes from them, and to a process start.

Processes of overhead_pairs are asked in turn (see subjects_in_turn): bare; run (preloaded, not recorded); own
(preloaded, on Latchkey's locks); contended and full (recorded). The value of a key is the median of its rounds.

pairs       pair_*: ns of thread CPU time per uncontended lock + unlock ÷ bare's
contention  tN_*_throughput: acquisitions per second ÷ bare's of N threads on one mutex, ~1 us inside and outside;
            tN_*_worst_wait_ms: the longest wait of each window of the same rounds; t32_loaded_*: beside as many
            busy processes as there are cpus; two_threads_own: throughput ÷ bare's with nothing inside or outside
condvar     queue_1p8c_own, pingpong_own: throughput ÷ bare's; broadcast31_own_*: rounds per second ÷ bare's of
            31 waiters who wake and wait again, on all cpus and on one, and context switches per round ÷ bare's
memory      threads10k_mutexes1m_own_mib: what 10,000 threads and 1,000,000 mutexes take more than bare
start       start_preload_ms: what preloading without tracing adds to fork, exec and exit of /bin/true
"""

from __future__ import annotations

import os
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from subjects_in_turn import Result, Rounds, Subject, sandwich

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("LATCHKEY_BUILD", ROOT / "build")).absolute()
PROGRAM = BUILD / "tests/bench/overhead_pairs"
PRELOAD = BUILD / "preload/liblatchkey-preload.so"
LATCHKEY = ROOT / "scripts/latchkey"

LAUNCH = {"bare": None,
          "run": ("run",),
          "own": ("run", "--runtime=own"),
          "contended": ("record", "--no-report", "--level=contended"),
          "full": ("record", "--no-report", "--level=full")}
PAIRS_PER_WINDOW = 4000
WINDOWS = {"bare": 60, "run": 60, "own": 60, "contended": 60, "full": 4}   # full writes two events a pair
CROWD_THREADS, CROWD_MUTEXES = 10_000, 1_000_000


@dataclass(frozen=True)
class Length:
    """Rounds of a measurement and milliseconds of one window in it."""

    rounds: int
    ms: int = 0


# What is measured, in this order: (default, quick).
LENGTHS = {"pairs": (Length(40), Length(8)),
           "t32": (Length(12, 250), Length(3, 100)),
           "t16": (Length(8, 200), Length(2, 80)),
           "t8": (Length(8, 200), Length(2, 80)),
           "t4": (Length(8, 200), Length(2, 80)),
           "t32_loaded": (Length(6, 300), Length(2, 120)),
           "two_threads": (Length(15, 50), Length(4, 40)),
           "queue": (Length(20, 100), Length(3, 60)),
           "pingpong": (Length(10, 80), Length(3, 50)),
           "broadcast": (Length(10, 100), Length(3, 60)),
           "broadcast_one_cpu": (Length(8, 80), Length(3, 50)),
           "memory": (Length(2), Length(1)),
           "start": (Length(25), Length(4))}


class Bench:
    """The subjects, started when first asked for; how long to measure; the result."""

    def __init__(self, runs: Path, stack: ExitStack, quick: bool) -> None:
        self.result = Result()
        self.runs = runs
        self._stack = stack
        self._quick = quick
        self._subjects: dict[tuple[str, str], Subject] = {}

    def length(self, name: str) -> Length:
        default, quick = LENGTHS[name]
        return quick if self._quick else default

    def argv(self, variant: str, kind: str, run_dir: Path) -> list[str]:
        program = [str(PROGRAM), kind]
        if LAUNCH[variant] is None:
            return program
        subcommand, *options = LAUNCH[variant]
        return [str(LATCHKEY), subcommand, "--quiet", "--output", str(run_dir), *options, "--", *program]

    def subjects(self, *variants: str, kind: str = "threads") -> dict[str, Subject]:
        for key in ((variant, kind) for variant in variants):
            if key not in self._subjects:
                argv = self.argv(*key, self.runs / "-".join(key))
                self._subjects[key] = self._stack.enter_context(self.watched(Subject(" ".join(key), argv, env())))
        return {variant: self._subjects[variant, kind] for variant in variants}

    @contextmanager
    def watched(self, subject: Subject) -> Iterator[Subject]:
        """The subject alive; it is a problem if it does not end with 0."""
        with subject:
            yield subject
        if subject.status != 0:
            self.result.add_problem(f"{subject.name}: ended with status {subject.status}")


def env() -> dict[str, str]:
    return {**os.environ, "LATCHKEY_BUILD": str(BUILD)}


# ---- pairs ----

def measure_pairs(bench: Bench) -> None:
    def question(variant: str) -> str:
        return f"pairs {WINDOWS[variant]} {PAIRS_PER_WINDOW}"

    for kind, prefix, variants in (("threads", "pair", ("run", "own", "contended", "full")),
                                   ("single", "pair_single_thread", ("run", "own"))):
        subjects = bench.subjects("bare", *variants, kind=kind)
        Rounds(subjects, question, 1)   # warms up
        rounds = Rounds(subjects, question, bench.length("pairs").rounds)
        for variant in variants:
            bench.result.add(f"{prefix}_{variant}", rounds.ratios(variant))


# ---- contention ----

def measure_contention(bench: Bench) -> None:
    contend(bench, 32, "t32", "contended", "own")
    for threads in (16, 8, 4):
        contend(bench, threads, f"t{threads}", "own")
    with busy_processes(os.cpu_count()):
        contend(bench, 32, "t32_loaded", "own")
    length = bench.length("two_threads")
    rounds = Rounds(bench.subjects("bare", "own"), f"tight 2 {length.ms}", length.rounds)
    bench.result.add("two_threads_own", rounds.ratios("own"))


def contend(bench: Bench, threads: int, name: str, *variants: str) -> None:
    length = bench.length(name)
    rounds = Rounds(bench.subjects("bare", *variants), f"contend {threads} {length.ms}", length.rounds)
    for variant in variants:
        bench.result.add(f"{name}_{variant}_throughput", rounds.ratios(variant))
    bench.result.add(f"{name}_own_worst_wait_ms", rounds.numbers("own", 1))
    bench.result.add(f"{name}_glibc_worst_wait_ms", rounds.numbers("bare", 1))


@contextmanager
def busy_processes(count: int) -> Iterator[None]:
    """`count` processes that compute, of this Unix session: they compete with the subjects as equals."""
    with ExitStack() as stack:
        for _ in range(count):
            stack.enter_context(Subject("busy", [str(PROGRAM), "busy"], env()))
        yield


# ---- condvar ----

def measure_condvar(bench: Bench) -> None:
    def rounds(name: str, question: str) -> Rounds:
        length = bench.length(name)
        return Rounds(bench.subjects("bare", "own"), question.format(ms=length.ms), length.rounds)

    add = bench.result.add
    add("queue_1p8c_own", rounds("queue", "queue 8 {ms}").ratios("own"))
    add("pingpong_own", rounds("pingpong", "pingpong {ms}").ratios("own"))
    broadcast = rounds("broadcast", "broadcast 31 {ms} 0")
    add("broadcast31_own_speedup", broadcast.ratios("own"))
    add("broadcast31_own_switches", broadcast.ratios("own", 1))
    add("broadcast31_own_one_cpu", rounds("broadcast_one_cpu", "broadcast 31 {ms} 1").ratios("own"))


# ---- memory ----

def measure_memory(bench: Bench) -> None:
    differences = []
    for number in range(bench.length("memory").rounds):
        own, bare = (crowd_mib(bench, variant, number) for variant in ("own", "bare"))
        differences.append(own - bare)
    if any(problem.startswith("crowd") for problem in bench.result.problems):
        bench.result.add_problem(f"memory: {max(differences):.1f} MiB more than bare: no value, see above")
    else:
        bench.result.add("threads10k_mutexes1m_own_mib", differences)


def crowd_mib(bench: Bench, variant: str, number: int) -> float:
    """The memory of a process with many threads and mutexes. What it says on stderr is a problem."""
    name = f"crowd {variant} {number}"
    run_dir = bench.runs / name.replace(" ", "-")
    with tempfile.TemporaryFile("w+") as said:
        argv = bench.argv(variant, "threads", run_dir)
        with bench.watched(Subject(name, argv, env(), said)) as subject:
            mib = memory_mib(int(subject.ask(f"crowd {CROWD_THREADS} {CROWD_MUTEXES}")[0]))
        said.seek(0)
        for line in said:
            bench.result.add_problem(f"{name}: {line.rstrip()}")
    return mib


def memory_mib(pid: int) -> float:
    """Resident memory, and the part of the counters file that is allocated (on tmpfs: in memory) but not mapped."""
    total_kib, counters_kib, counters, is_counters = 0, 0, None, False
    with open(f"/proc/{pid}/smaps", encoding="utf-8", errors="replace") as smaps:
        for line in smaps:
            if match := re.match(r"Rss: +(\d+) kB", line):
                total_kib += int(match.group(1))
                counters_kib += int(match.group(1)) if is_counters else 0
            elif match := re.match(r"[0-9a-f]+-[0-9a-f]+ (?:\S+ +){4}(.*)", line):
                is_counters = re.search(r"/counters/\d", match.group(1)) is not None
                counters = Path(match.group(1)) if is_counters else counters
    if counters is not None:
        total_kib += max(0, counters.stat().st_blocks // 2 - counters_kib)
    return total_kib / 1024


# ---- start ----

def start_ms(environment: dict[str, str]) -> float:
    begin = time.perf_counter()
    os.waitpid(os.posix_spawn("/bin/true", ["true"], environment), 0)
    return (time.perf_counter() - begin) * 1000


def measure_start(bench: Bench) -> None:
    bare = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    preloaded = bare | {"LD_PRELOAD": str(PRELOAD)}
    differences = []
    for _ in range(5):
        times: dict[bool, list[float]] = {False: [], True: []}
        for is_preloaded in [False, True, True, False] * bench.length("start").rounds:
            times[is_preloaded].append(start_ms(preloaded if is_preloaded else bare))
        differences.append(statistics.median(times[True]) - statistics.median(times[False]))
    bench.result.add("start_preload_ms", differences)


GROUPS = {"pairs": measure_pairs, "contention": measure_contention, "condvar": measure_condvar,
          "memory": measure_memory, "start": measure_start}


def chosen(prefixes: list[str]) -> list[str]:
    """The groups that begin with one of the prefixes; all if there are none. Raises ValueError."""
    for prefix in prefixes:
        if not any(group.startswith(prefix) for group in GROUPS):
            raise ValueError(f"no group begins with {prefix!r}; there are: {', '.join(GROUPS)}")
    return [group for group in GROUPS if not prefixes or group.startswith(tuple(prefixes))]


def cpu_s_of_others() -> float:
    """CPU seconds that the machine has spent on others than this process and its ended descendants."""
    own = os.times()
    with open("/proc/stat", encoding="ascii") as stat:
        user, nice, system, _, _, irq, softirq = map(int, stat.readline().split()[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK") - sum(own[:4])


def run(quick: bool, only: list[str]) -> dict:
    groups = chosen(only)
    for needed in (PROGRAM, PRELOAD):
        if not needed.exists():
            raise FileNotFoundError(f"{needed} does not exist")
    begin, others = time.monotonic(), cpu_s_of_others()
    with tempfile.TemporaryDirectory(prefix="latchkey-bench-") as name, ExitStack() as stack:
        bench = Bench(Path(name), stack, quick)
        for group in groups:
            print(f"overhead: {group}, after {time.monotonic() - begin:.0f} s", file=sys.stderr)
            GROUPS[group](bench)
    result = bench.result
    seconds = time.monotonic() - begin
    rounds = {name: bench.length(name).rounds for name in LENGTHS}
    conditions = {"cpus": os.cpu_count(), "seconds": round(seconds, 1),
                  "cpus_used_by_others": round((cpu_s_of_others() - others) / seconds, 2),
                  "pairs_per_window": PAIRS_PER_WINDOW, "order": " ".join(sandwich(LAUNCH)),
                  "rounds": rounds, "ratio": "÷ bare glibc"}
    if result.problems:
        conditions["problems"] = result.problems
    return {"runs": rounds["pairs"], "values": result.values, "spread": result.spread, "conditions": conditions}
