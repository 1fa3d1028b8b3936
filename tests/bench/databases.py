# SPDX-License-Identifier: Apache-2.0
"""Benchmark `databases`: what recording, and Latchkey's own locks, cost four databases: CPU time per operation ÷ bare.

Throughput on a shared machine moves by a factor of two between equal runs; CPU time per operation moves by
a few percent. Each database runs four times side by side: bare, recorded at two levels, and not recorded
with runtime own; each takes its load in turn, there and back. Each half of that gives one ratio. The value is
the median of the ratios, the spread their least and greatest.

Embedded engines measure themselves with getrusage. Of servers, the CPU clocks of all processes are read
before and after. The load generators and LTTng's daemons are not counted: their CPU time is not the
database's. What a recording does at the start and the end is not counted either.
"""

import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "subjects"))

import programs  # noqa: E402
import tree  # noqa: E402
from programs import Account  # noqa: E402
from servers import MariaDb, PostgreSql, Server  # noqa: E402

LAUNCH = {"bare": None,
          "default": ("record", "--no-report", "--level=contended"),
          "full": ("record", "--no-report", "--level=full"),
          "own": ("run", "--runtime=own")}
ORDER = (*LAUNCH, *reversed(LAUNCH))
KEYS = {"default": "{}_cpu_per_op", "full": "{}_full_cpu_per_op", "own": "{}_own_cpu_per_op"}
MEASURE_S = 65      # of the default; starting and stopping take the rest
SETTLE_S = 0.03
STOP_TIMEOUT_S = 60

Sample = Callable[[str], float]     # variant to CPU seconds per operation


def run(quick: bool) -> dict:
    """The benchmark's values, spread and conditions; quick takes at most 15 s, else at most 90 s."""
    most_rounds, deadline = (1, 0.0) if quick else (8, time.monotonic() + MEASURE_S)
    ratios: dict[str, list[float]] = {}
    rounds = 0
    with all_running(quick) as samples:
        for sample in samples.values():     # warms up
            for variant in LAUNCH:
                sample(variant)
        while rounds == 0 or rounds < most_rounds and time.monotonic() < deadline:
            rounds += 1
            for name, sample in samples.items():
                for key, value in measure(name, sample):
                    ratios.setdefault(key, []).append(value)
    values = {key: round(statistics.median(of_key), 4) for key, of_key in ratios.items()}
    spread = {key: [round(min(of_key), 4), round(max(of_key), 4)] for key, of_key in ratios.items()}
    conditions = {"cpus": os.cpu_count(), "order": " ".join(ORDER), "unit": "CPU time per operation ÷ bare"}
    return {"values": values, "spread": spread, "conditions": conditions, "runs": 2 * rounds}


def measure(name: str, sample: Sample) -> Iterator[tuple[str, float]]:
    """One round of a database: two ratios to bare for each other variant."""
    taken = [(variant, sample(variant)) for variant in ORDER]
    for half in (dict(taken[:len(LAUNCH)]), dict(taken[len(LAUNCH):])):
        for variant, key in KEYS.items():
            yield key.format(name), half[variant] / half["bare"]


@contextmanager
def all_running(quick: bool) -> Iterator[dict[str, Sample]]:
    """All databases in all variants. They start and stop together: that takes longer than measuring."""
    contexts = {name: subject(quick) for name, subject in SUBJECTS.items()}
    with ThreadPoolExecutor() as pool:
        started = {name: pool.submit(context.__enter__) for name, context in contexts.items()}
        wait(started.values())
        try:
            yield {name: future.result() for name, future in started.items()}
        finally:
            running = [contexts[name] for name, future in started.items() if future.exception() is None]
            list(pool.map(lambda context: context.__exit__(None, None, None), running))


class Launcher:
    """Starts programs of `account` under Latchkey, with run directories below a directory of its own."""

    def __init__(self, account: Account, directory: Path):
        self.account = account
        self.directory = directory
        os.chown(directory, account.uid, account.gid)
        self._tree = tree.readable_by(account, directory)
        self.env = {"LATCHKEY_BUILD": str(self._tree.build)}

    def prefix(self, variant: str) -> list[str]:
        """The words before a program that start it as `variant` wants."""
        if LAUNCH[variant] is None:
            return []
        subcommand, *options = LAUNCH[variant]
        run_dir = self.directory / f"{variant}-run"
        return [self._tree.latchkey, subcommand, "--quiet", "--output", str(run_dir), *options, "--"]


@contextmanager
def launcher(account: Account) -> Iterator[Launcher]:
    """A launcher in a temporary directory."""
    directory = Path(tempfile.mkdtemp(prefix="latchkey-"))
    try:
        yield Launcher(account, directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


# ---- engines inside their program ----

def rocksdb(quick: bool):
    return driver("rocksdb", 6_000 if quick else 25_000)


def sqlite(quick: bool):
    return driver("sqlite", 1_000 if quick else 5_000)


@contextmanager
def driver(engine: str, operations: int) -> Iterator[Sample]:
    """Samples of one test driver per variant, with two writers and a reader of `operations` each."""
    with launcher(programs.own_account()) as launches, ExitStack() as stack:
        env = {**os.environ, **launches.env, "STEPS": "1", "OPS": str(operations)}
        running = {}
        for variant in LAUNCH:
            argv = [*launches.prefix(variant), str(tree.DRIVERS / f"driver-{engine}"),
                    str(launches.directory / variant), "2", "1", "0", "0"]
            running[variant] = subprocess.Popen(argv, env=env, text=True, bufsize=1,
                                                stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            stack.callback(running[variant].wait, STOP_TIMEOUT_S)
        for process in running.values():
            stack.callback(process.stdin.close)

        def sample(variant: str) -> float:
            running[variant].stdin.write("\n")
            for line in running[variant].stdout:
                if match := re.search(r"([0-9.]+) cpu us per operation", line):
                    return float(match.group(1)) / 1e6
            raise RuntimeError(f"driver-{engine} ended with {running[variant].wait()}")

        yield sample


# ---- servers ----

def process_cpu_s(pid: int) -> float:
    """CPU time of a process, of ended threads too: clock_getcpuclockid(3), which Python lacks for others."""
    return time.clock_gettime((~pid << 3) | 2)


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@contextmanager
def servers(cls: type[Server], fill: Callable[[Server], None]) -> Iterator[dict[str, Server]]:
    """One server per variant, all running, each with a database of its own that `fill` filled."""
    unprivileged = programs.unprivileged_account()
    with ThreadPoolExecutor() as pool, launcher(unprivileged) as launches, ExitStack() as stack:
        template = cls(launches.directory / "template")
        template.create()
        with template.start() as program:
            fill(template)
            template.stop(program)
        running = {variant: cls(launches.directory / variant) for variant in LAUNCH}

        def start(variant: str) -> programs.Program:
            running[variant].copy_from(template)
            return running[variant].start(launches.prefix(variant), launches.env)

        started = dict(zip(running, pool.map(start, running), strict=True))
        for program in started.values():
            stack.enter_context(program)
        stack.callback(lambda: list(pool.map(lambda one: running[one].stop(started[one]), running)))
        yield running


@contextmanager
def mariadb(quick: bool) -> Iterator[Sample]:
    """sysbench with a fixed number of transactions per sample."""
    events = 120 if quick else 500

    def fill(server: MariaDb) -> None:
        server.sql("CREATE DATABASE sbtest")
        server.sysbench("oltp_read_write", "prepare")

    with servers(MariaDb, fill) as running:
        def sample(variant: str) -> float:
            pid = running[variant].main_pid()
            before = process_cpu_s(pid)
            running[variant].sysbench("oltp_read_write", "run", "--threads=8", f"--events={events}",
                                      "--time=0")
            return (process_cpu_s(pid) - before) / events

        yield sample


@contextmanager
def postgres(quick: bool) -> Iterator[Sample]:
    """TPC-B by a pgbench per server that is stopped and continued, so that no backend ends within a sample:
    of an ended one only ticks of 10 ms would be known."""
    seconds = 0.15 if quick else 0.5

    def fill(server: PostgreSql) -> None:
        server.pgbench("-i", "-s", "1", "-q")

    with servers(PostgreSql, fill) as running, ExitStack() as stack:
        loads = {variant: stack.enter_context(endless_pgbench(server)) for variant, server in running.items()}
        for variant, load in loads.items():
            load.wait_until(lambda server=running[variant]: transactions_of(server) > 0)
            load.send(signal.SIGSTOP)
        time.sleep(SETTLE_S)
        done = {variant: transactions_of(server) for variant, server in running.items()}

        def cpu(variant: str) -> float:
            pid = running[variant].main_pid()
            return sum(process_cpu_s(each) for each in (pid, *children(pid)))

        def sample(variant: str) -> float:
            done_before, before = done[variant], cpu(variant)
            loads[variant].send(signal.SIGCONT)
            time.sleep(seconds)
            loads[variant].send(signal.SIGSTOP)
            time.sleep(SETTLE_S)
            after = cpu(variant)
            done[variant] = transactions_of(running[variant])
            return (after - before) / (done[variant] - done_before)

        yield sample


@contextmanager
def endless_pgbench(server: PostgreSql) -> Iterator[programs.Program]:
    """pgbench that ends when the context does."""
    argv = server.pgbench_argv("-n", "-c", "8", "-j", "2", "-T", "3600", "-M", "prepared")
    log = server.dir / "pgbench.log"
    with programs.Program(argv, server.account, server.env, log, server.dir) as program:
        try:
            yield program
        finally:
            program.send(signal.SIGKILL)    # it is stopped: nothing else would end it at once


def transactions_of(server: PostgreSql) -> int:
    """How many pgbench has committed."""
    return int(server.sql("SELECT count(*) FROM pgbench_history"))


SUBJECTS = {"rocksdb": rocksdb, "sqlite": sqlite, "postgres": postgres, "mariadb": mariadb}
