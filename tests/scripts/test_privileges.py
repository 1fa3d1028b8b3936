# SPDX-License-Identifier: Apache-2.0
"""Recording as root, as an ordinary user, without CAP_SYS_ADMIN, beside a system daemon, on a full disk.

Root can become anybody, so root runs all of these; an ordinary user those that need nothing more.
"""

import os
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

from recording import BUSY, Recording
from support import LATCHKEY, ROOT, latchkey

_AS_ROOT = unittest.skipUnless(os.getuid() == 0, "only root can arrange this")
_BUILD = Path(os.environ["LATCHKEY_BUILD"])
_NOBODY = 65534


def shell(
    script: str, *args: object, environ: dict[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Runs a script with arguments as $1 and so on."""
    return subprocess.run(
        ["sh", "-c", script, "sh", *map(str, args)],
        env=os.environ | (environ or {}),
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
        check=False,
    )


class OrdinaryUser(Recording):
    """No privileges at all."""

    def user_command(self) -> list[str]:
        """latchkey as an ordinary user; for root as nobody, with a copy that nobody may read."""
        if os.getuid() != 0:
            return [sys.executable, str(LATCHKEY)]
        copy = self.directory / "copy"
        for part in (
            "preload/liblatchkey-preload.so",
            "preload/liblatchkey-events.so",
            "preload/options.def",
        ):
            (copy / part).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy((ROOT if part.endswith(".def") else _BUILD) / part, copy / part)
        shutil.copytree(ROOT / "scripts", copy / "scripts")
        shutil.copy(ROOT / "meson.build", copy)
        for directory in (self.directory, self.temporary):
            os.chown(directory, _NOBODY, _NOBODY)
        subprocess.run(["chmod", "-R", "a+rX", copy], check=True)
        return [
            "setpriv",
            f"--reuid={_NOBODY}",
            f"--regid={_NOBODY}",
            "--clear-groups",
            "env",
            f"LATCHKEY_BUILD={copy}",
            "/usr/bin/python3",
            str(copy / "scripts" / "latchkey"),
        ]

    def test_a_recording_needs_no_privileges(self) -> None:
        command = [
            *self.user_command(),
            "record",
            "-q",
            "--no-report",
            "-o",
            self.run_dir,
            "--",
            "sh",
            "-c",
            "echo $(id -u); exit 5",
        ]
        done = subprocess.run(
            command, env=os.environ | self.environ(), capture_output=True, text=True, check=False
        )
        self.assertEqual((done.returncode, done.stderr), (5, ""))
        self.assertNotEqual(done.stdout, "0\n")
        self.assertEqual(self.run_dir.stat().st_mode & 0o777, 0o700)
        self.assertTrue(any("latchkey:process_started" in line for line in self.events()))

    def test_a_place_where_nobody_may_write(self) -> None:
        command = [*self.user_command(), "record", "-o", "/etc/latchkey-run", "--", "true"]
        done = subprocess.run(
            command, env=os.environ | self.environ(), capture_output=True, text=True, check=False
        )
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertRegex(
            done.stderr, r"\Alatchkey: /etc/latchkey-run: .*Permission denied; choose one with --output\n\Z"
        )


@_AS_ROOT
class Root(Recording):
    """The private /run/lttng."""

    def test_the_system_sees_no_mount_and_the_program_sees_its_own(self) -> None:
        before = Path("/proc/self/mounts").read_text()
        done = self.record(
            "sh", "-c", "grep -c ' /run/lttng ' /proc/self/mounts; ls /dev/shm | grep -c wait-8"
        )
        self.assertEqual(done.stdout.splitlines()[0], "1")
        self.assertNotEqual(done.stdout.splitlines()[1], "0")  # /dev/shm is the system's
        self.assertEqual(Path("/proc/self/mounts").read_text(), before)

    def test_without_the_right_to_mount(self) -> None:
        done = shell(
            'exec setpriv --bounding-set -sys_admin --inh-caps -sys_admin "$@"',
            sys.executable,
            LATCHKEY,
            "record",
            "-o",
            self.run_dir,
            "--",
            "true",
            environ=self.environ(),
        )
        self.assertEqual((done.returncode, done.stdout), (2, ""))
        self.assertRegex(
            done.stderr,
            r"\Alatchkey: private /run/lttng for root: Operation not permitted; record as an ordinary "
            r"user, add CAP_SYS_ADMIN to the container, or use --level counters\n\Z",
        )
        self.assertFalse(self.run_dir.exists())

    def test_beside_a_system_daemon(self) -> None:
        """The `system` is a mount namespace with a daemon of root and a session of its own."""
        script = """
            mkdir -p /run/lttng && mount -t tmpfs none /run/lttng || exit 90
            export LTTNG_HOME=$1/home && mkdir $LTTNG_HOME || exit 90
            lttng-sessiond --background --no-kernel >/dev/null 2>&1 </dev/null || exit 91
            lttng -n create system --output=$1/system >/dev/null || exit 92
            lttng -n enable-event -u 'latchkey:*' >/dev/null || exit 92
            lttng -n start >/dev/null || exit 93
            env -u LTTNG_HOME "$2" "$3" record -q --no-report -o "$4" -- sh -c 'exit 7' || echo "status $?"
            lttng -n list system | grep -c '^.*session system: \\[active'
            lttng -n destroy system >/dev/null
            kill $(cat /run/lttng/lttng-sessiond.pid)
            while [ -e /run/lttng/lttng-sessiond.pid ]; do sleep 0.1; done
        """
        done = shell(
            'script=$1; shift; exec unshare --mount sh -c "$script" sh "$@"',
            script,
            self.directory,
            sys.executable,
            LATCHKEY,
            self.run_dir,
            environ=self.environ(),
        )
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "status 7\n1\n", ""))
        self.assertTrue(any("latchkey:process_started" in line for line in self.events()))

    def test_the_disk_fills_up(self) -> None:
        busy = BUSY + "signal.sigtimedwait([], 2); print('end', flush=True); os._exit(3)"
        script = """
            mount -t tmpfs -o size=2m none "$1" || exit 90
            "$2" "$3" record --no-report --level full -o "$1/run" -- "$2" -c "$4"
            status=$?
            cat "$1/run/run.json"
            exit $status
        """
        done = shell(
            'script=$1; shift; exec unshare --mount sh -c "$script" sh "$@"',
            script,
            self.directory,
            sys.executable,
            LATCHKEY,
            busy,
            environ=self.environ(),
        )
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertTrue(done.stdout.startswith("end\n"))
        self.assertRegex(done.stderr, r"the trace could not be written: No space left on device: \d+ packets")
        self.assertIn('"exit_status": 3', done.stdout)

    def test_no_room_for_the_run_directory(self) -> None:
        script = """
            mount -t tmpfs -o size=64k none "$1" || exit 90
            dd if=/dev/zero of="$1/ballast" 2>/dev/null
            exec "$2" "$3" record -o "$1/run" -- true
        """
        done = shell(
            'script=$1; shift; exec unshare --mount sh -c "$script" sh "$@"',
            script,
            self.directory,
            sys.executable,
            LATCHKEY,
            environ=self.environ(),
        )
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertRegex(done.stderr, r"\Alatchkey: .*/run: No space left on device; .*--output\n\Z")


class Doctor(Recording):
    """What works here is said to work."""

    def test_a_machine_with_lttng(self) -> None:
        done = latchkey("doctor", environ=self.environ())
        for subject in ("preload library", "events library", "LTTng", "session daemon", "/dev/shm"):
            self.assertRegex(done.stdout, rf"(?m)^ok +{subject} ")

    def test_a_machine_without(self) -> None:
        done = latchkey(
            "doctor",
            environ=self.environ() | {"PATH": str(self.directory), "LATCHKEY_BUILD": str(self.directory)},
        )
        self.assertEqual(done.returncode, 1)
        for subject in ("preload library", "events library", "analyser", "LTTng", "session daemon"):
            self.assertRegex(done.stdout, rf"(?m)^missing +{subject} .*; .")

    def test_symbols_are_the_tables(self) -> None:
        names = [line.split()[1] for line in latchkey("doctor", "--symbols").stdout.splitlines()]
        rows = [
            line
            for line in (ROOT / "preload" / "symbols.def").read_text().splitlines()
            if line.startswith("SYMBOL")
        ]
        self.assertEqual(len(names), len(rows))
        self.assertIn("pthread_mutex_lock", names)
