"""When a file came into being, which os.stat does not tell on Linux: statx(2)."""

from __future__ import annotations

import os
import struct
from importlib import import_module

_AT_FDCWD, _NO_FOLLOW, _BIRTH = -100, 0x100, 0x800
_SIZE = 256  # bytes of struct statx
_MASK = struct.Struct("I")
_TIME = struct.Struct("qI")
_BIRTH_AT = 80  # of stx_btime in it


def born_at(path: str) -> int | None:
    """Nanoseconds since 1970; None where the filesystem does not know, or nothing is there."""
    ctypes = import_module("ctypes")
    statx = getattr(ctypes.CDLL(None), "statx", None)
    if statx is None:  # an old C library
        return None
    buffer = ctypes.create_string_buffer(_SIZE)
    if statx(_AT_FDCWD, os.fsencode(path), _NO_FOLLOW, _BIRTH, buffer) != 0:
        return None
    if not _MASK.unpack_from(buffer)[0] & _BIRTH:
        return None
    seconds, nanoseconds = _TIME.unpack_from(buffer, _BIRTH_AT)
    return int(seconds) * 10**9 + int(nanoseconds)
