# SPDX-License-Identifier: Apache-2.0
"""Benchmark `databases`: what recording costs four databases, as CPU time per operation, recorded ÷ bare.

Throughput on a shared machine moves by a factor of two between equal runs; CPU time per operation moves by
a few percent. Samples of the variants alternate in the order bare, default, full, full, default, bare; each
half of that gives one ratio. The value is the median of the ratios, the spread their least and greatest.

Embedded engines: one process of the test driver per sample does a fixed number of operations and measures
itself with getrusage after the database was opened. Servers: all variants run side by side, each takes its
load in turn, and the CPU clocks of the server's processes are read before and after. The load generators and
LTTng's daemons are not counted: their CPU time is not the database's.
"""

import os
import re
import shutil
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "subjects"))

import programs  # noqa: E402
from case import BUILD, DRIVERS, ROOT  # noqa: E402
from servers import MariaDb, PostgreSql, Server  # noqa: E402

VARIANTS = {"bare": None, "default": "contended", "full": "full"}
ORDER = ("bare", "default", "full", "full", "default", "bare")
KEYS = {"default": "{}_cpu_per_op", "full": "{}_full_cpu_per_op"}
SETTLE_S = 0.03

Sample = Callable[[str], float]     # variant to CPU seconds per operation


def run(quick: bool) -> dict:
    """The benchmark's values, spread and conditions; quick takes at most 15 s, else at most 90 s."""
    rounds = 1 if quick else 3
    values: dict[str, float] = {}
    spread: dict[str, list[float]] = {}
    for name, subject in SUBJECTS.items():
        with subject(quick) as sample:
            for variant, ratios in measure(sample, rounds).items():
                key = KEYS[variant].format(name)
                values[key] = round(statistics.median(ratios), 4)
                spread[key] = [round(min(ratios), 4), round(max(ratios), 4)]
    conditions = {"cpus": os.cpu_count(), "order": " ".join(ORDER), "unit": "CPU time per operation ÷ bare"}
    return {"values": values, "spread": spread, "conditions": conditions, "runs": 2 * rounds}


def measure(sample: Sample, rounds: int) -> dict[str, list[float]]:
    """Ratios to bare of each recorded variant, two per round."""
    ratios: dict[str, list[float]] = {variant: [] for variant in KEYS}
    for _ in range(rounds):
        taken = [(variant, sample(variant)) for variant in ORDER]
        for half in (dict(taken[:len(VARIANTS)]), dict(taken[len(VARIANTS):])):
            for variant in KEYS:
                ratios[variant].append(half[variant] / half["bare"])
    return ratios


def prefix(variant: str, directory: Path) -> list[str]:
    """The words before a program that record it as `variant` wants, into a new directory."""
    level = VARIANTS[variant]
    if level is None:
        return []
    output = tempfile.mkdtemp(prefix=f"{variant}-", dir=directory)
    owner = os.stat(directory)
    os.chown(output, owner.st_uid, owner.st_gid)
    return [str(ROOT / "scripts" / "latchkey"), "record", "--quiet", "--no-report", "--level", level,
            "--output", output, "--"]


@contextmanager
def scratch() -> Iterator[Path]:
    """A temporary directory."""
    directory = Path(tempfile.mkdtemp(prefix="latchkey-"))
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


# ---- engines inside their program ----

def rocksdb(quick: bool):
    return driver("rocksdb", 15_000 if quick else 60_000)


def sqlite(quick: bool):
    return driver("sqlite", 2_500 if quick else 15_000)


@contextmanager
def driver(engine: str, operations: int) -> Iterator[Sample]:
    """Samples of one driver: three writers and a reader, `operations` each, on a new database each time."""
    with scratch() as directory:
        env = {**os.environ, "OPS": str(operations), "LATCHKEY_BUILD": str(BUILD)}

        def sample(variant: str) -> float:
            data = Path(tempfile.mkdtemp(dir=directory))
            argv = [*prefix(variant, directory), DRIVERS / f"driver-{engine}", data, "3", "1", "0", "0"]
            finished = programs.run(argv, programs.own_account(), env, directory)
            shutil.rmtree(data)
            match = re.search(r"([0-9.]+) cpu us per operation", finished.out)
            if finished.status != 0 or not match:
                raise RuntimeError(f"driver-{engine} ended with {finished.status}: {finished.err}")
            return float(match.group(1)) / 1e6

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
    with scratch() as directory, ExitStack() as stack:
        account = programs.unprivileged_account()
        os.chown(directory, account.uid, account.gid)
        running = {variant: cls(directory / variant) for variant in VARIANTS}
        template = cls(directory / "template")
        template.create()
        with template.start() as program:
            fill(template)
            template.stop(program)
        for server in running.values():
            server.copy_from(template)
        for variant, server in running.items():
            program = server.start(prefix(variant, directory), {"LATCHKEY_BUILD": str(BUILD)})
            stack.enter_context(program)
            stack.callback(server.stop, program)
        yield running


@contextmanager
def mariadb(quick: bool) -> Iterator[Sample]:
    """sysbench with a fixed number of transactions per sample."""
    events = 500 if quick else 1500

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
    seconds = 0.4 if quick else 1.0

    def fill(server: PostgreSql) -> None:
        server.pgbench("-i", "-s", "1", "-q")

    with servers(PostgreSql, fill) as running, ExitStack() as stack:
        loads = {variant: stack.enter_context(endless_pgbench(server)) for variant, server in running.items()}

        def cpu(variant: str) -> float:
            pid = running[variant].main_pid()
            return sum(process_cpu_s(each) for each in (pid, *children(pid)))

        def transactions(variant: str) -> int:
            return int(running[variant].sql("SELECT count(*) FROM pgbench_history"))

        def sample(variant: str) -> float:
            done, before = transactions(variant), cpu(variant)
            loads[variant].send(signal.SIGCONT)
            time.sleep(seconds)
            loads[variant].send(signal.SIGSTOP)
            time.sleep(SETTLE_S)
            after = cpu(variant)
            return (after - before) / (transactions(variant) - done)

        yield sample


@contextmanager
def endless_pgbench(server: PostgreSql) -> Iterator[programs.Program]:
    """pgbench, warmed up and stopped."""
    argv = server.pgbench_argv("-n", "-c", "8", "-j", "2", "-T", "3600", "-M", "prepared")
    log = server.dir / "pgbench.log"
    with programs.Program(argv, server.account, server.env, log, server.dir) as program:
        program.wait_until(lambda: int(server.sql("SELECT count(*) FROM pgbench_history")) > 200)
        program.send(signal.SIGSTOP)
        try:
            yield program
        finally:
            program.send(signal.SIGKILL)


SUBJECTS = {"rocksdb": rocksdb, "sqlite": sqlite, "postgres": postgres, "mariadb": mariadb}
