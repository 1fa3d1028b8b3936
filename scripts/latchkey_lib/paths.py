# SPDX-License-Identifier: Apache-2.0
"""Where the other parts are: in a build directory of the source tree, or where meson installed them.

In the source tree this package lies in ROOT/scripts and the binaries in ROOT/build, or in the
directory that LATCHKEY_BUILD names. `meson install` adds installed.py beside this file, with the
final places.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from latchkey_lib.messages import UsageError

try:
    from latchkey_lib import installed
except ImportError:
    installed = None

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Parts:
    """Places of the parts; that one is named here does not say that it exists."""

    preload: Path
    events: Path
    analyze: Path


def parts() -> Parts:
    """Places of the binaries."""
    build = os.environ.get("LATCHKEY_BUILD")
    if installed and not build:
        return Parts(Path(installed.PRELOAD), Path(installed.EVENTS), Path(installed.ANALYZE))
    base = Path(build).absolute() if build else ROOT / "build"
    return Parts(
        preload=base / "preload" / "liblatchkey-preload.so",
        events=base / "preload" / "liblatchkey-events.so",
        analyze=base / "analyze" / "latchkey-analyze",
    )


def require(part: Path) -> Path:
    """`part` if it exists; UsageError with the mend otherwise."""
    if not part.is_file():
        raise UsageError(
            f"{part}: not found; build it (meson setup build && ninja -C build) or set LATCHKEY_BUILD"
        )
    return part


def table(name: str) -> Path:
    """A .def table by its path in the source tree, such as preload/options.def."""
    return Path(installed.TABLES) / Path(name).name if installed else ROOT / name


def version() -> str:
    """Latchkey's version; it is written once, in meson.build."""
    if installed:
        return installed.VERSION
    match = re.search(r"^\s*version: '([^']+)'", (ROOT / "meson.build").read_text(), re.MULTILINE)
    return match.group(1) if match else "unknown"
