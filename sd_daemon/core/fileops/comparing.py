"""Whether two files are the same, byte for byte, and stay so while they are looked at."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from sd_daemon.core.index.walk import open_folder

if TYPE_CHECKING:
    from collections.abc import Callable

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_CHUNK = 1 << 20  # bytes


class Compared(NamedTuple):
    """What came of a comparison."""

    reason: str | None  # why the other is no copy of the one; None: it is
    one: os.stat_result
    other: os.stat_result


def open_file(path: str) -> int:
    """A descriptor of the regular file at a path of any length. Raises OSError, for what is not
    one as well; waits for nothing."""
    folder, name = os.path.split(path)
    above = open_folder(folder)
    try:
        return os.open(name, _FLAGS, dir_fd=above)
    finally:
        os.close(above)


def compare(one: str, other: str, on_bytes: Callable[[int], None]) -> Compared:
    """Compare two files. `on_bytes` hears of every piece, and may raise. Raises OSError."""
    first = open_file(one)
    try:
        second = open_file(other)
        try:
            return _compare(first, second, on_bytes)
        finally:
            os.close(second)
    finally:
        os.close(first)


def _compare(first: int, second: int, on_bytes: Callable[[int], None]) -> Compared:
    one, other = os.fstat(first), os.fstat(second)
    if not (stat.S_ISREG(one.st_mode) and stat.S_ISREG(other.st_mode)):
        return Compared("it is not a regular file any more", one, other)
    if (one.st_dev, one.st_ino) == (other.st_dev, other.st_ino):
        return Compared("it is another name of that file", one, other)
    if one.st_size != other.st_size or not _same_bytes(first, second, on_bytes):
        return Compared("its bytes are not the same", one, other)
    for fd, before in ((first, one), (second, other)):
        if _stamp(os.fstat(fd)) != _stamp(before):
            return Compared("it was changed while it was compared", one, other)
    return Compared(None, one, other)


def _stamp(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _same_bytes(first: int, second: int, on_bytes: Callable[[int], None]) -> bool:
    while True:
        piece = os.read(first, _CHUNK)
        rest = memoryview(piece)
        while rest:
            part = os.read(second, len(rest))
            if not part or rest[: len(part)] != part:
                return False
            rest = rest[len(part) :]
        if not piece:
            return not os.read(second, 1)
        on_bytes(len(piece))
