# SPDX-License-Identifier: Apache-2.0
"""Places in the program with their callers: "DB::Write < DB::Put < main", innermost first."""

from dataclasses import dataclass

from latchkey_lib.load import Result

_NAME_PARTS = 2  # of a C++ name: class and function tell more than namespaces
ARROW = " < "


class Stacks:
    """Names of sites and stacks of one result."""

    def __init__(self, result: Result) -> None:
        self._names: dict[int, str] = {}
        for row in result.rows("SELECT id, name, function FROM sites"):
            self._names[row["id"]] = row["function"] or row["name"] or "?"
        self._frames = {
            row["id"]: row["frames"] or "" for row in result.rows("SELECT id, frames FROM stacks")
        }

    def chain(self, site: int | None, stack: int | None) -> list[str]:
        """Short names from the innermost function outwards; only the site's if no stack was taken."""
        numbers = [int(frame) for frame in self._frames.get(stack or 0, "").split(",") if frame]
        names = [self._names.get(number, "?") for number in numbers or ([site] if site is not None else [])]
        return [short(name) for name in names] or ["?"]


@dataclass(frozen=True)
class Place:
    """A place on one side of a lock or signal; its time and how often."""

    chain: str
    ns: int
    count: int


class Places:
    """All places of the locks or of the signals. kind: lock | signal."""

    def __init__(self, result: Result, kind: str) -> None:
        stacks = Stacks(result)
        self._places: dict[tuple[int, str], dict[str, Place]] = {}
        for row in result.rows(f"SELECT {kind} AS target, side, site, stack, count, ns FROM {kind}_sites"):
            places = self._places.setdefault((row["target"], row["side"]), {})
            chain = ARROW.join(_without_repeats(stacks.chain(row["site"], row["stack"])))
            old = places.get(chain, Place(chain, 0, 0))
            places[chain] = Place(chain, old.ns + (row["ns"] or 0), old.count + (row["count"] or 0))

    def of(self, target: int, *sides: str) -> list[Place]:
        """Places of the first of these sides that has any; those that cost most first."""
        for side in sides:
            if places := self._places.get((target, side)):
                return sorted(places.values(), key=lambda place: (-place.ns, -place.count, place.chain))
        return []


def _without_repeats(names: list[str]) -> list[str]:
    """Of functions without a symbol (module+0x12) in a row, only the first keeps its module."""
    modules = [""] + [name.partition("+0x")[0] if "+0x" in name else "" for name in names]
    return [
        name.removeprefix(module) if module and module == before else name
        for name, before, module in zip(names, modules, modules[1:])
    ]


def short(name: str) -> str:
    """The last parts of a C++ name; brackets are left alone."""
    if any(bracket in name for bracket in "<( "):
        return name
    return "::".join(name.split("::")[-_NAME_PARTS:])
