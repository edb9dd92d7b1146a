"""The disk as the index sees it: names, kinds, and folders held open by descriptor.

In memory a name or path is text in which undecodable bytes stand as lone surrogates
(os.fsdecode); in the database it is text, or a blob of the exact bytes where those are not UTF-8.
`exact` and `loose` convert.

A folder is opened once and everything in it is reached through its descriptor. So a path may be
longer than the kernel's PATH_MAX, and a folder that is swapped for a symbolic link while it is
being read cannot lead the reader astray.
"""

from __future__ import annotations

import errno
import os

FILE, DIRECTORY, SYMLINK, FIFO, SOCKET, BLOCK_DEVICE, CHARACTER_DEVICE = range(7)

# entries.kind by st_mode >> 12
KIND_BY_TYPE = (
    CHARACTER_DEVICE,  # none of the types POSIX knows
    FIFO,
    CHARACTER_DEVICE,
    CHARACTER_DEVICE,
    DIRECTORY,
    CHARACTER_DEVICE,
    BLOCK_DEVICE,
    CHARACTER_DEVICE,
    FILE,
    CHARACTER_DEVICE,
    SYMLINK,
    CHARACTER_DEVICE,
    SOCKET,
    CHARACTER_DEVICE,
    CHARACTER_DEVICE,
    CHARACTER_DEVICE,
)

# A name that is in none of its folders any more: someone removed it, which is not an error.
GONE = frozenset((errno.ENOENT, errno.ENOTDIR, errno.ELOOP))

_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_STEP = 3500  # bytes of a path handed to the kernel at once; PATH_MAX is 4096, macOS has 1024
if os.uname().sysname == "Darwin":
    _STEP = 900


def exact(text: str) -> str | bytes:
    """Return a name or path as the database holds it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return os.fsencode(text)
    return text


def loose(stored: str | bytes) -> str:
    """Return a name or path from the database as it is held in memory."""
    return stored if isinstance(stored, str) else os.fsdecode(stored)


def join(folder: str, name: str) -> str:
    """Return the path of `name` in `folder`."""
    return folder + name if folder.endswith("/") else f"{folder}/{name}"


def open_folder(path: str) -> int:
    """Open the folder at `path`, however long that is; a symbolic link is refused.

    Returns a descriptor the caller closes. Raises OSError.
    """
    try:
        return os.open(path, _OPEN_FOLDER)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
    return _open_stepwise(os.fsencode(path))


def _open_stepwise(path: bytes) -> int:
    parts = path.split(b"/")
    here = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
    at = 1
    while at < len(parts):
        step = parts[at]
        at += 1
        while at < len(parts) and len(step) + len(parts[at]) < _STEP:
            step += b"/" + parts[at]
            at += 1
        above = here
        try:
            here = os.open(step, _OPEN_FOLDER, dir_fd=above)
        finally:
            os.close(above)
    return here


def stat_folder(path: str) -> os.stat_result:
    """Return lstat of a folder at a path of any length. Raises OSError."""
    try:
        return os.lstat(path)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
    fd = _open_stepwise(os.fsencode(path))
    try:
        return os.fstat(fd)
    finally:
        os.close(fd)


def stat_in(folder: str, name: str) -> os.stat_result:
    """Return lstat of `name` in the folder at a path of any length. Raises OSError."""
    try:
        return os.lstat(join(folder, name))
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
    fd = open_folder(folder)
    try:
        return os.stat(name, dir_fd=fd, follow_symlinks=False)
    finally:
        os.close(fd)


class Subtree:
    """A folder and everything below it, as a condition on a column of paths.

    Text sorts before blobs in SQLite, so a subtree is one range of text and one of blobs, and
    either is found through the index on the path.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._inside = path if path.endswith("/") else path + "/"
        low = os.fsencode(self._inside)
        high = low[:-1] + b"0"  # the character after the slash
        stored = exact(self._inside)
        text = ("", "") if isinstance(stored, bytes) else (stored, stored[:-1] + "0")
        self.params: tuple[str | bytes, ...] = (*text, low, high, exact(path))

    def where(self, column: str) -> str:
        """Return the condition; it takes `params`."""
        return (
            f"(({column} >= ? AND {column} < ?) OR ({column} >= ? AND {column} < ?)"
            f" OR {column} = ?)"
        )

    def contains(self, path: str) -> bool:
        """Say whether `path` is the folder itself or below it."""
        return path == self.path or path.startswith(self._inside)
