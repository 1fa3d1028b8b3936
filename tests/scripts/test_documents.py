# SPDX-License-Identifier: Apache-2.0
"""Man pages, --help, completion and the list of packages agree with the tables and with each other."""

import re
import subprocess
import unittest
from pathlib import Path

from support import LATCHKEY, ROOT, TemporaryDirectory, latchkey

import gen_man_tables
from latchkey_lib import tables

_SUBCOMMANDS = ("record", "run", "analyze", "report", "doctor")
_FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
_OF_ALL = {"--help", "--version"}  # described in latchkey(1)


def page(name: str) -> str:
    """A page with its tables, without the marks of man(7)."""
    text = gen_man_tables.fill((ROOT / "man" / name).read_text(), ROOT, "1.2.3")
    return re.sub(r"\\f.|\\&|\\(?=[-e])", "", text)


class Pages(unittest.TestCase):
    """man/."""

    def test_options_of_a_page_are_those_of_help(self) -> None:
        for subcommand in _SUBCOMMANDS:
            helped = set(_FLAG.findall(latchkey(subcommand, "--help").stdout)) - _OF_ALL
            described = set(_FLAG.findall(page(f"latchkey-{subcommand}.1")))
            self.assertLessEqual(helped, described, subcommand)
            if subcommand in ("record", "report", "doctor"):
                self.assertLessEqual(described - _OF_ALL, helped, subcommand)

    def test_help_has_every_option_of_the_table(self) -> None:
        text = " ".join(latchkey("record", "--help", environ={"COLUMNS": "1000"}).stdout.split())
        for row in tables.read_options(ROOT / "preload" / "options.def"):
            self.assertEqual(f"{row.flag} " in text and row.help in text, row.kind != "path", row.name)

    def test_every_row_is_in_its_page(self) -> None:
        environment, events = page("latchkey-environment.7"), page("latchkey-events.7")
        for row in tables.read_options(ROOT / "preload" / "options.def"):
            self.assertIn(f".BR {row.variable} ", environment)
        for event in tables.read_events(ROOT / "preload" / "events.def"):
            self.assertIn(f".SS latchkey:{event.name}\n", events)
            for field in event.fields:
                self.assertIn(f'.BR {field.name} " ({field.type})"', events)
        for name, value in tables.read_objects(ROOT / "preload" / "events.def"):
            self.assertIn(f".B {value}\n{name}\n", events)
        for value, meaning in tables.read_passages(ROOT / "preload" / "events.def"):
            self.assertIn(f".B {value}\n{meaning}.\n", events)
        for counter in tables.read_counters(ROOT / "runtime" / "counters.def"):
            self.assertIn(f'.BR {counter.name} "', page("latchkey-counters.5"))
        library = page("liblatchkey-preload.7")
        for symbol in tables.read_symbols(ROOT / "preload" / "symbols.def"):
            self.assertRegex(library, rf"(?m)^{symbol.name},?$")

    def test_numbers_of_functions_are_their_rows(self) -> None:
        names = [symbol.name for symbol in tables.read_symbols(ROOT / "preload" / "symbols.def")]
        group, first, last = re.search(
            r"\.BR (\w+) \"\s?\((\d+) to (\d+)\)\"\npthread_cond_init", page("liblatchkey-preload.7")
        ).groups()
        self.assertEqual(
            (group, names[int(first)], names[int(last)]), ("cond", "pthread_cond_init", "cnd_broadcast")
        )

    def test_no_directive_is_left_and_every_table_is_used(self) -> None:
        sources = [file.read_text() for file in (ROOT / "man").glob("*.[1357]")]
        used = {name for source in sources for name in re.findall(r"^@(\w+)@$", source, re.MULTILINE)}
        self.assertEqual(used, set(gen_man_tables._TABLES))
        for file in (ROOT / "man").glob("*.[1357]"):
            self.assertNotRegex(page(file.name), r"@\w+@")

    def test_every_page_that_is_referred_to_is_there(self) -> None:
        pages = {file.name for file in (ROOT / "man").glob("*.[1357]")}
        for name in pages:
            for target, section in re.findall(r"\.BR ((?:lib)?latchkey[a-z-]*) \((\d)\)", page(name)):
                self.assertIn(f"{target}.{section}", pages, name)
        self.assertLessEqual({f"latchkey-{name}.1" for name in _SUBCOMMANDS}, pages)
        built = set(
            re.findall(
                r"'((?:(?:lib)?latchkey|lk_)[a-z-]*\.\d)'", (ROOT / "man" / "meson.build").read_text()
            )
        )
        self.assertEqual(built, pages)

    def test_an_unknown_table_is_refused(self) -> None:
        with self.assertRaises(KeyError):
            gen_man_tables.fill("@nonsense@\n", ROOT, "1")


class Version(unittest.TestCase):
    """It is written once."""

    def test_the_command_has_the_projects_version(self) -> None:
        project = re.search(r"version: '([^']+)'", (ROOT / "meson.build").read_text()).group(1)
        self.assertEqual(latchkey("--version").stdout, f"latchkey {project}\n")


class Completion(unittest.TestCase):
    """bash-completion/latchkey."""

    def complete(self, *words: str) -> set[str]:
        script = """
            source "$1"; shift
            COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
            _latchkey
            printf "%s\\n" "${COMPREPLY[@]}"
        """
        done = subprocess.run(
            [
                "bash",
                "-c",
                script,
                "bash",
                ROOT / "scripts" / "bash-completion" / "latchkey",
                LATCHKEY,
                *words,
            ],
            capture_output=True,
            text=True,
            check=True,
        )
        return set(done.stdout.split())

    def test_subcommands_options_and_values(self) -> None:
        self.assertEqual(self.complete("re"), {"record", "report"})
        self.assertEqual(self.complete("record", "--min"), {"--min-wait", "--min-io"})
        self.assertEqual(self.complete("record", "--level", ""), {"contended", "full", "counters"})
        self.assertEqual(self.complete("report", "--format", "c"), {"csv"})
        for subcommand in ("record", "run"):
            self.assertEqual(self.complete(subcommand, "--runtime", ""), {"off", "own", "kernel-pi"})
            self.assertEqual(self.complete(subcommand, "--handoff", "f"), {"fifo"})


class Scripts(TemporaryDirectory):
    """scripts/demo and scripts/test, without running them to the end."""

    def test_arguments(self) -> None:
        for name in ("demo", "test"):
            script = ROOT / "scripts" / name
            self.assertEqual(
                subprocess.run([script, "--help"], capture_output=True, check=False).returncode, 0
            )
            done = subprocess.run([script, "--nonsense"], capture_output=True, text=True, check=False)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertRegex(
                done.stderr, rf"\A{name}: unknown argument '--nonsense'; see scripts/{name} --help\n\Z"
            )

    def test_missing_packages_are_those_that_are_not_installed(self) -> None:
        (self.directory / "scripts").mkdir()
        (self.directory / "scripts" / "common.sh").write_text((ROOT / "scripts" / "common.sh").read_text())
        (self.directory / "scripts" / "packages").write_text(
            "# comment\n\nbash build the shell\nno-such-a build x\nno-such-b test y\n"
        )
        done = subprocess.run(
            ["bash", "-c", ". scripts/common.sh; missing_packages build; echo; missing_packages build test"],
            cwd=self.directory,
            capture_output=True,
            text=True,
            check=True,
        )
        self.assertEqual(done.stdout, "no-such-a\n\nno-such-a\nno-such-b\n")

    def test_the_list_of_packages_is_well_formed(self) -> None:
        rows = [
            line.split(maxsplit=2)
            for line in (ROOT / "scripts" / "packages").read_text().splitlines()
            if line and not line.startswith("#")
        ]
        self.assertTrue(all(len(row) == 3 and row[1] in ("build", "demo", "test") for row in rows))
        self.assertEqual(len({row[0] for row in rows}), len(rows))

    def test_everything_in_this_folder_is_on_the_map(self) -> None:
        readme = (ROOT / "scripts" / "README.md").read_text()
        for file in [*(ROOT / "scripts").glob("*"), *(ROOT / "scripts" / "latchkey_lib").glob("*.py")]:
            if file.name not in ("README.md", "meson.build", "installed.py.in", "__init__.py", "__pycache__"):
                self.assertIn(Path(file.name).name, readme)
