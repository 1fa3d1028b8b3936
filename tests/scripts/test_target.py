# SPDX-License-Identifier: Apache-2.0
"""Programs that cannot be preloaded are refused before anything starts, in one line."""

import os
from pathlib import Path

from support import TemporaryDirectory, elf, latchkey

from latchkey_lib import target
from latchkey_lib.messages import UsageError


class Target(TemporaryDirectory):
    """target.find and target.check."""

    def program(self, content: bytes | str, mode: int = 0o755, name: str = "program") -> Path:
        path = self.directory / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        path.chmod(mode)
        return path

    def refusal(self, path: Path) -> str:
        with self.assertRaises(UsageError) as raised:
            target.check(target.find(str(path)))
        return str(raised.exception)

    def test_ordinary_programs_and_scripts_pass(self) -> None:
        target.check(target.find("sh"))
        target.check(self.program(elf("/lib64/ld-linux-x86-64.so.2")))
        target.check(self.program("#!/bin/sh\nexit 0\n"))
        target.check(self.program("#! /usr/bin/env python3\n"))
        target.check(self.program(f"#!{self.program('#!/bin/sh', name='inner')}\n"))

    def test_what_cannot_be_found_or_executed(self) -> None:
        self.assertIn("no such file", self.refusal(self.directory / "nowhere"))
        self.assertIn("is a directory", self.refusal(self.directory))
        self.assertIn("not executable", self.refusal(self.program("#!/bin/sh\n", 0o644)))
        with self.assertRaisesRegex(UsageError, "not found in PATH"):
            target.find("latchkey-no-such-program")

    def test_what_cannot_be_preloaded(self) -> None:
        self.assertIn("statically linked", self.refusal(self.program(elf())))
        self.assertIn(
            "not an x86-64 program", self.refusal(self.program(elf("/lib/ld-linux.so.2", bits=1, machine=3)))
        )
        self.assertIn("not the GNU C library", self.refusal(self.program(elf("/lib/ld-musl-x86_64.so.1"))))
        self.assertIn("neither an ELF program nor a #! script", self.refusal(self.program("echo hello\n")))
        self.assertIn("neither an ELF program", self.refusal(self.program(b"")))

    def test_scripts_without_a_usable_interpreter(self) -> None:
        self.assertIn("does not exist", self.refusal(self.program("#!/no/such/interpreter\n")))
        self.assertIn("names no interpreter", self.refusal(self.program("#!\n")))
        loop = self.directory / "loop"
        self.assertIn("too many interpreters", self.refusal(self.program(f"#!{loop}\n", name="loop")))
        self.assertIn(
            "statically linked", self.refusal(self.program(f"#!{self.program(elf(), name='static')}\n"))
        )

    def test_setuid_and_setgid_are_refused_where_they_take_effect(self) -> None:
        path = self.program(elf("/lib64/ld-linux-x86-64.so.2"), 0o4755)
        target.check(path)  # set-user-ID to ourselves changes nothing
        other = 65534 if os.getuid() == 0 else 0
        foreign = Path("/usr/bin/passwd")
        if os.getuid() == 0:
            os.chown(path, other, other)
            path.chmod(0o4755)
            foreign = path
        self.assertIn("set-user-ID", self.refusal(foreign))

    def test_the_command_says_it_in_one_line(self) -> None:
        for subcommand in ("record", "run"):
            done = latchkey(subcommand, "--", self.program(elf()), cwd=self.directory)
            self.assertEqual((done.returncode, done.stdout), (2, ""))
            self.assertRegex(done.stderr, r"\Alatchkey: .*/program: statically linked.*\n\Z")
        self.assertFalse((self.directory / "latchkey-out").exists())

    def test_doctor_tells_about_a_program(self) -> None:
        done = latchkey("doctor", "--", self.program(elf()))
        self.assertEqual(done.returncode, 1)
        self.assertRegex(
            done.stdout, r"(?m)^missing  program +.*statically linked.*; use a dynamically linked build$"
        )
