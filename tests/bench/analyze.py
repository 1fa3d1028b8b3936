# SPDX-License-Identifier: Apache-2.0
"""Benchmark `analyze`: how fast latchkey-analyze turns a full-level trace into result.db.

The trace is made by tests/analyze/trace_generator: 24 million events of 16 threads on 2 CPUs, most of them
lock_acquired and lock_released. Latchkey's figure is events per CPU second of the whole command, from the
run directory to the finished file. The reference is a C++ program that only reads the fields of the same
kind of trace through libbabeltrace2, muxed by time (tests/analyze/bt_sink); it is so much slower that it
gets a shorter trace of the same generator. Both are measured in turn, by the CPU time that the kernel
counted for the process.
"""

import os
import statistics
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("LATCHKEY_BUILD", ROOT / "build"))
TOOLS = BUILD / "tests" / "analyze"
EVENTS = 24_000_000
REFERENCE_EVENTS = 2_000_000
ROUNDS, QUICK_ROUNDS = 7, 3
TIMEOUT_S = 60


def run(quick: bool) -> dict:
    """The benchmark's values, spread and conditions; quick takes at most 15 s, else at most 90 s."""
    rounds = QUICK_ROUNDS if quick else ROUNDS
    with tempfile.TemporaryDirectory(prefix="latchkey-bench-") as name:
        trace, short = Path(name) / "run", Path(name) / "reference"
        generate(trace, EVENTS)
        generate(short, REFERENCE_EVENTS)
        folder = next(short.rglob("metadata")).parent
        ours: list[float] = []
        reference: list[float] = []
        memory: list[float] = []
        for _ in range(rounds):
            seconds, mib = measured([BUILD / "analyze" / "latchkey-analyze", trace])
            ours.append(EVENTS / seconds)
            memory.append(mib)
            seconds, _ = measured([TOOLS / "bt_sink", folder])
            reference.append(REFERENCE_EVENTS / seconds)
        ratios = [a / b for a, b in zip(ours, reference)]
        trace_mib = sum(path.stat().st_size for path in trace.rglob("events_*")) >> 20
        result_kib = (trace / "result.db").stat().st_size >> 10
    columns = {"events_per_cpu_second": ours, "over_babeltrace2": ratios, "peak_rss_mib": memory}
    return {
        "values": {"events": EVENTS, **{key: round(statistics.median(of), 1) for key, of in columns.items()}},
        "spread": {key: [round(min(of), 1), round(max(of), 1)] for key, of in columns.items()},
        "conditions": {"trace_mib": trace_mib, "result_kib": result_kib, "cpus": os.cpu_count(),
                       "babeltrace2_events_per_cpu_second": round(statistics.median(reference)),
                       "babeltrace2_events": REFERENCE_EVENTS, "load": round(os.getloadavg()[0], 1)},
        "runs": rounds,
    }


def generate(run_dir: Path, events: int) -> None:
    """A run directory with a trace of so many events, in the page cache when it returns."""
    subprocess.run([TOOLS / "trace_generator", run_dir, str(events)], check=True, timeout=TIMEOUT_S)


def measured(argv: list[Path]) -> tuple[float, float]:
    """CPU seconds and peak memory in MiB of a command."""
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise OSError(f"{argv[0].name} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
