"""What a file has besides its bytes: owner, mode, times, extended attributes and access lists.

All that may be kept is kept. What only an administrator may give away (owners, capabilities) is
left out in silence for everybody else, as every copying program does; a mode that would run a
program as another user is then left out with it.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING

from sd_daemon.core.fileops.copying.kernel import LACKING

if TYPE_CHECKING:
    from sd_daemon.core.fileops.copying.tally import Counts

_ACCESS_LIST = "system.posix_acl_"
_AS_OTHERS = stat.S_ISUID | stat.S_ISGID
_MAY_NOT = frozenset((errno.EPERM, errno.EACCES))
_HAS_ATTRIBUTES = hasattr(os, "listxattr")


class Metadata:
    """Gives one thing what another has. Remembers which filesystems have no attributes at all."""

    def __init__(self, tally: Counts, moment: int | None) -> None:
        """`moment` is what every file gets as its time, in nanoseconds; None: times are kept."""
        self.moment = moment
        self._tally = tally
        self._user = (os.geteuid(), os.getegid())
        self._bare: set[int] = set()  # devices without attributes

    def give(self, fd: int, source: int, found: os.stat_result, path: str) -> None:
        """All of it but the times to the file that was just made and is open as `fd`, from the one
        that is open as `source` and has the stat `found`. Raises OSError."""
        mode = stat.S_IMODE(found.st_mode)
        if (found.st_uid, found.st_gid) != self._user:
            kept = self._give_owner(fd, found)
            self._give_mode(fd, mode if kept else mode & ~_AS_OTHERS, path)
        elif mode & ~0o777:
            self._give_mode(fd, mode, path)
        if _HAS_ATTRIBUTES and found.st_dev not in self._bare:
            self._give_attributes(fd, source, found, path)

    def give_all(self, fd: int, source: int, found: os.stat_result, path: str) -> None:
        """The same to a thing whose owner and mode are not known, and that may have inherited an
        access list from the folder it was made in."""
        kept = self._give_owner(fd, found)
        mode = stat.S_IMODE(found.st_mode)
        strip_access_lists(fd)
        self._give_mode(fd, mode if kept else mode & ~_AS_OTHERS, path)
        if _HAS_ATTRIBUTES and found.st_dev not in self._bare:
            self._give_attributes(fd, source, found, path)

    def give_times(self, fd: int, found: os.stat_result) -> None:
        """The times, which come last: what has them is complete."""
        if self.moment is None:
            os.utime(fd, ns=(found.st_atime_ns, found.st_mtime_ns))
        else:
            os.utime(fd, ns=(self.moment, self.moment))

    def mark(self, found: os.stat_result) -> int:
        """The time by which a complete copy of what has this stat is known."""
        return found.st_mtime_ns if self.moment is None else self.moment

    def give_by_name(self, name: str, folder: int, found: os.stat_result) -> None:
        """Owner, mode and times to what cannot be opened: a link, a pipe, a device."""
        is_link = stat.S_ISLNK(found.st_mode)
        kept = True
        try:
            os.chown(name, found.st_uid, found.st_gid, dir_fd=folder, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _MAY_NOT | LACKING:
                raise
            kept = False
        if not is_link:
            mode = stat.S_IMODE(found.st_mode)
            os.chmod(name, mode if kept else mode & ~_AS_OTHERS, dir_fd=folder)
        if self.moment is None:
            times = (found.st_atime_ns, found.st_mtime_ns)
            os.utime(name, ns=times, dir_fd=folder, follow_symlinks=False)

    def _give_mode(self, fd: int, mode: int, path: str) -> None:
        """A service manager may forbid the bits that run a program as somebody else
        (RestrictSUIDSGID=): the rest is kept then, and that is told."""
        try:
            os.fchmod(fd, mode)
        except PermissionError:
            if not mode & _AS_OTHERS:
                raise
            os.fchmod(fd, mode & ~_AS_OTHERS)
            self._tally.warn(path, "its set-user-ID or set-group-ID bit could not be kept")

    def _give_owner(self, fd: int, found: os.stat_result) -> bool:
        try:
            os.fchown(fd, found.st_uid, found.st_gid)
        except OSError as error:
            if error.errno not in _MAY_NOT | LACKING:
                raise
        else:
            return True
        try:
            os.fchown(fd, -1, found.st_gid)
        except OSError:
            pass  # not a group of ours
        return found.st_uid == self._user[0] and os.fstat(fd).st_gid == found.st_gid

    def _give_attributes(self, fd: int, source: int, found: os.stat_result, path: str) -> None:
        try:
            names = os.listxattr(source)
        except OSError as error:
            if error.errno in LACKING:
                self._bare.add(found.st_dev)
            return
        for name in names:
            try:
                os.setxattr(fd, name, os.getxattr(source, name))
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT):
                    raise
                if error.errno != errno.ENODATA and name.startswith(("user.", _ACCESS_LIST)):
                    self._tally.warn(path, f"its attribute {name} could not be kept")


def strip_access_lists(fd: int) -> None:
    """Take from a new file or folder what it inherited from the folder it was made in."""
    if not _HAS_ATTRIBUTES:
        return
    try:
        names = os.listxattr(fd)
    except OSError:
        return
    for name in names:
        if name.startswith(_ACCESS_LIST):
            os.removexattr(fd, name)
