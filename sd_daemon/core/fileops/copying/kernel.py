"""What Linux can do for a copy and Python's os module does not offer, and what any system can do.

Elsewhere, and where a filesystem lacks it, each of these says so (False or OSError) and the caller
does the plain thing.
"""

from __future__ import annotations

import errno
import fcntl
import os
import sys
from functools import cache
from importlib import import_module
from typing import Any

_FICLONE = 0x40049409  # ioctl_ficlone(2), the same on every architecture that Debian has but three
_EXCHANGE = 2  # RENAME_EXCHANGE, renameat2(2)
_HERE = -100  # AT_FDCWD
# sync_file_range(2): SYNC_FILE_RANGE_WRITE, and with WAIT_BEFORE and WAIT_AFTER
_WRITE, _WRITE_AND_WAIT = 2, 7

LACKING = frozenset(
    (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV)
)
"""What kernels and filesystems say that cannot do a thing at all."""

FULL = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EROFS))
"""What ends a whole job and not one file of it."""

ON_LINUX = sys.platform == "linux"


@cache
def _library() -> Any:
    """libc, or None where it lacks what is needed here. Few who read this module need ctypes."""
    return import_module("ctypes").CDLL(None, use_errno=True) if ON_LINUX else None


def share_blocks(source: int, target: int) -> bool:
    """Let the file `target`, which is empty, have the blocks that `source` has (a reflink); False
    where that cannot be done between these two. Raises OSError."""
    if not ON_LINUX:
        return False
    try:
        fcntl.ioctl(target, _FICLONE, source)
    except OSError as error:
        if error.errno in LACKING or error.errno in (errno.EPERM, errno.EACCES):
            return False
        raise
    return True


def exchange(one: str, other: str) -> bool:
    """Let two things on one filesystem change names, at once; False where it has no such rename.
    Raises OSError."""
    rename = getattr(_library(), "renameat2", None)
    if rename is None:
        return False
    if not rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE):
        return True
    error = import_module("ctypes").get_errno()
    if error in LACKING and error != errno.EXDEV:
        return False
    raise OSError(error, os.strerror(error), one, None, other)


def begin_writing(fd: int, offset: int, length: int) -> None:
    """Have the disk begin with a range of a file that is in memory so far."""
    begin = getattr(_library(), "sync_file_range", None)
    if begin is not None:
        wide = import_module("ctypes").c_int64
        begin(fd, wide(offset), wide(length), _WRITE)


def write_out(fd: int, offset: int, length: int) -> None:
    """Have a range of a file written, and wait for that. Raises OSError."""
    write = getattr(_library(), "sync_file_range", None)
    if write is None:
        os.fsync(fd)
        return
    wide = import_module("ctypes").c_int64
    if write(fd, wide(offset), wide(length), _WRITE_AND_WAIT):
        error = import_module("ctypes").get_errno()
        if error not in LACKING:
            raise OSError(error, os.strerror(error))
        os.fsync(fd)


def forget_cached(fd: int, offset: int = 0, length: int = 0) -> None:
    """Have the next read of this range (without a length: from there on) come from the disk, as far
    as it is written there."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(fd, offset, length, os.POSIX_FADV_DONTNEED)


def read_ahead(fd: int, offset: int = 0, length: int = 0) -> None:
    """Have the disk begin to read a range."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(fd, offset, length, os.POSIX_FADV_WILLNEED)
