# SPDX-License-Identifier: Apache-2.0
"""Where the source tree and the build directory are, for whoever runs the tests and for other accounts."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import programs
from programs import Account

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("LATCHKEY_BUILD", ROOT / "build")).absolute()
DRIVERS = BUILD / "tests" / "subjects" / "drivers"

# What `latchkey` needs of the source tree and of the build directory.
_SOURCES = ("meson.build", "scripts", "preload/symbols.def", "preload/options.def", "preload/events.def",
            "runtime/counters.def", "analyze/schema.sql")
_BINARIES = ("preload/liblatchkey-preload.so", "preload/liblatchkey-events.so", "analyze/latchkey-analyze")


@dataclass(frozen=True)
class Tree:
    """A source tree with a build directory."""

    root: Path
    build: Path

    @property
    def latchkey(self) -> str:
        return str(self.root / "scripts" / "latchkey")

    @property
    def analyze(self) -> str:
        return str(self.build / "analyze" / "latchkey-analyze")


def readable_by(account: Account, directory: Path) -> Tree:
    """The tree, or a copy of it below `directory`: a checkout below /root, say, is closed to others."""
    needed = (ROOT / "meson.build", *(BUILD / name for name in _BINARIES))
    if all(_may_read(account, path) for path in needed):
        return Tree(ROOT, BUILD)
    copy = Tree(directory / "tree", directory / "tree" / "build")
    for base, names, target in ((ROOT, _SOURCES, copy.root), (BUILD, _BINARIES, copy.build)):
        for name in names:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            copier = shutil.copytree if (base / name).is_dir() else shutil.copy2
            copier(base / name, target / name)
    for path in (copy.root, *copy.root.rglob("*")):
        os.chown(path, account.uid, account.gid)
    return copy


def _may_read(account: Account, path: Path) -> bool:
    return programs.run(["test", "-r", path], account, os.environ, Path("/")).status == 0
