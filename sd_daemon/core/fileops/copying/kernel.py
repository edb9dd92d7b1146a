"""What Linux can do for a copy and Python's os module does not offer, and what any system can do.

Elsewhere, and where a filesystem lacks it, each of these says so (False or OSError) and the caller
does the plain thing.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import sys
from typing import Any

_FICLONE = 0x40049409  # ioctl_ficlone(2), the same on every architecture that Debian has but three
_EXCHANGE = 2  # RENAME_EXCHANGE, renameat2(2)
_HERE = -100  # AT_FDCWD
_WRITE = 2  # SYNC_FILE_RANGE_WRITE, sync_file_range(2)

LACKING = frozenset(
    (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOTTY, errno.EXDEV)
)
"""What kernels and filesystems say that cannot do a thing at all."""

ON_LINUX = sys.platform == "linux"


def _function(name: str) -> Any:
    return getattr(ctypes.CDLL(None, use_errno=True), name, None) if ON_LINUX else None


_renameat2 = _function("renameat2")
_sync_file_range = _function("sync_file_range")


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
    if _renameat2 is None:
        return False
    if not _renameat2(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE):
        return True
    error = ctypes.get_errno()
    if error in LACKING and error != errno.EXDEV:
        return False
    raise OSError(error, os.strerror(error), one, None, other)


def begin_writing(fd: int, offset: int, length: int) -> None:
    """Have the disk begin with a range of a file that is in memory so far."""
    if _sync_file_range is not None:
        _sync_file_range(fd, ctypes.c_int64(offset), ctypes.c_int64(length), _WRITE)


def forget_cached(fd: int) -> None:
    """Have the next read of this file come from the disk, as far as all of it is written there."""
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
