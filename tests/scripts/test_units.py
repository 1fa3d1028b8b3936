# SPDX-License-Identifier: Apache-2.0
"""Numbers as people read them, and the progress line."""

import os
import pty
import subprocess
import sys
import unittest

import support

from latchkey_lib import units


class Messages(unittest.TestCase):
    """The line that shows progress."""

    def test_progress_is_shown_on_terminals_only(self) -> None:
        script = "import time; from latchkey_lib import messages\nwith messages.Progress('working'): time.sleep(1.3)"
        words = [sys.executable, "-c", script]
        environ = os.environ | {"PYTHONPATH": str(support.ROOT / "scripts")}
        done = subprocess.run(words, env=environ, capture_output=True, check=True)
        self.assertEqual((done.stdout, done.stderr), (b"", b""))
        ours, theirs = pty.openpty()
        subprocess.run(words, env=environ, stderr=theirs, check=True)
        os.close(theirs)
        self.assertRegex(os.read(ours, 1000), rb"\A(\rlatchkey: working \.\.\. \d+ s)+\r\x1b\[K\Z")
        os.close(ours)


class Units(unittest.TestCase):
    """Three digits and a unit."""

    def test_durations(self) -> None:
        cases = {
            None: "-",
            0: "0 s",
            1: "1 ns",
            999: "999 ns",
            1_000: "1.00 us",
            11_200: "11.2 us",
            640_000: "640 us",
            999_499: "999 us",
            999_960: "1.00 ms",
            8_310_000_000: "8.31 s",
            1_234_000_000_000: "1234 s",
        }
        for value, text in cases.items():
            self.assertEqual(units.duration(value), text)

    def test_counts(self) -> None:
        for value, text in {None: "-", 0: "0", 983: "983", 12_345: "12.3 k", 1_200_000: "1.20 M"}.items():
            self.assertEqual(units.count(value), text)

    def test_sizes_are_binary(self) -> None:
        for value, text in {
            None: "-",
            0: "0 B",
            4096: "4.00 KiB",
            1023: "1023 B",
            3 << 30: "3.00 GiB",
        }.items():
            self.assertEqual(units.size(value), text)

    def test_a_small_share_is_not_zero(self) -> None:
        for value, text in {
            None: "-",
            0.0: "0.0 %",
            0.01: "<0.1 %",
            31.42: "31.4 %",
            100.0: "100.0 %",
        }.items():
            self.assertEqual(units.percent(value), text)
