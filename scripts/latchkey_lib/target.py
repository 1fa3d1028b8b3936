# SPDX-License-Identifier: Apache-2.0
"""Can the dynamic loader preload us into this program? Asked before anything starts.

The loader ignores LD_PRELOAD, silently, for static programs and for set-user-ID ones, and a library of
another ELF class it cannot load. Following `#!` lines as the kernel does, this module finds the file
that the loader will see.
"""

import os
import shutil
import stat
import struct
from pathlib import Path

from latchkey_lib.messages import UsageError

_ELF_MAGIC = b"\x7fELF"
_CLASS_64, _LITTLE, _MACHINE_X86_64 = 2, 1, 62
_PT_INTERP, _SHT_SYMTAB = 3, 2
_MAX_SCRIPT_DEPTH = 5


def find(name: str, path: str | None = None) -> Path:
    """The file that `name` means to execvp(3), checked to be executable. Raises UsageError."""
    if "/" not in name:
        found = shutil.which(name, path=path)
        if not found:
            raise UsageError(f"{name}: not found in PATH; give its path, or install it")
        return Path(found)
    file = Path(name)
    if not file.exists():
        raise UsageError(f"{name}: no such file; nothing to run")
    if file.is_dir():
        raise UsageError(f"{name}: is a directory; name a program in it")
    if not os.access(file, os.X_OK):
        raise UsageError(f"{name}: not executable; chmod +x it, or name its interpreter")
    return file


def check(file: Path) -> None:
    """Raises UsageError if the preload library would not be loaded into `file`."""
    image = loaded_image(file)
    head = _read(image, 64)
    if head[:4] != _ELF_MAGIC:
        raise UsageError(
            f"{image}: neither an ELF program nor a #! script; name the interpreter that runs it"
        )
    if head[4] != _CLASS_64 or head[5] != _LITTLE or struct.unpack_from("<H", head, 18)[0] != _MACHINE_X86_64:
        raise UsageError(f"{image}: not an x86-64 program; Latchkey's library cannot be loaded into it")
    interpreter = elf_interpreter(image)
    if interpreter is None and not image.name.startswith("ld-linux"):
        raise UsageError(
            f"{image}: statically linked, so nothing can be preloaded; use a dynamically linked build"
        )
    if interpreter and "ld-linux" not in interpreter:
        raise UsageError(f"{image}: uses {interpreter}, not the GNU C library; use a build for glibc")
    if why := privileges(image):
        raise UsageError(
            f"{image}: {why}, so the loader ignores LD_PRELOAD; run it as its owner, or use a copy without"
        )


def loaded_image(file: Path) -> Path:
    """`file`, or the interpreter that the kernel runs for it when it begins with #!."""
    for _ in range(_MAX_SCRIPT_DEPTH):
        head = _read(file, 256)
        if head[:2] != b"#!":
            return file
        words = head[2:].split(b"\n", 1)[0].rstrip(b"\0").split(None, 1)
        if not words:
            raise UsageError(f"{file}: its #! line names no interpreter; add one")
        interpreter = Path(os.fsdecode(words[0]))
        if not interpreter.is_file():
            raise UsageError(f"{file}: its interpreter {interpreter} does not exist; mend the #! line")
        file = interpreter
    raise UsageError(f"{file}: too many interpreters in a row; name a program")


def elf_interpreter(image: Path) -> str | None:
    """The dynamic loader that an ELF-64 file asks for; None if it is static."""
    head = _read(image, 64)
    (offset,) = struct.unpack_from("<Q", head, 32)
    size, count = struct.unpack_from("<HH", head, 54)
    with image.open("rb") as stream:
        stream.seek(offset)
        table = stream.read(size * count)
        for at in range(0, len(table) - size + 1, size or 1):
            kind, _, begin, _, _, length = struct.unpack_from("<IIQQQQ", table, at)
            if kind == _PT_INTERP:
                stream.seek(begin)
                return stream.read(length).split(b"\0")[0].decode(errors="replace")
    return None


def has_symbols(image: Path) -> bool:
    """Does an ELF-64 file have a full symbol table (.symtab), as one that is not stripped has?"""
    head = _read(image, 64)
    (offset,) = struct.unpack_from("<Q", head, 40)
    size, count = struct.unpack_from("<HH", head, 58)
    with image.open("rb") as stream:
        stream.seek(offset)
        table = stream.read(size * count)
    return any(
        struct.unpack_from("<I", table, at + 4)[0] == _SHT_SYMTAB
        for at in range(0, len(table) - size + 1, size or 1)
    )


def privileges(image: Path) -> str | None:
    """What makes the kernel start `image` in secure mode for this user, in words; None if nothing."""
    status = image.stat()
    if status.st_mode & stat.S_ISUID and status.st_uid != os.getuid():
        return "set-user-ID"
    if status.st_mode & stat.S_ISGID and status.st_mode & stat.S_IXGRP and status.st_gid != os.getgid():
        return "set-group-ID"
    if os.getuid() != 0 and "security.capability" in _attributes(image):
        return "it has file capabilities"
    return None


def _attributes(image: Path) -> list[str]:
    try:
        return os.listxattr(image)
    except OSError:
        return []


def _read(file: Path, size: int) -> bytes:
    """The first `size` bytes, padded with zeros."""
    try:
        with file.open("rb") as stream:
            return stream.read(size).ljust(size, b"\0")
    except PermissionError:
        raise UsageError(f"{file}: cannot be read, so not checked; let this user read it") from None
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}; name a program that can be read") from None
