# SPDX-License-Identifier: Apache-2.0
"""What `latchkey doctor` looks at: each check says what is so here and, if that is a pity, the mend."""

import os
import platform
import resource
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from latchkey_lib import lttng, namespace, paths, target, units
from latchkey_lib.messages import LatchkeyError

OK, NOTE, MISSING = "ok", "note", "missing"
_TESTED_GLIBC = ("2.36",)
_ENOUGH_DISK = 1 << 30
_CAP_SYS_NICE = 23


@dataclass(frozen=True)
class Finding:
    """verdict: ok, note (works, but know this) or missing (something of Latchkey does not work)."""

    verdict: str
    subject: str
    text: str
    mend: str = ""


def machine() -> Iterator[Finding]:
    """Everything that does not depend on a program."""
    checks: tuple[Callable[[], Finding], ...] = (
        _preload_library,
        _events_library,
        _analyser,
        _lttng_packages,
        _session_daemon,
        _shared_memory,
        _glibc,
        _cpus,
        _disk,
        _other_preloads,
        _nice,
        _realtime,
    )
    for check in checks:
        yield check()


def program(name: str) -> Iterator[Finding]:
    """Can `name` be recorded, and will its functions have names?"""
    try:
        file = target.find(name)
        target.check(file)
    except LatchkeyError as error:
        what, _, mend = str(error).rpartition("; ")
        yield Finding(MISSING, "program", what, mend)
        return
    image = target.loaded_image(file)
    yield Finding(
        OK,
        "program",
        f"{file}: dynamically linked, not privileged" + (f" (run by {image})" if image != file else ""),
    )
    if target.has_symbols(image):
        yield Finding(OK, "symbols", f"{image} has a symbol table")
    else:
        yield Finding(
            NOTE,
            "symbols",
            f"{image} is stripped: only exported functions have names",
            "install its -dbgsym package, or build it without stripping",
        )


def _preload_library() -> Finding:
    return _part("preload library", paths.parts().preload, "nothing can be observed")


def _events_library() -> Finding:
    return _part("events library", paths.parts().events, "only --level counters works")


def _analyser() -> Finding:
    return _part("analyser", paths.parts().analyze, "recordings cannot be reported")


def _part(subject: str, file: Path, effect: str) -> Finding:
    if file.is_file():
        return Finding(OK, subject, str(file))
    return Finding(MISSING, subject, f"{file} is not there: {effect}", "meson setup build && ninja -C build")


def _lttng_packages() -> Finding:
    if missing := lttng.missing():
        return Finding(
            MISSING,
            "LTTng",
            f"{', '.join(missing)} not installed: only --level counters works",
            f"apt-get install {' '.join(lttng.PACKAGES)}",
        )
    running = namespace.session_daemons()
    others = f"; {len(running)} other session daemon runs, which does no harm" if running else ""
    return Finding(OK, "LTTng", f"installed{others}")


def _session_daemon() -> Finding:
    """Starts one with a session, as record does, and ends it again."""
    subject = "session daemon"
    if lttng.missing():
        return Finding(
            MISSING, subject, "LTTng is not installed", f"apt-get install {' '.join(lttng.PACKAGES)}"
        )
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1, signal.SIGCHLD})
    try:
        with ExitStack() as stack, tempfile.TemporaryDirectory(prefix="latchkey-") as directory:
            if os.geteuid() == 0:
                stack.enter_context(namespace.PrivateRundir())
            session = lttng.SessionDaemon("contended", Path(directory) / "trace")
            stack.callback(session.close)
            session.start()
            _, problems = session.stop()
        if problems:
            return Finding(
                MISSING, subject, problems[0], "see the LTTng documentation; --level counters works without"
            )
    except LatchkeyError as error:
        what, _, mend = str(error).rpartition("; ")
        return Finding(MISSING, subject, what or mend, mend)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    place = "in a mount namespace of its own" if os.geteuid() == 0 else "in a home of its own"
    return Finding(OK, subject, f"a private one starts and ends ({place})")


def _shared_memory() -> Finding:
    try:
        free = shutil.disk_usage("/dev/shm").free
    except OSError as error:
        return Finding(MISSING, "/dev/shm", f"{error.strerror}: LTTng cannot trace", "mount a tmpfs there")
    cpus = os.cpu_count() or 1
    contended, full = (lttng.buffer_bytes(level, cpus) for level in ("contended", "full"))
    text = (
        f"{units.size(free)} free; the buffers of a traced process take {units.size(contended)}, "
        f"at level full {units.size(full)}"
    )
    if free < contended:
        return Finding(
            MISSING, "/dev/shm", text, "mount -o remount,size=... /dev/shm, or docker run --shm-size"
        )
    return Finding(
        OK if free >= full else NOTE,
        "/dev/shm",
        text,
        "" if free >= full else "enlarge it before --level full",
    )


def _glibc() -> Finding:
    version = platform.libc_ver()[1]
    if version in _TESTED_GLIBC:
        return Finding(OK, "C library", f"glibc {version}, tested")
    return Finding(
        NOTE,
        "C library",
        f"glibc {version or 'unknown'}: not tested, so the slower way to take locks is used",
        f"tested: {', '.join(_TESTED_GLIBC)}",
    )


def _cpus() -> Finding:
    usable, present = len(os.sched_getaffinity(0)), os.cpu_count() or 1
    text = f"{usable} of {present} processors usable"
    if usable == 1:
        return Finding(
            NOTE,
            "processors",
            f"{text}: threads never run at the same time, so locks rarely collide",
            "record on several processors",
        )
    return Finding(OK, "processors", text)


def _disk() -> Finding:
    free = shutil.disk_usage(".").free
    if not os.access(".", os.W_OK):
        return Finding(NOTE, "disk", "this directory cannot be written", "name another place with --output")
    if free < _ENOUGH_DISK:
        return Finding(NOTE, "disk", f"{units.size(free)} free here", "name a roomier place with --output")
    return Finding(OK, "disk", f"{units.size(free)} free here")


def _other_preloads() -> Finding:
    others = os.environ.get("LD_PRELOAD", "").replace(":", " ").split()
    system = Path("/etc/ld.so.preload")
    try:
        others += system.read_text().split()
    except OSError:
        pass
    if not others:
        return Finding(OK, "other preloads", "none")
    return Finding(
        NOTE,
        "other preloads",
        f"{', '.join(others)}: kept, behind Latchkey's; calls they make themselves are seen too",
        "unset LD_PRELOAD if they replace locks or I/O functions",
    )


def _nice() -> Finding:
    lowest = 20 - resource.getrlimit(resource.RLIMIT_NICE)[0]
    if _may_set_priorities():
        return Finding(OK, "nice values", "any may be set")
    if lowest <= os.getpriority(os.PRIO_PROCESS, 0):
        return Finding(OK, "nice values", f"may be lowered to {lowest}")
    return Finding(
        NOTE,
        "nice values",
        "may only be raised; recording does not need more",
        "raise RLIMIT_NICE (limits.conf: nice), or add CAP_SYS_NICE",
    )


def _realtime() -> Finding:
    limit = resource.getrlimit(resource.RLIMIT_RTPRIO)[0]
    if _may_set_priorities() or limit > 0:
        return Finding(OK, "real-time priorities", "may be set")
    return Finding(
        NOTE,
        "real-time priorities",
        "may not be set; recording does not need them",
        "raise RLIMIT_RTPRIO (limits.conf: rtprio), or add CAP_SYS_NICE",
    )


def _may_set_priorities() -> bool:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> _CAP_SYS_NICE & 1)
    return False
