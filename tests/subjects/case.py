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
import tree
from programs import Account, Argv, Finished
from result import Result


class SubjectCase(unittest.TestCase):
    """A subject under test. `dir` belongs to `account`, and is removed with all that is in it."""

    account: Account = programs.own_account()

    def setUp(self) -> None:
        self.dir = Path(tempfile.mkdtemp(prefix="latchkey-"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        os.chown(self.dir, self.account.uid, self.account.gid)
        self._tree = tree.readable_by(self.account, self.dir)
        self.env = {**os.environ, "HOME": str(self.dir), "LC_ALL": "C",
                    "LATCHKEY_BUILD": str(self._tree.build)}

    def driver(self, engine: str) -> str:
        return str(tree.DRIVERS / f"driver-{engine}")

    def bare(self, argv: Argv, env: Mapping[str, str] | None = None) -> Finished:
        """Runs a program without Latchkey."""
        return programs.run(argv, self.account, {**self.env, **(env or {})}, self.dir)

    def prefix(self, name: str, level: str = "contended", *options: str) -> list[str]:
        """The words before a program that record it into run directory `name`."""
        return [self._tree.latchkey, "record", "--output", str(self.dir / name),
                "--level", level, *options, "--"]

    def record(self, name: str, argv: Argv, env: Mapping[str, str] | None = None, level: str = "contended",
               *options: str) -> tuple[Finished, Result]:
        """Records a program to its end."""
        finished = self.bare([*self.prefix(name, level, *options), *argv], env)
        return finished, self.result(name)

    def latchkey(self, *words: str | Path) -> Finished:
        return self.bare([self._tree.latchkey, *words])

    def analyze(self, *words: str | Path) -> Finished:
        return self.bare([self._tree.analyze, *words])

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

    def check_own(self, name: str, handoff: str = "aged") -> Result:
        """As check_runtime. How waits for mutexes ended must be known."""
        result = self.check_runtime(name, "own", handoff)
        self.assertLessEqual(result.own_waits(), result.counter("mutex_contended"))
        return result

    def check_runtime(self, name: str, runtime: str, handoff: str | None = None) -> Result:
        """The result of recording `name`. All processes must have run on `runtime`, and the report must say
        so and have nothing to warn of."""
        result = self.result(name)
        self.assertEqual({(row["runtime"], row["handoff"]) for row in result.rows("SELECT * FROM processes")},
                         {(runtime, handoff)})
        self.check_report(name)
        finished = self.latchkey("report", self.dir / name)
        self.assertEqual(finished.status, 0, finished.err)
        text = " ".join(finished.out.split())
        said = f"runtime {runtime}, handoff {handoff}" if handoff else f"runtime {runtime}"
        for words in (said, "WHERE THE TIME WENT", "TOP LOCKS BY WAIT CAUSED"):
            self.assertIn(words, text)
        return result
