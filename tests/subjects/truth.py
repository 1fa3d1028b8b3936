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
import sys
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from case import SubjectCase
from result import Result
from tree import ROOT

sys.path.insert(0, str(ROOT / "tests" / "preload"))
from counters_file import CountersFile  # noqa: E402

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
_INSIDE_LIBC = (r"^p?read(64)? .*\.so[.0-9]*$", r"/counters/[0-9.]+$",
                r"^write /proc/[0-9]+/task/[0-9]+/comm$", r"^read /proc/([0-9]+/maps|meminfo)$",
                r"^read /proc/sys/vm/overcommit_memory$", r"^read /sys/devices/system/",
                r"^read /usr/share/zoneinfo/", r"^read /etc/", r"^\w+ NETLINK")
STDOUT = (r"^write pipe:",)
_CALL = re.compile(r"^(\d+) +(\w+)\((.*)$")
_RESUMED = re.compile(r"^(\d+) +<\.\.\. (\w+) resumed>(.*)$")
_PATH = re.compile(r"^\d+<((?:->|[^>])*)>")


def strace(log: Path) -> list[str]:
    """The words before a program that make strace write all calls of SYSCALLS to `log`."""
    return ["strace", "-f", "-qq", "--seccomp-bpf", "-yy", "-s", "0", "-e", "signal=none", "-e",
            "trace=" + ",".join(SYSCALLS), "-o", str(log)]


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


# Level full owes one event for each call of these, but for what untraced_locks counts; and a condvar wait
# ends with an acquisition of its mutex, unless the process ends first.
_ACQUIRES = {
    "mutex": ("pthread_mutex_lock", "pthread_mutex_trylock", "pthread_mutex_timedlock",
              "pthread_mutex_clocklock", "mtx_lock", "mtx_trylock", "mtx_timedlock"),
    "rwlock": ("pthread_rwlock_rdlock", "pthread_rwlock_tryrdlock", "pthread_rwlock_timedrdlock",
               "pthread_rwlock_clockrdlock", "pthread_rwlock_wrlock", "pthread_rwlock_trywrlock",
               "pthread_rwlock_timedwrlock", "pthread_rwlock_clockwrlock"),
    "spin": ("pthread_spin_lock", "pthread_spin_trylock"),
    "semaphore": ("sem_wait", "sem_trywait", "sem_timedwait", "sem_clockwait"),
}
_COND_WAITS = ("pthread_cond_wait", "pthread_cond_timedwait", "pthread_cond_clockwait",
               "cnd_wait", "cnd_timedwait")
_COND, _SEMAPHORE, _STILL_WAITING = 5, 6, 255   # values of preload/events.def
_EVENT = re.compile(r" latchkey:(\w+): ")
_OBJECT = re.compile(r" object = (\d+)")
_RESULT = re.compile(r" result = (\d+)")


# All that is measured, without the numbers of rows: these follow the order in which a reader meets processes.
_FACTS = (
    "SELECT pid, ppid, exe, title, start_ns, end_ns, cpu_ns, exited FROM processes",
    "SELECT name, threads FROM roles",
    "SELECT tid, name, creator_tid, start_ns, end_ns, cpu_ns FROM threads",
    "SELECT object, kind, name, name_source, instances, acquired, contended, failed, wait_ns, wait_max_ns, "
    "wait_hist, holds, hold_ns, hold_hist, io_ns, io_calls FROM locks",
    "SELECT locks.name, w.name, h.name, count, ns FROM lock_pairs JOIN locks ON locks.id = lock "
    "LEFT JOIN roles AS w ON w.id = waiter_role LEFT JOIN roles AS h ON h.id = holder_role",
    "SELECT object, name, class, instances, waits, wakes, wait_ns, wait_hist, wakeup_ns FROM signals",
    "SELECT signals.name, w.name, h.name, signal_pairs.class, count, ns FROM signal_pairs "
    "JOIN signals ON signals.id = signal LEFT JOIN roles AS w ON w.id = waiter_role "
    "LEFT JOIN roles AS h ON h.id = waker_role",
    "SELECT name, reads, read_bytes, writes, write_bytes, syncs, under_lock_calls FROM files",
    "SELECT files.name, call, roles.name, count, errors, bytes, ns FROM io_calls "
    "LEFT JOIN files ON files.id = file LEFT JOIN roles ON roles.id = role",
    "SELECT key, severity, value FROM quality",
)


class Trace:
    """The events of a recording as the babeltrace2 command reads them, counted."""

    def __init__(self, case: SubjectCase, name: str):
        finished = case.bare(["babeltrace2", "--no-delta", case.dir / name / "trace"])
        case.assertEqual((finished.status, finished.err), (0, ""))
        lines = finished.out.splitlines()
        self.total = len(lines)
        self._counts = Counter(self._kind(line) for line in lines)

    @staticmethod
    def _kind(line: str) -> tuple[str, int, bool]:
        event, of, result = _EVENT.search(line), _OBJECT.search(line), _RESULT.search(line)
        return (event.group(1), int(of.group(1)) if of else 0,
                bool(result) and int(result.group(1)) == _STILL_WAITING)

    def count(self, *events: str, of: int | None = None, still_waiting: bool | None = None) -> int:
        return sum(number for (event, this, waiting), number in self._counts.items()
                   if event in events and of in (None, this) and still_waiting in (None, waiting))


def check_full_level(case: SubjectCase, name: str) -> None:
    """Fails unless the level-full trace of recording `name` holds each lock call that was counted."""
    result, trace = case.result(name), Trace(case, name)
    case.assertEqual(result.value("SELECT value FROM meta WHERE key = 'level'"), "full")
    case.assertEqual(result.value("SELECT value FROM quality WHERE key = 'lost_events'"), 0)
    case.assertEqual(trace.total, result.counter("events"))
    waits = result.calls(*_COND_WAITS)
    called = sum(result.calls(*functions) for functions in _ACQUIRES.values())
    seen = trace.count("lock_acquired", "lock_wait") + trace.count("signal_wait", of=_SEMAPHORE)
    asleep, blocked = unfinished(case.dir / name)
    blocked -= trace.count("lock_wait", still_waiting=True)     # those count as seen
    case.assertEqual(seen + result.counter("untraced_locks"), called + waits - asleep - blocked)
    case.assertLessEqual(waits - trace.count("signal_wait", of=_COND), asleep)


def unfinished(run_dir: Path) -> tuple[int, int]:
    """Threads that were in a condvar wait, and that were waiting for a lock, when their process ended."""
    threads = [thread for file in (run_dir / "counters").iterdir()
               for thread in CountersFile(file).records("thread") if thread["wait_since_ns"]]
    asleep = sum(thread["wait_object"] == _COND for thread in threads)
    return asleep, sum(0 < thread["wait_object"] < _COND for thread in threads)


def check_babeltrace(case: SubjectCase, name: str) -> None:
    """Fails unless our decoder and libbabeltrace2 read the same events of recording `name`, field for field,
    as many as the babeltrace2 command, and that they lead to the same result.db."""
    run_dir = case.dir / name
    own, other = (decoded(case, run_dir, reader) for reader in ("own", "babeltrace2"))
    case.assertEqual(own, other)
    case.assertEqual(len(own), Trace(case, name).total)
    # Our decoder merges the processes by time, that other path takes one after the other: what one process
    # says of another (who holds, who wakes) may differ, so results are compared where there is one process.
    if len(case.result(name).rows("SELECT id FROM processes")) == 1:
        case.assertEqual(*(rebuilt(case, run_dir, reader) for reader in ("own", "babeltrace2")))


def decoded(case: SubjectCase, run_dir: Path, reader: str) -> list[str]:
    """The events as one of latchkey-analyze's readers sees them, a line each. Those of equal time may come in
    any order."""
    finished = case.analyze("--reader", reader, "--dump", run_dir)
    case.assertEqual(finished.status, 0, finished.err)
    return sorted(finished.out.splitlines())


def rebuilt(case: SubjectCase, run_dir: Path, reader: str) -> list[str]:
    """What the result.db that a reader leads to says, in a fixed order."""
    database = run_dir / f"{reader}.db"
    finished = case.analyze("--reader", reader, "--output", database, run_dir)
    case.assertEqual(finished.status, 0, finished.err)
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return sorted(f"{query[:40]}: {row}" for query in _FACTS for row in connection.execute(query))
