# SPDX-License-Identifier: Apache-2.0
"""Three witnesses against Latchkey's figures: strace, its own counters, and babeltrace2.

strace sees every system call, an interposer every call through the PLT. What only strace can see, because
it happens inside libc, is left out by call and path:
  - the loader reads the head of each library;
  - libc looks something up: the number of CPUs, a stack's bounds, the time zone, the names of hosts;
  - stdio reads and writes: stdout, an engine's text log, configuration (each subject's own list);
  - the preload library makes its counters file with system calls of its own.
Not compared: open and close (libc does them inside fopen, opendir and the loader), futex (inside every
contended lock), and mapped memory, which no call hook and no strace can see.
A call that a signal interrupts and the kernel starts anew is two lines of strace and one call: only
completed ones count.
"""

import re
import sqlite3
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from case import SubjectCase
from result import Result

TOLERANCE = 0.01

# System call: the interposed functions that end in it, once per call.
SYSCALLS: dict[str, tuple[str, ...]] = {
    "read": ("read", "__read_chk"),
    "pread64": ("pread", "pread64", "__pread_chk", "__pread64_chk"),
    "readv": ("readv",),
    "preadv": ("preadv", "preadv64"),
    "write": ("write",),
    "pwrite64": ("pwrite", "pwrite64"),
    "writev": ("writev",),
    "pwritev": ("pwritev", "pwritev64"),
    "fsync": ("fsync",),
    "fdatasync": ("fdatasync",),
    "sync_file_range": ("sync_file_range",),
    "msync": ("msync",),
    "fallocate": ("fallocate", "fallocate64", "posix_fallocate", "posix_fallocate64"),
    "ftruncate": ("ftruncate", "ftruncate64"),
    "fcntl": ("fcntl", "fcntl64"),
    "recvfrom": ("recv", "recvfrom", "__recv_chk", "__recvfrom_chk"),
    "recvmsg": ("recvmsg",),
    "sendto": ("send", "sendto"),
    "sendmsg": ("sendmsg",),
    "poll": ("poll", "__poll_chk"),
    "epoll_wait": ("epoll_wait",),
    "clock_nanosleep": ("usleep", "nanosleep", "clock_nanosleep", "sleep", "thrd_sleep"),
    "sched_yield": ("sched_yield", "thrd_yield"),
}

# Patterns of "CALL PATH".
_INSIDE_LIBC = (r"^p?read(64)? .*\.so[.0-9]*$", r"/counters/[0-9.]+$", r"^write /proc/[0-9]+/task/[0-9]+/comm$",
                r"^read /proc/([0-9]+/maps|meminfo|sys/vm/overcommit_memory)$", r"^read /sys/devices/system/",
                r"^read /usr/share/zoneinfo/", r"^read /etc/", r"^\w+ NETLINK")
STDOUT = (r"^write pipe:",)
_CALL = re.compile(r"^(\d+) +(\w+)\((.*)$")
_RESUMED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>(.*)$")
_PATH = re.compile(r"^\d+<((?:->|[^>])*)>")


def strace(log: Path) -> list[str]:
    """The words before a program that make strace write all calls of SYSCALLS to `log`."""
    return ["strace", "-f", "-qq", "--seccomp-bpf", "-yy", "-s", "0", "-e", "signal=none",
            "-e", "trace=" + ",".join(SYSCALLS), "-o", str(log)]


def count_syscalls(log: Path, stdio: Iterable[str] = ()) -> Counter[str]:
    """Completed calls by name, without those inside libc and those whose "CALL PATH" matches `stdio`."""
    ignored = re.compile("|".join([*_INSIDE_LIBC, *stdio]))
    unfinished: dict[str, str] = {}
    counts: Counter[str] = Counter()
    with log.open(errors="replace") as lines:
        for line in lines:
            if match := _CALL.match(line):
                pid, name, text = match.groups()
                if text.endswith("<unfinished ...>"):
                    unfinished[pid] = text
                    continue
            elif match := _RESUMED.match(line):
                pid, name, ending = match.groups()
                text = unfinished.pop(pid, "") + ending
            else:
                continue
            path = _PATH.match(text)
            restarted = "= ? ERESTART" in text
            if not restarted and not (path and ignored.search(f"{name} {path.group(1)}")):
                counts[name] += 1
    return counts


def check_strace(case: SubjectCase, result: Result, log: Path, exe: str, expected: Iterable[str],
                 stdio: Iterable[str]) -> None:
    """Fails unless strace and the counters of `exe` saw the same calls, some of each `expected` one.

    stdio: patterns of "CALL PATH", where the subject reads or writes through FILE*.
    """
    kernel = count_syscalls(log, stdio)
    ours = {name: result.calls(*functions, exe=exe) for name, functions in SYSCALLS.items()}
    for name in expected:
        case.assertGreater(kernel[name], 0, f"no {name} in this run: it compares nothing")
    wrong = [f"{name}: strace {kernel[name]}, Latchkey {ours[name]}" for name in SYSCALLS
             if abs(kernel[name] - ours[name]) > TOLERANCE * kernel[name]]
    case.assertEqual(wrong, [])


# Acquisitions of a mutex: its own calls, and each condvar wait, which ends by taking it again.
_MUTEX_CALLS = ("pthread_mutex_lock", "pthread_mutex_trylock", "pthread_mutex_timedlock",
                "pthread_mutex_clocklock", "mtx_lock", "mtx_trylock", "mtx_timedlock")
_COND_WAITS = ("pthread_cond_wait", "pthread_cond_timedwait", "pthread_cond_clockwait",
               "cnd_wait", "cnd_timedwait")


def check_full_level(case: SubjectCase, result: Result) -> None:
    """Fails unless a level-full trace holds exactly the acquisitions and waits that the counters counted."""
    case.assertEqual(result.value("SELECT value FROM meta WHERE key = 'level'"), "full")
    case.assertEqual(result.value("SELECT value FROM quality WHERE key = 'lost_events'"), 0)
    locked = result.calls(*_MUTEX_CALLS) - result.counter("mutex_failed")
    waited = result.calls(*_COND_WAITS)
    open_waits = result.value("SELECT sum(open_waits) FROM signals WHERE object = 'cond'")
    case.assertEqual(result.value("SELECT sum(waits) FROM signals WHERE object = 'cond'"), waited)
    case.assertEqual(result.value("SELECT sum(acquired) FROM locks WHERE object = 'mutex'"),
                     locked + waited - open_waits)
    case.assertEqual(result.value("SELECT sum(contended) FROM locks WHERE object = 'mutex'"),
                     result.counter("mutex_contended"))


def dump(database: Path) -> list[str]:
    """All rows of a result.db as text, in a fixed order."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
        return sorted(connection.iterdump())


def check_babeltrace(case: SubjectCase, name: str) -> None:
    """Fails unless babeltrace2 reads as many events from recording `name`, and the same, as our decoder."""
    run_dir = case.dir / name
    text = case.bare(["babeltrace2", "--no-delta", run_dir / "trace"])
    case.assertEqual((text.status, text.err), (0, ""))
    events = case.result(name).value("SELECT value FROM meta WHERE key = 'events'")
    case.assertEqual(text.out.count("\n"), int(events))
    own = dump(run_dir / "result.db")
    other = case.analyze("--reader", "babeltrace2", run_dir)
    case.assertEqual(other.status, 0, other.err)
    case.assertEqual(dump(run_dir / "result.db"), own)
