# SPDX-License-Identifier: Apache-2.0
"""The options that record and run share: preload/options.def as flags, policy file and environment.

The same value may come from the command line, from --policy FILE.toml, from LATCHKEY_* or from the
table's default; the first of these that has it wins, and each is checked in the same way before
anything starts. The preload library gets the result as LATCHKEY_* again.
"""

import argparse
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from latchkey_lib import paths
from latchkey_lib.messages import UsageError
from latchkey_lib.tables import Option, read_options

_UNITS_NS = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}
_MAX_DEPTH = 64


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose errors are one line with the mend."""

    def error(self, message: str) -> None:
        raise UsageError(f"{message}; see {self.prog} --help")


def options() -> list[Option]:
    """The options people may set, in the table's order."""
    return [row for row in read_options(paths.table("preload/options.def")) if row.kind != "path"]


def duration_ns(text: str) -> int | None:
    """Nanoseconds of a time such as 10us; None if it is none."""
    match = re.fullmatch(r"([0-9]{1,18})(ns|us|ms|s)", text)
    if not match:
        return None
    value = int(match.group(1)) * _UNITS_NS[match.group(2)]
    return value if value < 2**64 else None


def problem(option: Option, value: str) -> str | None:
    """Why `value` is not allowed, as "why; what is"; None if it is."""
    allowed = option.values.replace("|", ", ")
    if option.kind == "duration":
        if duration_ns(value) is None:
            return f"{value!r} is no time; allowed: digits with ns, us, ms or s, such as {option.default}"
    elif option.kind == "stacks":
        if not _is_stacks(value, option):
            return (
                f"{value!r} is unknown; allowed: {allowed.replace('DEPTH', f'or 1 to {_MAX_DEPTH} frames')}"
            )
    elif option.kind == "globs":
        if value and not all(value.split(",")):
            return f"{value!r} has an empty name; allowed: {option.values}"
    elif value not in option.values.split("|"):
        return f"{value!r} is unknown; allowed: {allowed}"
    return None


def _is_stacks(value: str, option: Option) -> bool:
    if value.isascii() and value.isdigit():
        return 1 <= int(value) <= _MAX_DEPTH
    return value in option.values.split("|") and value != "DEPTH"


def add_to(parser: argparse.ArgumentParser, skip: tuple[str, ...] = ()) -> None:
    """Adds a flag for each option but `skip`, and --policy."""
    group = parser.add_argument_group("options of the recording (see latchkey-environment(7))")
    for option in options():
        if option.name in skip:
            continue
        default = f" (default {option.default})" if option.default else ""
        values = "{" + option.values.replace("|", ",") + "}" if option.kind == "choice" else option.values
        group.add_argument(
            option.flag, dest=option.name, metavar=values, help=f"{option.help}{default}".replace("%", "%%")
        )
    group.add_argument(
        "--policy", metavar="FILE.toml", type=Path, help="take options from a file, key = value"
    )


def resolve(args: argparse.Namespace, environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The value of each option by name. Raises UsageError that names the place of a bad one."""
    policy = read_policy(args.policy) if args.policy else {}
    values = {}
    for option in options():
        given = getattr(args, option.name, None)
        if given is not None:
            source, value = f"option {option.flag}", given
        elif option.name in policy:
            source, value = f"{args.policy}: {option.name}", policy[option.name]
        else:
            source, value = option.variable, environ.get(option.variable, option.default)
        if why := problem(option, value):
            raise UsageError(f"{source}: {why}")
        values[option.name] = value
    return values


def read_policy(path: Path) -> dict[str, str]:
    """Keys and values of a policy file as strings. Raises UsageError that names file and key."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; --policy takes a readable TOML file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f'{path}: not TOML: {error}; write lines such as min_wait = "10us"') from None
    known = {option.name: option for option in options()}
    policy = {}
    for key, value in content.items():
        name = key.replace("-", "_")
        if name not in known:
            raise UsageError(f"{path}: {key}: unknown key; allowed: {', '.join(known)}")
        policy[name] = _policy_value(path, known[name], value)
    return policy


def _policy_value(path: Path, option: Option, value: object) -> str:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        value = ",".join(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    elif not isinstance(value, str):
        raise UsageError(f"{path}: {option.name}: {value!r} is of the wrong type; allowed: {option.values}")
    if why := problem(option, value):
        raise UsageError(f"{path}: {option.name}: {why}")
    return value


def environment(values: Mapping[str, str]) -> dict[str, str]:
    """LATCHKEY_* for the preload library."""
    return {option.variable: values[option.name] for option in options()}


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """LATCHKEY_* variables that no row of the table knows: misspelt, most likely."""
    known = {row.variable for row in read_options(paths.table("preload/options.def"))}
    return sorted(name for name in environ if name.startswith("LATCHKEY_") and name not in known)
