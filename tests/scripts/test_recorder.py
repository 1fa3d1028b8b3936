# SPDX-License-Identifier: Apache-2.0
"""Recording: the program's streams and environment, the run directory, loss, and bad circumstances."""

import json
import os
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

from recording import BUSY, Recording
from support import LATCHKEY, elf, latchkey

from latchkey_lib import lttng, rundir


class Program(Recording):
    """What the program sees."""

    def test_its_streams_are_its_own(self) -> None:
        script = "tee /dev/stderr; printf 'no newline\\0\\377'"
        plain = subprocess.run(["sh", "-c", script], input=b"text\n\x00\xfe", capture_output=True, check=True)
        ours = subprocess.run(
            [
                sys.executable,
                LATCHKEY,
                "record",
                "-q",
                "--no-report",
                "-o",
                self.run_dir,
                "--",
                "sh",
                "-c",
                script,
            ],
            input=b"text\n\x00\xfe",
            capture_output=True,
            check=True,
            env=os.environ | self.environ(),
        )
        self.assertEqual((ours.stdout, ours.stderr), (plain.stdout, plain.stderr))

    def test_its_umask_directory_and_arguments_are_its_own(self) -> None:
        script = 'umask; pwd; printf \'%s\\n\' "$0" "$@"'
        words = ("sh", "-c", script, "name", "", "a b", "--", "--level")
        plain = subprocess.run(words, capture_output=True, text=True, check=True)
        self.assertEqual(self.record(*words).stdout, plain.stdout)

    def test_its_environment_gets_ours_and_keeps_its_preloads(self) -> None:
        done = self.record(
            "env", environ={"LD_PRELOAD": "libdl.so.2", "LATCHKEY_BUILD": os.environ["LATCHKEY_BUILD"]}
        )
        environ = dict(line.split("=", 1) for line in done.stdout.splitlines())
        preloads = environ["LD_PRELOAD"].split(":")
        self.assertTrue(preloads[0].endswith("/liblatchkey-preload.so"))
        self.assertEqual([Path(name).name for name in preloads[1:]], [*lttng.HELPERS, "libdl.so.2"])
        self.assertTrue(all(Path(name).is_absolute() for name in preloads[:-1]))
        self.assertEqual((environ["LATCHKEY_LEVEL"], environ["LATCHKEY_MIN_WAIT"]), ("contended", "10us"))
        self.assertEqual(environ["LATCHKEY_DIR"], str(self.run_dir))
        self.assertNotIn("LATCHKEY_BUILD", environ)

    def test_its_locks_are_those_that_were_asked_for(self) -> None:
        for subcommand, args in (("record", ("--runtime", "own")), ("run", ("--runtime=own", "--handoff=fifo"))):
            handoff = "fifo" if subcommand == "run" else "aged"
            self.run_dir = self.directory / subcommand
            done = self.record("env", args=("-q", *args), subcommand=subcommand)
            self.assertIn(f"LATCHKEY_RUNTIME=own\nLATCHKEY_HANDOFF={handoff}\n", done.stdout)
            chosen = json.loads((self.run_dir / "run.json").read_text())["options"]
            self.assertEqual((chosen["runtime"], chosen["handoff"]), ("own", handoff))
            report = latchkey("report", self.run_dir, environ={"COLUMNS": "200"}).stdout
            self.assertRegex(report, rf"(?m)^env \(pid .*, runtime own, handoff {handoff}$")
            self.assertNotIn("other locks", report)

    def test_a_file_that_is_no_program_after_all(self) -> None:
        broken = self.directory / "broken"
        broken.write_bytes(elf("/lib64/ld-linux-x86-64.so.none"))
        broken.chmod(0o755)
        done = self.record(broken)
        self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
        self.assertRegex(done.stderr, r"\Alatchkey: .*/broken: cannot be started: No such file.*\n\Z")
        self.assertFalse(self.run_dir.exists())


class RunDirectory(Recording):
    """What a recording leaves."""

    def test_it_is_complete_and_private(self) -> None:
        old = os.umask(0)
        self.addCleanup(os.umask, old)
        self.assertEqual(self.record("sh", "-c", "exit 0", args=("-q", "--level", "full")).returncode, 0)
        self.assertEqual({path.name for path in self.run_dir.iterdir()}, {"run.json", "counters", "trace"})
        self.assertEqual(self.run_dir.stat().st_mode & 0o777, 0o700)
        self.assertEqual((self.run_dir / "run.json").stat().st_mode & 0o777, 0o600)
        self.assertEqual((self.run_dir / "trace").stat().st_mode & 0o777, 0o700)
        for file in (self.run_dir / "counters").iterdir():
            self.assertEqual(file.stat().st_mode & 0o077, 0)
        self.assertTrue(any("latchkey:process_started" in line for line in self.events()))

    def test_facts_of_the_run(self) -> None:
        self.record("sh", "-c", "exit 9", "x y", args=("-q", "--min-wait", "3ms", "--stacks", "none"))
        facts = self.facts()
        self.assertEqual((facts["format"], facts["version"]), (1, latchkey("--version").stdout.split()[1]))
        self.assertEqual(facts["command"], ["sh", "-c", "exit 9", "x y"])
        self.assertEqual(
            (facts["level"], facts["options"]["min_wait"], facts["options"]["stacks"]),
            ("contended", "3ms", "none"),
        )
        self.assertEqual((facts["exit_status"], facts["signal"], facts["warnings"]), (9, None, []))
        self.assertEqual(facts["lttng"], {"lost_events": 0})
        self.assertGreater(facts["duration_ns"], 0)
        self.assertGreater(facts["finished"], facts["started"])

    def test_the_default_place_is_named_for_the_program(self) -> None:
        for _ in range(2):
            latchkey("run", "-q", "--", "true", cwd=self.directory)
        first, second = sorted((self.directory / "latchkey-out").iterdir())
        self.assertRegex(first.name, r"^true-\d{8}-\d{6}$")
        self.assertRegex(second.name, r"^true-\d{8}-\d{6}(-2)?$")

    def test_a_place_that_cannot_be_used(self) -> None:
        (self.directory / "file").write_text("")
        (self.directory / "full").mkdir()
        (self.directory / "full" / "something").write_text("mine")
        for place, why in (
            ("full", "is not empty"),
            ("file", "File exists"),
            ("file/below", "Not a directory"),
        ):
            done = latchkey("record", "-o", self.directory / place, "true", environ=self.environ())
            self.assertEqual(done.returncode, 2)
            self.assertRegex(done.stderr, rf"\Alatchkey: .*{place}: .*{why}.*\n\Z")
        self.assertEqual((self.directory / "full" / "something").read_text(), "mine")

    def test_run_keeps_counters_only(self) -> None:
        self.assertEqual(self.record("sh", "-c", "exit 6", subcommand="run").returncode, 6)
        self.assertEqual({path.name for path in self.run_dir.iterdir()}, {"run.json", "counters"})
        self.assertEqual(
            (self.facts()["level"], self.facts()["lttng"], self.facts()["exit_status"]), ("counters", None, 6)
        )
        self.assertEqual(len(list((self.run_dir / "counters").iterdir())), 1)


class Trouble(Recording):
    """Circumstances that are not as they should be."""

    def test_lttng_is_not_installed(self) -> None:
        (self.directory / "bin").mkdir()
        (self.directory / "bin" / "sh").symlink_to("/bin/sh")
        done = self.record("sh", "-c", "exit 0", environ={"PATH": str(self.directory / "bin")})
        self.assertEqual(done.returncode, 2)
        self.assertRegex(
            done.stderr,
            r"\Alatchkey: LTTng is not installed .*apt-get install lttng-tools liblttng-ust1, or use "
            r"--level counters\n\Z",
        )
        self.assertFalse(self.run_dir.exists())
        done = self.record(
            "sh",
            "-c",
            "exit 4",
            args=("-q", "--level", "counters"),
            environ={"PATH": str(self.directory / "bin")},
        )
        self.assertEqual(done.returncode, 4)

    def test_latchkey_is_not_built(self) -> None:
        done = self.record("true", environ={"LATCHKEY_BUILD": str(self.directory)})
        self.assertEqual(done.returncode, 2)
        self.assertRegex(done.stderr, r"\Alatchkey: .*liblatchkey-preload.so: not found; build it.*\n\Z")

    def test_a_session_daemon_that_does_not_start(self) -> None:
        fake = self.directory / "bin"
        fake.mkdir()
        (fake / "lttng-sessiond").write_text("#!/bin/sh\necho 'Error: out of luck' >&2\nexit 1\n")
        (fake / "lttng-sessiond").chmod(0o755)
        done = self.record("true", environ={"PATH": f"{fake}:{os.environ['PATH']}"})
        self.assertEqual(done.returncode, 3)
        self.assertEqual(
            done.stderr, "latchkey: LTTng session daemon: Error: out of luck; try latchkey doctor\n"
        )
        self.assertFalse(self.run_dir.exists())

    def test_a_place_that_the_loader_would_split(self) -> None:
        build = self.directory / "a build"
        build.mkdir()
        (build / "preload").symlink_to(Path(os.environ["LATCHKEY_BUILD"]) / "preload")
        done = self.record("true", environ={"LATCHKEY_BUILD": str(build)})
        self.assertEqual(done.returncode, 2)
        self.assertRegex(
            done.stderr, r"\Alatchkey: .*the loader splits LD_PRELOAD at blanks and colons; .*\n\Z"
        )

    def test_an_interrupt_before_the_program_starts(self) -> None:
        fake = self.directory / "bin"
        fake.mkdir()
        real = shutil.which("lttng")
        (fake / "lttng").write_text(f'#!/bin/sh\n[ "$2" != create ] || kill -TERM $PPID\nexec {real} "$@"\n')
        (fake / "lttng").chmod(0o755)
        done = self.record("echo", "started", environ={"PATH": f"{fake}:{os.environ['PATH']}"})
        self.assertEqual((done.returncode, done.stdout), (128 + 15, ""))
        self.assertIn("latchkey: signal 15 before the program started; nothing was recorded\n", done.stderr)
        self.assertFalse(self.run_dir.exists())

    def test_misspelt_variables_are_told(self) -> None:
        done = self.record("true", environ={"LATCHKEY_MIN_WIAT": "1us"}, subcommand="run")
        self.assertEqual(done.returncode, 0)
        self.assertIn("latchkey: LATCHKEY_MIN_WIAT: no such option", done.stderr)

    def test_run_json_survives_a_full_disk(self) -> None:
        file = rundir.RunFile(self.make_run(), ["a"], {"level": "full"})
        file.start()
        real = Path.write_text
        self.addCleanup(setattr, Path, "write_text", real)
        setattr(Path, "write_text", _no_space)
        file.ended(0, None)
        file.finish([], None)
        setattr(Path, "write_text", real)
        self.assertEqual(self.facts()["exit_status"], 0)
        self.assertEqual([path.name for path in self.run_dir.iterdir()], ["run.json"])

    def make_run(self) -> Path:
        self.run_dir.mkdir()
        return self.run_dir


def _no_space(*unused: object) -> int:
    raise OSError(28, "No space left on device")


class Loss(unittest.TestCase):
    """Counts of lost events that the session daemon gives, and does not."""

    def listing(self, *counts: int) -> str:
        fields = "".join(
            f"<discarded_events>{count}</discarded_events><lost_packets>0</lost_packets>" for count in counts
        )
        space = "https://lttng.org/xml/ns/lttng-mi"
        return f'<?xml version="1.0"?><command xmlns="{space}"><output>{fields}</output></command>'

    def test_they_add_up(self) -> None:
        self.assertEqual(lttng.lost_events(self.listing(0)), 0)
        self.assertEqual(lttng.lost_events(self.listing(3, 4)), 7)

    def test_nonsense_is_not_believed(self) -> None:
        for listing in (
            self.listing(9223372036854780658),
            self.listing(18446744073709546766),
            "",
            "<a",
            "<a/>",
        ):
            self.assertIsNone(lttng.lost_events(listing))

    def test_packets_that_were_not_written_are_counted(self) -> None:
        line = (
            "PERROR - 01:36:30.790878332 [31145/31157]: Error in write mmap (ret -28 != write_len 1048576): "
            "No space left on device (in lttng_consumer_on_read_subbuffer_mmap() at consumer.c:1747)\n"
        )
        self.assertEqual(lttng.failed_writes("Error: else\n"), [])
        (problem,) = lttng.failed_writes(line + line)
        self.assertIn("No space left on device: 2 packets (2048 KiB)", problem)


class Parallel(Recording):
    """Recordings at the same time do not meet."""

    def test_two_recordings_at_once(self) -> None:
        waits = (sys.executable, "-c", "print('ready', flush=True); input()")
        first = self.start(*waits)
        self.assertEqual(first.stdout.readline(), "ready\n")
        self.run_dir = self.directory / "second"
        self.assertEqual(self.record("true", args=("-q", "--level", "full")).returncode, 0)
        second = self.events()
        self.run_dir = self.directory / "run"
        first.communicate("\n")
        self.assertEqual(first.returncode, 0)
        names = [
            {
                line.partition("exe = ")[2].split(",")[0].rpartition("/")[2].strip('"')
                for line in lines
                if "process_started" in line
            }
            for lines in (self.events(), second)
        ]
        self.assertEqual(len(names[0]), 1)
        self.assertTrue(names[0].pop().startswith("python3"))
        self.assertEqual(names[1], {"true"})

    def test_a_report_of_a_run_still_going(self) -> None:
        process = self.start(
            sys.executable, "-c", BUSY + "print('ready', flush=True); input()", args=("--level", "full")
        )
        self.assertEqual(process.stdout.readline(), "ready\n")
        done = latchkey("report", self.run_dir)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("the run is still going", done.stdout)
        process.communicate("\n")
        self.assertNotIn("the run is still going", latchkey("report", self.run_dir).stdout)
