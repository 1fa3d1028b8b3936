# SPDX-License-Identifier: Apache-2.0
"""A /run/lttng of our own, for root.

A session daemon of root, its command line and the programs it traces meet in /run/lttng, wherever
LTTNG_HOME points. A private mount namespace with a tmpfs there keeps a recording apart from the
system's own daemon and from other recordings. Nothing else is hidden from the program: /dev/shm,
for one, stays the system's.
"""

import ctypes
import fcntl
import os
from pathlib import Path

from latchkey_lib.messages import UsageError

_CLONE_NEWNS = 0x00020000
_MS_NOSUID, _MS_NODEV, _MS_REC, _MS_SLAVE = 0x2, 0x4, 0x4000, 0x80000
_MNT_DETACH = 2
_LIBC = ctypes.CDLL(None, use_errno=True)


class PrivateRundir:
    """Context manager: inside, this process and its children have a fresh /run/lttng.

    The mount namespace stays for the life of the process. The mount point that the system sees is made
    if need be and removed again by the last recording that uses it: each holds a shared lock on it,
    because removing it would also end the mounts of the others.
    """

    def __init__(self) -> None:
        self._path = Path(os.path.realpath("/var/run")) / "lttng"
        self._mount_point = -1

    def __enter__(self) -> "PrivateRundir":
        try:
            self._mount_point = _open_mount_point(self._path)
        except OSError as error:
            raise UsageError(
                f"{self._path}: {error.strerror}; record as an ordinary user, or with --level counters"
            ) from None
        try:
            _call("unshare", _CLONE_NEWNS)
            _call("mount", b"none", b"/", None, _MS_REC | _MS_SLAVE, None)
            options = b"mode=0755,size=16m"
            _call("mount", b"latchkey", os.fsencode(self._path), b"tmpfs", _MS_NOSUID | _MS_NODEV, options)
        except OSError as error:
            self._remove_mount_point()
            raise UsageError(
                f"private {self._path} for root: {error.strerror}; record as an ordinary user, "
                "add CAP_SYS_ADMIN to the container, or use --level counters"
            ) from None
        return self

    def __exit__(self, *unused: object) -> None:
        _LIBC.umount2(os.fsencode(self._path), _MNT_DETACH)
        self._remove_mount_point()

    def _remove_mount_point(self) -> None:
        """Removes it if it is empty and no other recording holds it."""
        try:
            fcntl.flock(self._mount_point, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not session_daemons():
                self._path.rmdir()
        except OSError:
            pass
        os.close(self._mount_point)


def _open_mount_point(path: Path) -> int:
    """Makes the directory if it is missing; returns a descriptor that holds a shared lock on it."""
    while True:
        path.mkdir(mode=0o755, exist_ok=True)
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except FileNotFoundError:
            pass  # another recording removed it in between
        except OSError:
            os.close(descriptor)
            raise
        os.close(descriptor)


def session_daemons() -> list[int]:
    """Process ids of the LTTng session daemons of this system that this user can see."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if (entry / "comm").read_text() == "lttng-sessiond\n":
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def _call(name: str, *args: object) -> None:
    if getattr(_LIBC, name)(*args) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
