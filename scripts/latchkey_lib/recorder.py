# SPDX-License-Identifier: Apache-2.0
"""One recording from the checks to the finished run directory; record and run are thin fronts of it."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from latchkey_lib import lttng, namespace, options, paths, rundir, target
from latchkey_lib.messages import LatchkeyError, Progress, UsageError, say
from latchkey_lib.supervisor import Outcome, Supervisor

_OWN_VARIABLES = ("LATCHKEY_BUILD", "LATCHKEY_TEST_LONG")  # of our scripts, not of the preload library


@dataclass(frozen=True)
class Order:
    """What to run and how."""

    command: list[str]
    options: dict[str, str]
    output: Path | None
    quiet: bool


@dataclass(frozen=True)
class Recording:
    """What came of it."""

    run: Path
    outcome: Outcome
    interrupted: bool


class InterruptedEarly(LatchkeyError):
    """A signal came before the program was started."""

    def __init__(self, text: str, signal: int) -> None:
        super().__init__(text)
        self.status = 128 + signal


def record(order: Order) -> Recording:
    """Runs the program under the preload library. Raises LatchkeyError before the program starts only."""
    umask = os.umask(0o077)
    if not order.command:
        raise UsageError("no program given; usage: latchkey record [options] -- PROGRAM [ARGUMENTS]")
    program = target.find(order.command[0])
    target.check(program)
    traced = order.options["level"] != "counters"
    preload = _preload_list(traced)
    for name in options.unknown_variables(os.environ):
        if name not in _OWN_VARIABLES:
            say(f"{name}: no such option, ignored; latchkey record --help lists them")
    run = rundir.create(program, order.output)
    try:
        with Supervisor(order.quiet) as supervisor, _tracing(order, run, traced) as session:
            environ = _environment(order, run, preload, session)
            return _run(order, run, program, environ, umask, supervisor, session)
    except LatchkeyError:
        shutil.rmtree(run, ignore_errors=True)  # nothing ran, so there is nothing in it
        raise


def _run(
    order: Order,
    run: Path,
    program: Path,
    environ: dict[str, str],
    umask: int,
    supervisor: Supervisor,
    session: lttng.SessionDaemon | None,
) -> Recording:
    run_file = rundir.RunFile(run, order.command, order.options)
    warnings = _shared_memory_warnings(order.options["level"]) if session else []
    try:
        run_file.start()
    except OSError as error:
        raise UsageError(f"{run}: {error.strerror}; choose another place with --output") from None
    if signal := supervisor.interrupted():
        raise InterruptedEarly(f"signal {signal} before the program started; nothing was recorded", signal)
    is_daemon = session.owns if session else lambda pid: False
    outcome = supervisor.run(program, order.command, environ, umask, is_daemon)
    run_file.ended(outcome.status, outcome.signal)
    _finish(run_file, outcome, session, warnings, order.quiet)
    return Recording(run, outcome, interrupted=supervisor.interrupted() is not None)


def _finish(
    run_file: rundir.RunFile,
    outcome: Outcome,
    session: lttng.SessionDaemon | None,
    warnings: list[str],
    quiet: bool,
) -> None:
    """Ends the session; says, and writes into run.json, what is to be doubted."""
    lost = None
    if session:
        with Progress("ending the recording", not quiet):
            lost, problems = session.stop()
        warnings += problems
    if left := ", ".join(outcome.left_running):
        warnings.append(f"not waited for: {left}; what they did after that is not recorded")
    if lost:
        warnings.append(
            f"{lost} events lost: the program outran the tracer; a higher --min-wait records less"
        )
    for warning in warnings:
        say(warning)
    try:
        run_file.finish(warnings, {"lost_events": lost} if session else None)
    except OSError as error:
        say(f"run.json: not completed: {error.strerror}; the report will call the run unfinished")


@contextmanager
def _tracing(order: Order, run: Path, traced: bool) -> Iterator[lttng.SessionDaemon | None]:
    """The session daemon, where the level needs one."""
    if not traced:
        yield None
        return
    with ExitStack() as stack:
        if os.geteuid() == 0:
            stack.enter_context(namespace.PrivateRundir())
        session = lttng.SessionDaemon(order.options["level"], run / "trace")
        stack.callback(session.close)
        session.start()
        yield session


def _preload_list(traced: bool) -> str:
    """LD_PRELOAD for the program. Raises UsageError if a part of it is missing."""
    parts = paths.parts()
    library = str(paths.require(parts.preload))
    if " " in library or ":" in library:
        raise UsageError(
            f"{library}: the loader splits LD_PRELOAD at blanks and colons; install Latchkey elsewhere"
        )
    libraries = [library]
    if traced:
        if missing := lttng.missing():
            raise UsageError(
                f"LTTng is not installed ({', '.join(missing)} missing): apt-get install "
                f"{' '.join(lttng.PACKAGES)}, or use --level counters"
            )
        if not parts.events.is_file():
            raise UsageError(
                f"{parts.events}: not found; build with -Devents=enabled, or use --level counters"
            )
        libraries += lttng.helper_paths().values()
    if before := os.environ.get("LD_PRELOAD"):
        libraries.append(before)
    return ":".join(libraries)


def _environment(
    order: Order, run: Path, preload: str, session: lttng.SessionDaemon | None
) -> dict[str, str]:
    environ = {name: value for name, value in os.environ.items() if name not in _OWN_VARIABLES}
    environ |= options.environment(order.options)
    environ["LD_PRELOAD"] = preload
    environ["LATCHKEY_DIR"] = str(run)
    if session:
        environ["LATCHKEY_EVENTS_LIB"] = str(paths.parts().events)
        environ["LTTNG_HOME"] = str(session.home)
        environ["LTTNG_UST_REGISTER_TIMEOUT"] = str(lttng.REGISTER_TIMEOUT_MS)
    return environ


def _shared_memory_warnings(level: str) -> list[str]:
    need = lttng.buffer_bytes(level, os.cpu_count() or 1)
    try:
        free = shutil.disk_usage("/dev/shm").free
    except OSError:
        return ["/dev/shm: not there; LTTng cannot trace without it"]
    if free < need:
        return [
            f"/dev/shm has {free >> 20} MiB free, and the buffers of one process take {need >> 20} MiB: "
            "nothing may be recorded; enlarge it (mount -o remount,size=..., docker run --shm-size)"
        ]
    return []
