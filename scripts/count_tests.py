#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Counts test cases in meson's testlog.json: `N passed, N failed`, and `, N skipped` if there are any.

count_tests.py TESTLOG. A meson test that says how many cases it ran (GoogleTest, unittest) counts as
that many, any other as one; a test that ended badly without naming a failed case adds one failure.
Exit status 0 only if something passed and nothing failed.
"""

import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path

_UNITTEST_RAN = re.compile(r"^Ran (\d+) tests? in ", re.MULTILINE)
_UNITTEST_BAD = re.compile(r"\b(failures|errors|skipped|unexpected successes)=(\d+)")
_GTEST = {word: re.compile(rf"^\[ +{word} +\] (?!.*tests?[.,])", re.MULTILINE) for word in ("OK", "SKIPPED", "FAILED")}
_GTEST_SUMMARY = re.compile(r"^\[=+\] \d+ tests? from .* ran\.", re.MULTILINE)


@dataclass
class Totals:
    """Numbers of test cases."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def add(self, other: "Totals") -> None:
        """Adds the numbers of another test."""
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed" + (f", {self.skipped} skipped" if self.skipped else "")


def totals_of(test: dict[str, object]) -> Totals:
    """The cases of one entry of the log."""
    result = str(test["result"])
    output = f"{test.get('stdout') or ''}\n{test.get('stderr') or ''}"
    totals = _unittest(output) or _gtest(output) or Totals()
    if result in ("SKIP", "IGNORED"):
        return Totals(skipped=1)
    if result in ("OK", "EXPECTEDFAIL"):
        return totals if totals.passed or totals.skipped else Totals(passed=1)
    totals.failed = max(totals.failed, 1)
    return totals


def _unittest(output: str) -> Totals | None:
    ran = _UNITTEST_RAN.findall(output)
    if not ran:
        return None
    last = output[output.rindex(f"Ran {ran[-1]} test"):]
    bad = {word: int(number) for word, number in _UNITTEST_BAD.findall(last)}
    skipped = bad.pop("skipped", 0)
    failed = sum(bad.values())
    return Totals(max(0, int(ran[-1]) - failed - skipped), failed, skipped)


def _gtest(output: str) -> Totals | None:
    if not _GTEST["OK"].search(output) and not _GTEST["FAILED"].search(output):
        return None
    cases = output.split("[==========]", 2)[-2] if _GTEST_SUMMARY.search(output) else output
    count = {word: len(pattern.findall(cases)) for word, pattern in _GTEST.items()}
    return Totals(count["OK"], count["FAILED"], count["SKIPPED"])


def main() -> int:
    """Prints the totals; 0 if all is well."""
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_file():
        print("usage: count_tests.py TESTLOG (meson-logs/testlog.json of the last `meson test`)", file=sys.stderr)
        return 2
    totals = Totals()
    for line in Path(sys.argv[1]).read_text().splitlines():
        totals.add(totals_of(json.loads(line)))
    print(totals)
    return 0 if totals.passed and not totals.failed else 1


if __name__ == "__main__":
    sys.exit(main())
