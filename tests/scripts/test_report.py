# SPDX-License-Identifier: Apache-2.0
"""latchkey report on a small result: exact text, JSON and CSV; filters, order, and what is no result.

expected/ holds the output as it should be. After a change that is meant, `python3 test_report.py --write`
writes it anew; read the difference before committing it.
"""

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import sample
from support import TemporaryDirectory, latchkey

from latchkey_lib import summary
from latchkey_lib.filters import Filters
from latchkey_lib.load import Result
from latchkey_lib.render import Style

_EXPECTED = Path(__file__).parent / "expected"
_GOLDEN = {
    "report-110.txt": ([], "110"),
    "report-80.txt": ([], "80"),
    "report-160.txt": ([], "160"),
    "report-50.txt": ([], "50"),
    "by-lock.txt": (["--by", "lock"], "110"),
    "by-site.txt": (["--by", "site"], "110"),
    "by-thread.txt": (["--by", "thread"], "110"),
    "by-role.txt": (["--by", "role"], "110"),
    "by-file.txt": (["--by", "file"], "110"),
    "raw-ns.txt": (["--by", "lock", "--raw-ns", "--limit", "1"], "110"),
    "lock.csv": (["--format", "csv"], "110"),
    "role.csv": (["--by", "role", "--format", "csv"], "110"),
    "file.json": (["--by", "file", "--format", "json"], "110"),
    "own-report-110.txt": ([], "110"),
    "own-by-lock-110.txt": (["--by", "lock"], "110"),
    "own-by-lock-80.txt": (["--by", "lock"], "80"),
    "own-lock.csv": (["--format", "csv"], "110"),
}


def sample_for(name: str, directory: Path) -> Path:
    """The run that an expected file is of: own-* is a run with runtime own."""
    return sample.on_own_locks(directory / "own") if name.startswith("own-") else sample.write(directory / "run")


def output(run: Path, args: list[str], columns: str) -> str:
    """What the report prints."""
    return latchkey("report", run, *args, environ={"COLUMNS": columns}).stdout


class Report(TemporaryDirectory):
    """The sample run."""

    def setUp(self) -> None:
        super().setUp()
        self.run_dir = sample.write(self.directory / "run")

    def report(self, *args: object) -> str:
        done = latchkey("report", self.run_dir, *args)
        self.assertEqual((done.returncode, done.stderr), (0, ""), args)
        return done.stdout

    def tables(self, *args: object) -> dict[str, list[dict[str, object]]]:
        """Tables of --format json as rows by column name."""
        content = json.loads(self.report("--format", "json", *args))
        return {
            table["name"]: [
                dict(zip((column["name"] for column in table["columns"]), row)) for row in table["rows"]
            ]
            for table in content["tables"]
        }

    def test_output_is_exactly_as_expected(self) -> None:
        self.maxDiff = None
        for number, (name, (args, columns)) in enumerate(_GOLDEN.items()):
            with self.subTest(name=name):
                run = sample_for(name, self.directory / str(number))
                self.assertEqual(output(run, args, columns), (_EXPECTED / name).read_text())

    def test_no_line_is_wider_than_the_terminal(self) -> None:
        for run in (self.run_dir, sample.on_own_locks(self.directory / "own")):
            result = Result(run)
            self.addCleanup(result.close)
            for width in range(40, 200, 13):
                for raw_ns in (False, True):
                    for line in summary.report(result, Filters(), Style(width, raw_ns=raw_ns), 20):
                        self.assertLessEqual(len(line), width, line)

    def test_json_describes_itself(self) -> None:
        content = json.loads(self.report("--format", "json"))
        self.assertEqual((content["format"], content["version"]), ("latchkey-report", 1))
        self.assertEqual(content["run"]["level"], "contended")
        kinds = {"duration": {"ns"}, "size": {"bytes"}, "percent": {"%"}, "text": {""}}
        for table in content["tables"]:
            for column in table["columns"]:
                if column["class"] in kinds:
                    self.assertIn(column["unit"], kinds[column["class"]])
            for row in table["rows"]:
                self.assertEqual(len(row), len(table["columns"]))

    def test_time_of_a_role_adds_up(self) -> None:
        for role in self.tables("--by", "role")["roles"]:
            parts = sum(
                value for name, value in role.items() if name not in ("role", "threads", "alive", "waited")
            )
            self.assertEqual(parts, role["alive"])

    def test_how_waits_ended_is_known_of_own_locks_only(self) -> None:
        own = sample.on_own_locks(self.directory / "own")
        content = json.loads(latchkey("report", own, "--format", "json", "--by", "lock").stdout)
        table = content["tables"][0]
        names = [column["name"] for column in table["columns"]]
        first, second = (dict(zip(names, row)) for row in table["rows"][:2])
        shown = ("queue_max", "queue_mean", "handed_share", "spun", "woken", "handed", "requeued")
        self.assertEqual([first[name] for name in shown], [31, 7.5, 100.0 * 75 / 900, 600, 225, 75, 40])
        self.assertEqual([second[name] for name in shown], [None] * 7)
        of_role = json.loads(
            latchkey("report", own, "--format", "json", "--by", "lock", "--role", "writer*").stdout
        )["tables"][0]["rows"][0]
        self.assertIsNone(dict(zip(names, of_role))["queue_max"], "it is not the role's")

    def test_header_names_the_runtime_unless_it_is_off(self) -> None:
        def header(*processes: tuple[str, str | None]) -> str:
            rows = [(*sample.ROWS["processes"][0][:-2], *process) for process in processes]
            rows = [(number + 1, *row[1:]) for number, row in enumerate(rows)]
            run = sample.write(self.directory / f"run{len(list(self.directory.iterdir()))}", processes=rows)
            text = latchkey("report", run, environ={"COLUMNS": "200"}).stdout
            return next(line for line in text.splitlines() if line.startswith("store "))

        self.assertNotIn("runtime", header(("off", None)))
        self.assertTrue(header(("own", "aged")).endswith("I/O >= 100 us), runtime own, handoff aged"))
        self.assertTrue(header(("kernel-pi", None)).endswith(", runtime kernel-pi"))
        self.assertTrue(
            header(("own", "fifo"), ("own", "fifo"), ("off", None)).endswith(
                ", runtime own, handoff fifo (2 of 3 processes)"
            )
        )

    def test_idle_waits_come_last(self) -> None:
        self.assertEqual([row["class"] for row in self.tables()["signals"]], ["known", "idle"])

    def test_filters(self) -> None:
        self.assertEqual(
            [row["lock"] for row in self.tables("--by", "lock", "--lock", "log_*")["locks"]], ["log_mutex"]
        )
        self.assertEqual(
            [row["lock"] for row in self.tables("--by", "lock", "--min", "1s")["locks"]], ["log_mutex"]
        )
        self.assertEqual(
            [row["role"] for row in self.tables("--by", "role", "--role", "f*")["roles"]], ["flusher"]
        )
        self.assertEqual(
            {row["role"] for row in self.tables("--by", "site", "--role", "f*")["sites"]}, {"flusher"}
        )

    def test_locks_of_a_role_show_what_this_role_waited(self) -> None:
        lock = self.tables("--by", "lock", "--role", "writer*", "--lock", "log_mutex")["locks"][0]
        self.assertEqual(
            (lock["contended"], lock["wait_total"], lock["wait_max"], lock["wait_p99"]),
            (900, 3_300_000_000, 48_000_000, None),
        )
        self.assertEqual(self.tables("--by", "lock", "--role", "main")["locks"], [])

    def test_sort_and_limit(self) -> None:
        rows = self.tables("--by", "lock", "--sort", "wait_p90", "--limit", "2")["locks"]
        self.assertEqual([row["lock"] for row in rows], ["Cache::get+0x20", "log_mutex"])
        self.assertEqual(
            [row["lock"] for row in self.tables("--by", "lock", "--sort", "lock")["locks"]],
            ["Cache::get+0x20", "log_mutex", "never_contended"],
        )
        done = latchkey("report", self.run_dir, "--by", "lock", "--sort", "nonsense")
        self.assertEqual(done.returncode, 2)
        self.assertRegex(
            done.stderr,
            r"\Alatchkey: option --sort: 'nonsense' is no column here; allowed: lock, kind, .*\n\Z",
        )

    def test_limit_says_how_much_is_left_out(self) -> None:
        self.assertIn("\n and 2 more\n", self.report("--by", "lock", "--limit", "1"))

    def test_output_goes_to_a_file(self) -> None:
        file = self.directory / "out.txt"
        self.assertEqual(self.report("-o", file), "")
        self.assertEqual(file.read_text(), self.report())
        self.assertEqual(latchkey("report", self.run_dir, "-o", self.directory).returncode, 2)

    def test_a_closed_pipe_is_no_error(self) -> None:
        reader, writer = os.pipe()
        os.close(reader)
        pid = os.posix_spawn(
            sys.executable,
            [
                sys.executable,
                str(sample.ROOT / "scripts" / "latchkey"),
                "report",
                str(self.run_dir),
                "--format",
                "json",
            ],
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, writer, 1)],
        )
        os.close(writer)
        self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)


class Doubts(TemporaryDirectory):
    """The line on data quality."""

    def first_lines(self, **changes: object) -> list[str]:
        run = sample.write(self.directory / f"run{len(list(self.directory.iterdir()))}", **changes)
        return latchkey("report", run).stdout.splitlines()

    def test_lost_events_come_first(self) -> None:
        lines = self.first_lines(
            quality=[
                ("unresolved_sites", "note", 2, "Note."),
                ("held_overflow", "warning", 1, "Held."),
                ("lost_events", "warning", 70_000, "70000 events were lost."),
            ]
        )
        self.assertEqual(lines[0], "data quality: 2 warnings (4.32 k events, 70.0 k lost)")
        self.assertEqual(
            lines[1:4], ["  warning: 70000 events were lost.", "  warning: Held.", "  note: Note."]
        )

    def test_what_the_launcher_warned_of_is_repeated(self) -> None:
        run = sample.write(self.directory / "run")
        (run / "run.json").write_text(json.dumps({"finished": "x", "warnings": ["the disk was full"]}))
        os.utime(run / "run.json", (0, 0))
        lines = latchkey("report", run).stdout.splitlines()
        self.assertEqual(lines[0], "data quality: 1 warning (4.32 k events, 0 lost)")
        self.assertEqual(lines[1], "  warning: the disk was full")

    def test_counters_alone_have_no_events(self) -> None:
        lines = self.first_lines(
            meta={"level": "counters", "events": "0"}, locks=[], lock_sites=[], signals=[], quality=[]
        )
        self.assertEqual(lines[0], "data quality: good (no events, sums only)")
        self.assertIn(" none recorded", lines)

    def test_an_empty_result_is_reported_without_failing(self) -> None:
        lines = self.first_lines(
            meta={"duration_ns": "", "cpus": "", "events": ""}, **{name: [] for name in sample.ROWS}
        )
        self.assertEqual(lines[0], "data quality: good (- events, 0 lost)")


class Freshness(TemporaryDirectory):
    """A result is made anew when something was recorded since."""

    def setUp(self) -> None:
        super().setUp()
        self.run_dir = sample.write(self.directory / "run")
        analyser = self.directory / "analyze" / "latchkey-analyze"
        analyser.parent.mkdir()
        analyser.write_text(
            f"#!/bin/sh\necho called >> {self.directory}/calls\n[ ! -e {self.directory}/fail ] || {{ echo "
            "'latchkey: trace: broken; record again' >&2; exit 3; }\n"
        )
        analyser.chmod(0o755)

    def report(self) -> "subprocess.CompletedProcess[str]":
        return latchkey("report", self.run_dir, environ={"LATCHKEY_BUILD": str(self.directory)})

    def calls(self) -> int:
        file = self.directory / "calls"
        return len(file.read_text().splitlines()) if file.exists() else 0

    def test_a_current_result_is_left_alone(self) -> None:
        self.assertEqual(self.report().returncode, 0)
        self.assertEqual(self.calls(), 0)

    def test_newer_data_and_unfinished_runs_are_analysed(self) -> None:
        (self.run_dir / "counters").mkdir()
        newer = self.run_dir / "counters" / "812"
        newer.write_text("")
        future = (self.run_dir / "result.db").stat().st_mtime + 10
        os.utime(newer, (future, future))
        self.report()
        self.assertEqual(self.calls(), 1)
        newer.unlink()
        (self.run_dir / "run.json").write_text('{"finished": null}')
        os.utime(self.run_dir / "run.json", (0, 0))
        self.report()
        self.assertEqual(self.calls(), 2)

    def test_a_failing_analysis_leaves_the_last_result(self) -> None:
        (self.directory / "fail").write_text("")
        (self.run_dir / "run.json").write_text('{"finished": null}')
        done = self.report()
        self.assertEqual(done.returncode, 0)
        self.assertEqual(
            done.stderr, "latchkey: trace: broken; record again; this report is of the last analysis\n"
        )
        self.assertIn("log_mutex", done.stdout)
        (self.run_dir / "result.db").unlink()
        done = self.report()
        self.assertEqual((done.returncode, done.stderr), (3, "latchkey: trace: broken; record again\n"))

    def test_analyze_passes_the_analysers_words_and_status_on(self) -> None:
        environ = {"LATCHKEY_BUILD": str(self.directory)}
        self.assertEqual(latchkey("analyze", self.run_dir, environ=environ).returncode, 0)
        (self.directory / "fail").write_text("")
        done = latchkey("analyze", self.run_dir, environ=environ)
        self.assertEqual((done.returncode, done.stderr), (3, "latchkey: trace: broken; record again\n"))


class NoResult(TemporaryDirectory):
    """Directories and files that are no run, or one that cannot be read: one line, status 2 or 3."""

    def refusal(self, run: Path, status: int) -> str:
        done = latchkey("report", run, environ={"LATCHKEY_BUILD": str(self.directory)})
        self.assertEqual((done.returncode, done.stdout), (status, ""), done.stderr)
        self.assertRegex(done.stderr, r"\Alatchkey: [^\n]+; [^\n]+\n\Z")
        return done.stderr

    def test_no_run_directory(self) -> None:
        self.assertIn("no such directory", self.refusal(self.directory / "nowhere", 2))
        self.assertIn("not a directory", self.refusal(Path(__file__), 2))
        self.assertIn("neither run.json nor result.db", self.refusal(self.directory, 2))

    def test_nothing_analysed_and_no_analyser(self) -> None:
        (self.directory / "run.json").write_text("{}")
        self.assertIn("latchkey-analyze: not found", self.refusal(self.directory, 2))

    def test_other_files_named_result_db(self) -> None:
        result = self.directory / "result.db"
        result.write_bytes(b"nothing like a database, but long enough to be looked at" * 40)
        self.assertIn("file is not a database", self.refusal(self.directory, 3))
        result.unlink()
        foreign = sqlite3.connect(result)
        foreign.execute("CREATE TABLE t(x)")
        foreign.close()
        self.assertIn("not written by latchkey-analyze", self.refusal(self.directory, 3))

    def test_a_result_of_another_version(self) -> None:
        sample.write(self.directory, {"schema_version": "999"})
        self.assertIn("schema 999, this version reads 2", self.refusal(self.directory, 3))

    def test_a_damaged_result(self) -> None:
        sample.write(self.directory)
        result = self.directory / "result.db"
        content = bytearray(result.read_bytes())
        content[4096:] = b"\xff" * (len(content) - 4096)
        result.write_bytes(content)
        self.refusal(self.directory, 3)


def write_expected() -> None:
    """Writes expected/ anew."""
    import tempfile

    with tempfile.TemporaryDirectory() as directory:
        _EXPECTED.mkdir(exist_ok=True)
        for number, (name, (args, columns)) in enumerate(_GOLDEN.items()):
            run = sample_for(name, Path(directory) / str(number))
            (_EXPECTED / name).write_text(output(run, args, columns))


if __name__ == "__main__" and sys.argv[1:] == ["--write"]:
    write_expected()
