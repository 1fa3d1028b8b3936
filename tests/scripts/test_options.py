# SPDX-License-Identifier: Apache-2.0
"""Options of a recording: from the command line, a policy file, the environment; and bad ones."""

import argparse
import unittest

from support import TemporaryDirectory, latchkey

from latchkey_lib import options
from latchkey_lib.messages import UsageError


def resolve(*args: str, **environ: str) -> dict[str, str]:
    """Values of all options for these arguments."""
    parser = options.Parser()
    options.add_to(parser)
    return options.resolve(parser.parse_args(args), environ)


class Values(TemporaryDirectory):
    """Which value wins, and what is none."""

    def policy(self, text: str) -> str:
        path = self.directory / "p.toml"
        path.write_text(text)
        return str(path)

    def test_defaults_are_the_tables(self) -> None:
        self.assertEqual(resolve(), {option.name: option.default for option in options.options()})

    def test_command_line_beats_policy_beats_environment(self) -> None:
        policy = self.policy('level = "full"\nmin_wait = "5us"\n')
        values = resolve(
            "--level", "counters", "--policy", policy, LATCHKEY_MIN_WAIT="1us", LATCHKEY_MIN_IO="2ms"
        )
        self.assertEqual((values["level"], values["min_wait"], values["min_io"]), ("counters", "5us", "2ms"))

    def test_policy_takes_dashes_lists_and_numbers(self) -> None:
        values = resolve("--policy", self.policy('min-wait = "1ms"\nonly = ["a*", "b"]\nstacks = 8\n'))
        self.assertEqual((values["min_wait"], values["only"], values["stacks"]), ("1ms", "a*,b", "8"))

    def test_every_value_that_the_table_names_is_allowed(self) -> None:
        for value in ("contended", "full", "counters"):
            self.assertEqual(resolve("--level", value)["level"], value)
        for value in ("off", "own", "kernel-pi"):
            self.assertEqual(resolve("--runtime", value)["runtime"], value)
        for value in ("aged", "barge", "fifo", "prio"):
            self.assertEqual(resolve("--handoff", value)["handoff"], value)
        for value in ("waiter,holder", "waiter", "holder", "none", "1", "64"):
            self.assertEqual(resolve("--stacks", value)["stacks"], value)

    def test_bad_values_name_their_place_and_what_is_allowed(self) -> None:
        cases = (
            (["--level", "ful"], "option --level: 'ful' is unknown; allowed: contended, full, counters"),
            (
                ["--min-wait", "10"],
                "option --min-wait: '10' is no time; allowed: digits with ns, us, ms or s, such as 10us",
            ),
            (["--runtime", "on"], "option --runtime: 'on' is unknown; allowed: off, own, kernel-pi"),
            (["--handoff", "fair"], "option --handoff: 'fair' is unknown; allowed: aged, barge, fifo, prio"),
            (["--runtime", ""], None),
            (["--runtime", "own|off"], None),
            (["--min-wait", "-1us"], None),
            (["--min-io", "10 us"], None),
            (["--min-io", "99999999999999999s"], None),
            (["--stacks", "0"], None),
            (["--stacks", "65"], None),
            (["--stacks", "DEPTH"], None),
            (["--only", "a,,b"], None),
        )
        for args, message in cases:
            with self.subTest(args=args), self.assertRaises(UsageError) as raised:
                resolve(f"{args[0]}={args[1]}")
            if message:
                self.assertEqual(str(raised.exception), message)

    def test_a_bad_variable_is_named(self) -> None:
        with self.assertRaisesRegex(UsageError, "^LATCHKEY_LEVEL: 'x' is unknown; allowed: contended"):
            resolve(LATCHKEY_LEVEL="x")

    def test_bad_policies_name_file_and_key(self) -> None:
        cases = (
            ('levle = "full"', r"p\.toml: levle: unknown key; allowed: level, min_wait, "),
            ('level = "x"', r"p\.toml: level: 'x' is unknown; allowed: contended"),
            ("level = true", r"p\.toml: level: True is of the wrong type"),
            ("min_wait = 1.5", r"p\.toml: min_wait: 1\.5 is of the wrong type"),
            ("only = [1]", r"p\.toml: only: \[1\] is of the wrong type"),
            ("level = ", r"p\.toml: not TOML: "),
        )
        for text, message in cases:
            with self.subTest(text=text), self.assertRaisesRegex(UsageError, message):
                resolve("--policy", self.policy(text))
        with self.assertRaisesRegex(UsageError, "nowhere.toml: No such file"):
            resolve("--policy", "nowhere.toml")

    def test_options_of_the_launcher_are_not_for_people(self) -> None:
        self.assertNotIn("dir", resolve())
        with self.assertRaisesRegex(UsageError, "dir: unknown key"):
            resolve("--policy", self.policy('dir = "/tmp"'))

    def test_misspelt_variables_are_found(self) -> None:
        self.assertEqual(
            options.unknown_variables({"LATCHKEY_MINWAIT": "1us", "LATCHKEY_DIR": "/x", "PATH": ""}),
            ["LATCHKEY_MINWAIT"],
        )


class CommandLine(unittest.TestCase):
    """One line on stderr and status 2 for what cannot be understood."""

    def assert_refused(self, *args: str, saying: str) -> None:
        done = latchkey(*args)
        self.assertEqual((done.returncode, done.stdout), (2, ""), args)
        self.assertRegex(done.stderr, rf"\Alatchkey: .*{saying}.*\n\Z")

    def test_unknown_options_and_subcommands(self) -> None:
        self.assert_refused("record", "--nope", "--", "true", saying="unrecognized arguments: --nope")
        self.assert_refused("record", "--lev", "full", "--", "true", saying="unrecognized arguments: --lev")
        self.assert_refused("recrod", saying="invalid choice: 'recrod'")
        self.assert_refused(saying="SUBCOMMAND")
        self.assert_refused("run", "--level", "full", "true", saying="--level")

    def test_a_bad_runtime_starts_nothing(self) -> None:
        for subcommand in ("record", "run"):
            self.assert_refused(
                subcommand, "--runtime=fast", "--", "touch", "/nowhere/x", saying="option --runtime: 'fast'"
            )
            self.assert_refused(
                subcommand, "--runtime=own", "--handoff=x", "--", "true", saying="allowed: aged, barge, fifo, prio"
            )

    def test_no_program(self) -> None:
        self.assert_refused("record", saying="no program given")
        self.assert_refused("run", "--", saying="no program given")

    def test_options_after_the_program_are_its_own(self) -> None:
        self.assert_refused("record", "./nowhere", "--level", "full", saying="./nowhere: no such file")

    def test_help_and_version(self) -> None:
        for subcommand in ((), ("record",), ("run",), ("analyze",), ("report",), ("doctor",)):
            self.assertEqual(latchkey(*subcommand, "--help").returncode, 0)
            self.assertRegex(latchkey(*subcommand, "--version").stdout, r"\Alatchkey [0-9.]+\n\Z")


class Namespace(unittest.TestCase):
    """resolve() without a parser that knows the options, as `run` has it."""

    def test_options_that_a_subcommand_lacks_take_the_default(self) -> None:
        self.assertEqual(options.resolve(argparse.Namespace(policy=None), {})["level"], "contended")
