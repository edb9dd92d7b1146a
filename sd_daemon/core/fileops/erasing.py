"""To destroy for good: a tree, and what was in a file.

A tree is gone through by descriptors, one open at a time: down into a folder that is opened in the
one above it, and up by '..', which must be the folder that was come from. So nobody who swaps a
folder for a link leads this elsewhere, and a tree may be as deep as it likes.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from sd_daemon.core.index.walk import open_folder
from sd_daemon.core.mount_table import is_rotational, linux_mounts

if TYPE_CHECKING:
    from collections.abc import Callable

    from sd_daemon.core.jobs.context import JobContext

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_AT_ONCE = 4096  # names of a folder
_CHUNK = 1 << 20  # bytes
# Filesystems that write what is new elsewhere, and leave the old where it was.
_NEVER_IN_PLACE = frozenset({"btrfs", "zfs", "bcachefs", "nilfs2", "f2fs", "ubifs", "apfs"})


class _Level(NamedTuple):
    name: str
    identity: tuple[int, int]
    folders: list[str]


class _Place:
    """Where in a tree the work is: one open folder."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def identity(self) -> tuple[int, int]:
        """By what the folder is known again."""
        found = os.fstat(self.fd)
        return found.st_dev, found.st_ino

    def down(self, name: str) -> None:
        """Go into a folder that is here."""
        self._go(os.open(name, _FOLDER, dir_fd=self.fd))

    def up(self, identity: tuple[int, int]) -> None:
        """Go to the folder above, which has to be this one."""
        self._go(os.open("..", _FOLDER, dir_fd=self.fd))
        if self.identity() != identity:
            raise OSError(errno.ESTALE, "a folder was moved while it was being deleted")

    def _go(self, fd: int) -> None:
        os.close(self.fd)
        self.fd = fd


class Eraser:
    """Destroys files and trees, and counts."""

    def __init__(
        self,
        context: JobContext,
        *,
        secure: bool = False,
        unlock: bool = False,
        tell: Callable[[Eraser], None] | None = None,
    ) -> None:
        """`secure`: overwrite each file first, where nothing else has the same inode; `unlock`:
        take what is in folders of this user, too, whose mode does not let anything go; `tell`
        hears now and then how far it is."""
        self._context = context
        self._secure = secure
        self._unlock = unlock
        self._tell = tell or (lambda _: None)
        self.files = 0
        self.bytes = 0
        self.written = 0  # bytes, over what was there
        self.linked = 0  # files that were not overwritten, since they have another name
        self.failed = 0
        self.error: OSError | None = None  # the first of the failures

    def erase(self, path: str) -> None:
        """Destroy what is at `path`. What cannot be is counted, and stays.

        Raises OSError where even the folder it is in cannot be opened, and what the context's
        `safe_point` raises: then some of a tree may be left, and `erase` goes on with it.
        """
        folder, name = os.path.split(path)
        above = open_folder(folder)
        try:
            if not self._unlink(name, above):
                self._tree(name, above)
        finally:
            os.close(above)

    def unlink(self, path: str) -> None:
        """Destroy what is no folder. Raises OSError."""
        folder, name = os.path.split(path)
        above = open_folder(folder)
        try:
            if not self._unlink(name, above):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        finally:
            os.close(above)
        if self.error is not None:
            raise self.error

    def _unlink(self, name: str, folder: int) -> bool:
        """Destroy one that is no folder; False for one that is. What is not there is no failure."""
        try:
            found = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if stat.S_ISDIR(found.st_mode):
                return False
            if self._secure and stat.S_ISREG(found.st_mode):
                self._overwrite(name, folder)
            os.unlink(name, dir_fd=folder)
        except FileNotFoundError:
            return True
        except OSError as error:
            self._fail(error)
            return True
        self.files += 1
        if found.st_nlink == 1:
            self.bytes += found.st_size
        return True

    def _fail(self, error: OSError) -> None:
        self.failed += 1
        self.error = self.error or error

    def _tree(self, name: str, above: int) -> None:
        try:
            at = _Place(os.open(name, _FOLDER, dir_fd=above))
        except OSError as error:
            self._fail(error)
            return
        try:
            levels = [_Level(name, at.identity(), self._empty(at.fd))]
            while True:
                if levels[-1].folders:
                    self._down(levels, at)
                    continue
                done = levels.pop()
                if not levels:
                    break
                at.up(levels[-1].identity)
                self._remove(done.name, at.fd)
        finally:
            os.close(at.fd)
        self._remove(name, above)

    def _down(self, levels: list[_Level], at: _Place) -> None:
        """Go into the next folder, if it is one."""
        name = levels[-1].folders.pop()
        try:
            at.down(name)
        except OSError as error:
            if error.errno in (errno.ENOTDIR, errno.ELOOP):  # it was swapped for something else
                self._unlink(name, at.fd)
            elif error.errno != errno.ENOENT:
                self._fail(error)
            return
        levels.append(_Level(name, at.identity(), self._empty(at.fd)))

    def _empty(self, fd: int) -> list[str]:
        """Destroy what a folder holds; the names of the folders in it, which are left."""
        folders: list[str] = []
        if self._unlock:
            _open_up(fd)
        while True:
            before = self.files
            try:
                with os.scandir(fd) as entries:
                    found = [
                        (entry.name, entry.is_dir(follow_symlinks=False))
                        for entry in islice(entries, _AT_ONCE + len(folders))
                    ]
            except OSError as error:
                self._fail(error)
                return folders
            folders = [name for name, is_folder in found if is_folder]
            for name, is_folder in found:
                if not is_folder:
                    self._unlink(name, fd)
            self._tell(self)
            self._context.safe_point()
            if len(found) < _AT_ONCE or self.files == before:
                return folders

    def _remove(self, name: str, folder: int) -> None:
        try:
            os.rmdir(name, dir_fd=folder)
        except FileNotFoundError:
            pass
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST) or not self.failed:
                self._fail(error)

    def _overwrite(self, name: str, folder: int) -> None:
        """Write over every byte of a file, and through to the disk."""
        fd = os.open(name, _FILE, dir_fd=folder)
        try:
            found = os.fstat(fd)
            if not stat.S_ISREG(found.st_mode):
                return
            if found.st_nlink > 1:
                self.linked += 1
                return
            left = max(found.st_size, found.st_blocks * 512)
            while left > 0:
                written = os.write(fd, os.urandom(min(left, _CHUNK)))
                left -= written
                self.written += written
                self._tell(self)
                self._rest(written)
                self._context.safe_point()
            os.fsync(fd)
        finally:
            os.close(fd)

    def _rest(self, written: int) -> None:
        bandwidth = self._context.limits.bandwidth
        if bandwidth:
            time.sleep(min(written / bandwidth, 1.0))


def _open_up(fd: int) -> None:
    """Let things go from a folder of this user."""
    found = os.fstat(fd)
    if found.st_mode & stat.S_IRWXU != stat.S_IRWXU and found.st_uid == os.geteuid():
        with suppress(OSError):  # then what is in it says why it stays
            os.fchmod(fd, stat.S_IMODE(found.st_mode) | stat.S_IRWXU)


def caveats(path: str) -> list[str]:
    """What overwriting cannot promise of files at this path: sentences, none where it can."""
    mount = _mount_of(path)
    if mount is None:
        return []
    kind, device = mount
    found = []
    if kind in _NEVER_IN_PLACE:
        found.append(
            f"the filesystem ({kind}) writes new data elsewhere: what was in the files may still be"
            " on the disk"
        )
    elif kind in ("tmpfs", "ramfs"):
        found.append("the files were in memory only, and may have been swapped out to a disk")
    elif kind == "overlay" or not kind.startswith(("ext", "xfs", "vfat", "exfat", "ntfs", "hfs")):
        found.append(f"it is not known whether the filesystem ({kind}) overwrites in place")
    if is_rotational(device) is False:
        found.append(
            "the disk is not a spinning one: its controller may keep copies of what was overwritten"
        )
    return found


def _mount_of(path: str) -> tuple[str, str] | None:
    """The kind and the device number of the filesystem a path is on."""
    best: tuple[int, str, str] | None = None
    for mount in linux_mounts():
        point = os.fsdecode(mount.point).rstrip("/")
        inside = path == point or path.startswith(point + "/")
        if inside and (best is None or len(point) >= best[0]):
            best = (len(point), mount.kind, mount.device)
    return None if best is None else best[1:]


def hidden_name(job: str, number: int) -> str:
    """The name of what a job is about to destroy, or has not finished, beside where it was."""
    return f".spacedrive-{job[:8]}-{number}"


def is_empty_folder(path: str) -> bool:
    """Whether a folder has nothing in it; False for what cannot be read."""
    with suppress(OSError), os.scandir(path) as entries:
        return next(entries, None) is None
    return False
