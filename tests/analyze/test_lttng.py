#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A trace that LTTng itself wrote: every event of the table, through the real provider, a private session
daemon and both readers, comes out as it went in.

As root LTTng knows one daemon for the machine, so the session lives in a mount namespace of its own.
"""

import os
import subprocess
import tempfile
import unittest
from pathlib import Path

BUILD = Path(os.environ["LATCHKEY_BUILD"])
COUNT = 200
SESSION = """
set -e
if [ "$(id -u)" = 0 ]; then
    mkdir -p /run/lttng
    mount -t tmpfs none /run/lttng
    mount -t tmpfs none /dev/shm
fi
lttng-sessiond --background --no-kernel </dev/null >/dev/null 2>&1
trap 'kill $(cat /run/lttng/lttng-sessiond.pid 2>/dev/null || cat "$LTTNG_HOME/.lttng/lttng-sessiond.pid")' EXIT
{
    lttng -n create test --output="$RUN/trace"
    lttng -n enable-channel -u events --subbuf-size=64k --num-subbuf=8 --buffers-pid
    lttng -n enable-event -u -c events 'latchkey:*'
    lttng -n add-context -u -c events -t vpid -t vtid
    lttng -n start
} >/dev/null
LTTNG_UST_REGISTER_TIMEOUT=5000 "$EMIT" "$EVENTS" "$COUNT"
lttng -n stop >/dev/null
lttng -n destroy test >/dev/null
"""


class Lttng(unittest.TestCase):
    def test_every_event_comes_out_as_it_went_in(self) -> None:
        with tempfile.TemporaryDirectory(prefix="latchkey-") as name:
            run = Path(name) / "run"
            run.mkdir()
            (run / "run.json").write_text('{"format": 1, "version": "0.1.0", "command": ["emit_all"], "level": "full"}')
            emitted = self.record(run, Path(name))
            self.assertGreater(len(emitted), 15 * COUNT)
            for reader in ("own", "babeltrace2"):
                self.assertEqual(self.dumped(run, reader), emitted, reader)
            for metadata in (run / "trace").rglob("metadata"):
                metadata.write_bytes(b"")
            self.assertEqual(self.dumped(run, "own"), emitted, "the layout assumed while a run goes on")

    def record(self, run: Path, home: Path) -> list[str]:
        """Runs emit_all under LTTng; what it says it emitted."""
        env = {**os.environ, "LTTNG_HOME": str(home), "RUN": str(run), "COUNT": str(COUNT),
               "EMIT": str(BUILD / "tests" / "analyze" / "emit_all"),
               "EVENTS": str(BUILD / "preload" / "liblatchkey-events.so")}
        alone = ["unshare", "--mount"] if os.geteuid() == 0 else []
        done = subprocess.run([*alone, "sh", "-c", SESSION], env=env, capture_output=True, text=True, timeout=60,
                              check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return done.stdout.splitlines()

    def dumped(self, run: Path, reader: str) -> list[str]:
        """The events as a reader sees them, without time and thread."""
        done = subprocess.run([BUILD / "analyze" / "latchkey-analyze", "--dump", "--reader", reader, run],
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return [line.split(" ", 3)[3] for line in done.stdout.splitlines()]


if __name__ == "__main__":
    unittest.main()
