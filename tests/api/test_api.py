# SPDX-License-Identifier: Apache-2.0
"""liblatchkey.so as a program sees it: the example's output; the installed tree through pkg-config; dlopen."""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ["LATCHKEY_BUILD"])
EXPECTED = """\
400 requests of 4 clients went through 8 places
400 records are in the log exactly once
records shared writes: yes
"""
USE_FROM_CPP = """\
#include <latchkey.h>
static lk_mutex_t mutex = LK_MUTEX_ERRORCHECK_INIT;
static lk_cond_t cond = LK_COND_INIT;
static lk_rwlock_t lock = LK_RWLOCK_PREFER_WRITERS_INIT;
int main() {
    if (lk_mutex_lock(&mutex) != 0 || lk_mutex_owner(&mutex) != lk_thread_self()) return 1;
    if (lk_mutex_unlock(&mutex) != 0 || lk_cond_broadcast(&cond) != 0) return 2;
    return lk_rwlock_wrlock(&lock) == 0 && lk_rwlock_unlock(&lock) == 0 ? 0 : 3;
}
"""


def output(*command: object, **environment: str) -> str:
    """Standard output of a command that must succeed; else its whole output is in the failure."""
    done = subprocess.run([str(word) for word in command], env=os.environ | environment, text=True, capture_output=True,
                          stdin=subprocess.DEVNULL, timeout=120, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{command}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


class Example(unittest.TestCase):
    def test_prints_what_must_hold(self) -> None:
        self.assertEqual(output(BUILD / "tests/api/write_ahead"), EXPECTED)


class Installed(unittest.TestCase):
    """What `meson install` lays out, found by pkg-config."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.directory = tempfile.TemporaryDirectory()
        cls.destination = Path(cls.directory.name) / "root"
        output("meson", "install", "-C", BUILD, "--no-rebuild", "--quiet", "--destdir", cls.destination)
        (cls.configuration,) = cls.destination.rglob("latchkey.pc")
        cls.library = next(cls.destination.rglob("liblatchkey.so.0"))

    @classmethod
    def tearDownClass(cls) -> None:
        cls.directory.cleanup()

    def flags(self) -> list[str]:
        return output("pkg-config", "--cflags", "--libs", "latchkey", PKG_CONFIG_PATH=str(self.configuration.parent),
                      PKG_CONFIG_SYSROOT_DIR=str(self.destination)).split()

    def run_compiled(self, compiler: str, standard: str, source: Path) -> str:
        program = Path(self.directory.name) / f"program-{compiler}"
        output(compiler, f"-std={standard}", "-D_POSIX_C_SOURCE=200809L", "-Wall", "-Wextra", "-Wpedantic", "-Werror",
               "-o", program, source, *self.flags(), "-pthread")
        return output(program, LD_LIBRARY_PATH=str(self.library.parent))

    def test_the_example_builds_as_c11(self) -> None:
        self.assertEqual(self.run_compiled("cc", "c11", ROOT / "tests/api/write_ahead.c"), EXPECTED)

    def test_the_header_serves_cpp(self) -> None:
        source = Path(self.directory.name) / "use.cpp"
        source.write_text(USE_FROM_CPP)
        self.assertEqual(self.run_compiled("c++", "c++11", source), "")

    def test_the_versions_agree(self) -> None:
        said = output("pkg-config", "--modversion", "latchkey", PKG_CONFIG_PATH=str(self.configuration.parent)).strip()
        header = next(self.destination.rglob("latchkey.h")).read_text()
        numbers = [re.search(rf"LK_VERSION_{part} (\d+)", header).group(1) for part in ("MAJOR", "MINOR", "PATCH")]
        self.assertEqual(said, ".".join(numbers))

    def test_every_function_has_a_manual_page(self) -> None:
        header = next(self.destination.rglob("latchkey.h")).read_text()
        pages = next(self.destination.rglob("man3"))
        for name in re.findall(r"^LK_API [^;(]*?(\w+)\(", header, re.MULTILINE):
            link = (pages / f"{name}.3").read_text()
            target = pages.parent / re.fullmatch(r"\.so (man3/\w+\.3)\n", link).group(1)
            self.assertIn(f"{name}(", target.read_text(), target)


class Loaded(unittest.TestCase):
    def test_dlopen_in_a_running_process(self) -> None:
        library = ctypes.CDLL(str(BUILD / "runtime/liblatchkey.so"))
        library.lk_version.restype = ctypes.c_char_p
        self.assertRegex(library.lk_version().decode(), r"^\d+\.\d+\.\d+$")
        mutex = (ctypes.c_uint64 * 5)()
        self.assertEqual(library.lk_mutex_lock(mutex), 0)
        self.assertNotEqual(library.lk_mutex_destroy(mutex), 0, "destroyed while it was held")
        self.assertEqual(library.lk_mutex_unlock(mutex), 0)
        self.assertEqual(library.lk_mutex_destroy(mutex), 0)


if __name__ == "__main__":
    unittest.main()
