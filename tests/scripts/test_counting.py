# SPDX-License-Identifier: Apache-2.0
"""scripts/count_tests.py: what the last line of scripts/test says."""

import json
import subprocess
import sys

from support import ROOT, TemporaryDirectory

_GTEST_OK = """[==========] Running 2 tests from 1 test suite.
[ RUN      ] A.b
[       OK ] A.b (0 ms)
[ RUN      ] A.c
[       OK ] A.c (0 ms)
[==========] 2 tests from 1 test suite ran. (0 ms total)
[  PASSED  ] 2 tests.
"""
_GTEST_FAILED = """[==========] Running 3 tests from 1 test suite.
[ RUN      ] A.b
[       OK ] A.b (0 ms)
[ RUN      ] A.c
[  FAILED  ] A.c (0 ms)
[ RUN      ] A.d
[  SKIPPED ] A.d (0 ms)
[==========] 3 tests from 1 test suite ran. (0 ms total)
[  PASSED  ] 1 test.
[  SKIPPED ] 1 test, listed below:
[  SKIPPED ] A.d
[  FAILED  ] 1 test, listed below:
[  FAILED  ] A.c
"""


class Counting(TemporaryDirectory):
    """Totals of a testlog.json."""

    def totals(self, *tests: dict[str, str]) -> tuple[str, int]:
        log = self.directory / "testlog.json"
        log.write_text("".join(json.dumps({"name": "t"} | test) + "\n" for test in tests))
        done = subprocess.run(
            [sys.executable, ROOT / "scripts" / "count_tests.py", log],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip(), done.returncode

    def test_googletest_cases_count_one_by_one(self) -> None:
        self.assertEqual(self.totals({"result": "OK", "stdout": _GTEST_OK}), ("2 passed, 0 failed", 0))
        self.assertEqual(
            self.totals({"result": "FAIL", "stdout": _GTEST_FAILED}), ("1 passed, 1 failed, 1 skipped", 1)
        )

    def test_a_googletest_that_crashes_has_failed(self) -> None:
        output = _GTEST_OK[: _GTEST_OK.index("[ RUN      ] A.c") + 17]
        self.assertEqual(self.totals({"result": "FAIL", "stdout": output}), ("1 passed, 1 failed", 1))

    def test_unittest_cases_count_one_by_one(self) -> None:
        good = "....\nRan 4 tests in 0.1s\n\nOK (skipped=1)\n"
        bad = "Ran 9 tests in 0.1s\n\nFAILED (failures=2, errors=1)\n"
        self.assertEqual(
            self.totals({"result": "OK", "stderr": good}, {"result": "FAIL", "stderr": bad}),
            ("9 passed, 3 failed, 1 skipped", 1),
        )

    def test_other_tests_count_as_one(self) -> None:
        self.assertEqual(
            self.totals({"result": "OK"}, {"result": "TIMEOUT"}, {"result": "SKIP"}),
            ("1 passed, 1 failed, 1 skipped", 1),
        )

    def test_nothing_passed_is_no_success(self) -> None:
        self.assertEqual(self.totals(), ("0 passed, 0 failed", 1))
