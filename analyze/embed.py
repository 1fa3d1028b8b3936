#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Write a C++ header that holds a text file as a string: embed.py FILE NAME OUTPUT."""

import sys
from pathlib import Path


def main() -> int:
    source, name, output = sys.argv[1:]
    text = Path(source).read_text(encoding="utf-8")
    Path(output).write_text(
        "// Generated from " + Path(source).name + " by embed.py.\n#pragma once\n\n"
        "namespace latchkey {\n"
        f'inline constexpr const char {name}[] = R"text({text})text";\n'
        "}  // namespace latchkey\n",
        encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
