"""What Python's os module lacks for file operations: a rename that replaces nothing, and a flush of
one filesystem."""

from __future__ import annotations

import ctypes
import errno
import os
from typing import Any

_NOREPLACE = 1  # RENAME_NOREPLACE, renameat2(2)
_HERE = -100  # AT_FDCWD
# What kernels and filesystems say that cannot rename like that.
_LACKING = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)


def _function(name: str) -> Any:
    try:
        return getattr(ctypes.CDLL(None, use_errno=True), name)
    except (OSError, AttributeError):  # another libc
        return None


_renameat2 = _function("renameat2")
_syncfs = _function("syncfs")


def rename_new(
    source: str, target: str, *, source_fd: int | None = None, target_fd: int | None = None
) -> None:
    """Rename, unless something has the new name already: then FileExistsError, and nothing is
    changed. Raises OSError. The descriptors are of the folders that relative names are in.

    Where the filesystem has no such rename (old ones in user space), the name is looked for first.
    """
    if _renameat2 is not None:
        here = _HERE if source_fd is None else source_fd
        there = _HERE if target_fd is None else target_fd
        if not _renameat2(here, os.fsencode(source), there, os.fsencode(target), _NOREPLACE):
            return
        error = ctypes.get_errno()
        if error not in _LACKING:
            raise OSError(error, os.strerror(error), source, None, target)
    try:
        os.stat(target, dir_fd=target_fd, follow_symlinks=False)
    except FileNotFoundError:
        os.rename(source, target, src_dir_fd=source_fd, dst_dir_fd=target_fd)
    else:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), source, None, target)


def flush_filesystem(fd: int) -> None:
    """Write what the filesystem of this descriptor still holds back. Raises OSError."""
    if _syncfs is None:
        os.sync()
    elif _syncfs(fd):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def flush_folder(path: str) -> None:
    """Make the names in a folder durable. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
