"""What Python's os module lacks for file operations: a rename that replaces nothing, and a flush of
one filesystem."""

from __future__ import annotations

import errno
import os
from functools import cache
from importlib import import_module
from typing import Any

_NOREPLACE = 1  # RENAME_NOREPLACE, renameat2(2)
_HERE = -100  # AT_FDCWD
# What kernels and filesystems say that cannot rename like that.
_LACKING = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP)


@cache
def _function(name: str) -> Any:
    """A function of libc that leaves errno, or None. Few who read this module need ctypes."""
    ctypes = import_module("ctypes")
    try:
        function = getattr(ctypes.CDLL(None, use_errno=True), name)
    except (OSError, AttributeError):  # another libc
        return None

    def call(*arguments: object) -> int:
        return int(ctypes.get_errno()) if function(*arguments) else 0

    return call


def rename_new(
    source: str, target: str, *, source_fd: int | None = None, target_fd: int | None = None
) -> None:
    """Rename, unless something has the new name already: then FileExistsError, and nothing is
    changed. Raises OSError. The descriptors are of the folders that relative names are in.

    Where the filesystem has no such rename (old ones in user space), the name is looked for first.
    """
    rename = _function("renameat2")
    if rename is not None:
        here = _HERE if source_fd is None else source_fd
        there = _HERE if target_fd is None else target_fd
        error = rename(here, os.fsencode(source), there, os.fsencode(target), _NOREPLACE)
        if not error:
            return
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
    flush = _function("syncfs")
    if flush is None:
        os.sync()
    elif error := flush(fd):
        raise OSError(error, os.strerror(error))


def flush_folder(path: str) -> None:
    """Make the names in a folder durable. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
