"""When a file came into being, and what that proves: statx(2), of which os.stat does not tell it.

A filesystem gives the inode number of what is deleted to what is new, often at once. So a number
alone does not say that two entries of the index are one file. The time of birth does: what was
there before the last thing known of another file that had the number is that file, since the
number was not free in between; what was born later is not.
"""

from __future__ import annotations

import enum
import errno
import os
import struct
from importlib import import_module
from typing import Any, NamedTuple

from sd_daemon.core.index.walk import GONE, join, open_folder

_AT_FDCWD, _NO_FOLLOW = -100, 0x100
_CTIME, _INODE, _BIRTH = 0x80, 0x100, 0x800
_SIZE = 256  # bytes of struct statx
_MASK, _NUMBER, _TIME = struct.Struct("I"), struct.Struct("Q"), struct.Struct("qI")
_INODE_AT, _BIRTH_AT, _CTIME_AT = 32, 80, 96


class Proof(enum.Enum):
    """Whether what is at a place is the file that another entry was."""

    SAME = "the same"
    OTHER = "another"
    UNKNOWN = "the filesystem does not tell"
    NOT_THERE = "something else, or nothing, is there now"


class Birth(NamedTuple):
    """Of what is at a path. Nanoseconds since 1970."""

    inode: int
    born: int | None  # None where the filesystem does not know
    ctime: int


def birth_of(folder: str, name: str) -> Birth | None:
    """Ask about `name` in the folder at a path of any length; None where that cannot be asked.
    Raises OSError."""
    ctypes = import_module("ctypes")
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "statx"):  # an old C library, or not Linux
        return None
    try:
        return _statx(ctypes, libc, _AT_FDCWD, join(folder, name))
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
    fd = open_folder(folder)
    try:
        return _statx(ctypes, libc, fd, name)
    finally:
        os.close(fd)


def prove(folder: str, name: str, *, inode: int, seen: int) -> Proof:
    """Whether `name` in a folder is the file that had the number `inode` at the time `seen`, the
    last change that the index knows of it."""
    try:
        found = birth_of(folder, name)
    except OSError as error:
        return Proof.NOT_THERE if error.errno in GONE else Proof.UNKNOWN
    if found is None or found.born is None:
        return Proof.UNKNOWN
    if found.inode != inode:
        return Proof.NOT_THERE
    if found.born <= seen:
        return Proof.SAME
    # What was changed before it was born is on a filesystem that lets such times be set (FAT).
    return Proof.OTHER if found.born <= found.ctime else Proof.UNKNOWN


def _statx(ctypes: Any, libc: Any, folder: int, path: str) -> Birth:
    buffer = ctypes.create_string_buffer(_SIZE)
    wanted = _CTIME | _INODE | _BIRTH
    if libc.statx(folder, os.fsencode(path), _NO_FOLLOW, wanted, buffer) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    knows_birth = _MASK.unpack_from(buffer)[0] & _BIRTH
    return Birth(
        _NUMBER.unpack_from(buffer, _INODE_AT)[0],
        _nanoseconds(buffer, _BIRTH_AT) if knows_birth else None,
        _nanoseconds(buffer, _CTIME_AT),
    )


def _nanoseconds(buffer: Any, at: int) -> int:
    seconds, rest = _TIME.unpack_from(buffer, at)
    return int(seconds) * 10**9 + int(rest)
