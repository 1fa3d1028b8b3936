# SPDX-License-Identifier: Apache-2.0
"""The base of the subjects' test cases: a temporary directory, bare runs, recorded runs."""

import json
import os
import shutil
import tempfile
import unittest
from collections.abc import Mapping
from pathlib import Path

import programs
from programs import Account, Argv, Finished
from result import Result

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("LATCHKEY_BUILD", ROOT / "build")).absolute()
DRIVERS = BUILD / "tests" / "subjects" / "drivers"

# What `latchkey` needs of the source tree and of the build directory.
_SOURCES = ("meson.build", "scripts", "preload/symbols.def", "preload/options.def", "preload/events.def",
            "runtime/counters.def", "analyze/schema.sql")
_BINARIES = ("preload/liblatchkey-preload.so", "preload/liblatchkey-events.so", "analyze/latchkey-analyze")


class SubjectCase(unittest.TestCase):
    """A subject under test. `dir` belongs to `account`, and is removed with all that is in it."""

    account: Account = programs.own_account()

    def setUp(self) -> None:
        self.dir = Path(tempfile.mkdtemp(prefix="latchkey-"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self._give(self.dir)
        self._tree, self._build = (ROOT, BUILD) if self._may_read_tree() else self._copy_tree()
        self.env = {**os.environ, "HOME": str(self.dir), "LC_ALL": "C", "LATCHKEY_BUILD": str(self._build)}

    def driver(self, engine: str) -> str:
        return str(DRIVERS / f"driver-{engine}")

    def bare(self, argv: Argv, env: Mapping[str, str] | None = None) -> Finished:
        """Runs a program without Latchkey."""
        return programs.run(argv, self.account, {**self.env, **(env or {})}, self.dir)

    def prefix(self, name: str, level: str = "contended", *options: str) -> list[str]:
        """The words before a program that record it into run directory `name`."""
        return [str(self._tree / "scripts" / "latchkey"), "record", "--output", str(self.dir / name),
                "--level", level, *options, "--"]

    def record(self, name: str, argv: Argv, env: Mapping[str, str] | None = None, level: str = "contended",
               *options: str) -> tuple[Finished, Result]:
        """Records a program to its end."""
        finished = self.bare([*self.prefix(name, level, *options), *argv], env)
        return finished, self.result(name)

    def latchkey(self, *words: str | Path) -> Finished:
        return self.bare([self._tree / "scripts" / "latchkey", *words])

    def analyze(self, *words: str | Path) -> Finished:
        return self.bare([self._build / "analyze" / "latchkey-analyze", *words])

    def result(self, name: str) -> Result:
        """The result of a finished recording."""
        result = Result(self.dir / name)
        self.addCleanup(result.close)
        return result

    def report(self, name: str) -> dict[str, list[dict]]:
        """The tables of `latchkey report --format json` of a recording, by name, as rows by column."""
        finished = self.latchkey("report", self.dir / name, "--format", "json")
        self.assertEqual(finished.status, 0, finished.err)
        tables = {}
        for table in json.loads(finished.out)["tables"]:
            columns = [column["name"] for column in table["columns"]]
            tables[table["name"]] = [dict(zip(columns, row, strict=True)) for row in table["rows"]]
        return tables

    def check_report(self, name: str) -> dict[str, list[dict]]:
        """The report's tables; it must know all roles of result.db and have nothing to warn of."""
        tables, result = self.report(name), self.result(name)
        self.assertEqual([row for row in tables["quality"] if row["severity"] == "warning"], [])
        self.assertEqual({row["role"] for row in tables["roles"]}, result.roles())
        return tables

    def _give(self, path: Path) -> None:
        os.chown(path, self.account.uid, self.account.gid)

    def _may_read_tree(self) -> bool:
        return all(programs.run(["test", "-r", path], self.account, os.environ, Path("/")).status == 0
                   for path in (ROOT / "meson.build", *(BUILD / name for name in _BINARIES)))

    def _copy_tree(self) -> tuple[Path, Path]:
        """A checkout below /root, say, is closed to the unprivileged account: it gets a copy of its own."""
        tree, build = self.dir / "tree", self.dir / "tree" / "build"
        for base, names, target in ((ROOT, _SOURCES, tree), (BUILD, _BINARIES, build)):
            for name in names:
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                copy = shutil.copytree if (base / name).is_dir() else shutil.copy2
                copy(base / name, target / name)
        for path in (tree, *tree.rglob("*")):
            self._give(path)
        return tree, build
