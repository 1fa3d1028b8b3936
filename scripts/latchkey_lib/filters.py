# SPDX-License-Identifier: Apache-2.0
"""What of a result to show: --lock, --role, --min."""

from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True)
class Filters:
    """Empty patterns let everything pass; min_ns is a lower bound of the total time of a row."""

    lock: str = ""
    role: str = ""
    min_ns: int = 0

    def lock_passes(self, name: str | None) -> bool:
        """Does the name of a lock, condvar or other object match --lock?"""
        return not self.lock or fnmatchcase(name or "", self.lock)

    def role_passes(self, *names: str | None) -> bool:
        """Does one of the roles match --role?"""
        return not self.role or any(fnmatchcase(name or "", self.role) for name in names)

    def time_passes(self, ns: int | None) -> bool:
        """Is the time long enough for --min?"""
        return (ns or 0) >= self.min_ns
