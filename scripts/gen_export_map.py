#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the linker's export map of liblatchkey-preload.so from symbols.def.

gen_export_map.py SYMBOLS_DEF OUTPUT. The version node is anonymous on purpose: interposed functions
must be exported unversioned, or programs that ask for another version of them would pass us by.
"""

import sys
from pathlib import Path

from latchkey_lib.tables import read_symbols


def export_map(names: list[str]) -> str:
    """The version script that exports exactly `names`."""
    lines = "".join(f"    {name};\n" for name in names)
    return f"{{\n  global:\n{lines}  local:\n    *;\n}};\n"


def main() -> int:
    if len(sys.argv) != 3:
        print("usage: gen_export_map.py SYMBOLS_DEF OUTPUT", file=sys.stderr)
        return 2
    names = [symbol.name for symbol in read_symbols(Path(sys.argv[1]))]
    if len(set(names)) != len(names) or not names:
        print(f"gen_export_map.py: {sys.argv[1]}: no rows, or a function twice", file=sys.stderr)
        return 2
    Path(sys.argv[2]).write_text(export_map(names))
    return 0


if __name__ == "__main__":
    sys.exit(main())
