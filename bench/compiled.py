"""The programs in C that show what the machine can do at best."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path

HERE = Path(__file__).parent
BUILD = HERE / "build"
_LIBRARIES = {"walk": ["-lsqlite3"]}


class CompilerMissing(Exception):
    """There is no C compiler, or not what a program needs to be compiled."""


@cache
def program(name: str) -> str:
    """The path of a compiled program of bench/limits; compiled anew if its source, or a
    header beside it, is newer.

    Raises CompilerMissing with a sentence that says what to install.
    """
    source, made = HERE / f"limits/{name}.c", BUILD / name
    newest = max(path.stat().st_mtime for path in (source, *source.parent.glob("*.h")))
    if made.exists() and made.stat().st_mtime > newest:
        return str(made)
    compiler = shutil.which("cc")
    if compiler is None:
        raise CompilerMissing("a C compiler is needed (Debian: apt install gcc libc6-dev)")
    BUILD.mkdir(exist_ok=True)
    flags = ["-O2", "-Wall", "-Wextra", "-std=gnu11"]
    command = [compiler, *flags, "-o", str(made), str(source), *_LIBRARIES.get(name, [])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        needs = " (Debian: apt install libsqlite3-dev)" if name in _LIBRARIES else ""
        raise CompilerMissing(f"{name}.c does not compile{needs}:\n{done.stderr[-1000:]}")
    return str(made)
