"""One thing that is no folder: a file, a link, a pipe, a device.

Each is made under a name that is free, in a folder that is open. A file gets its times last, so
what has the right size and time is complete: that is how a copy that was interrupted knows what it
need not do again. After a power cut that is only true of what had been flushed to the disk.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from typing import TYPE_CHECKING, NamedTuple

from sd_daemon.core.fileops.copying.content import SMALL, Content, NotShared
from sd_daemon.core.fileops.copying.kernel import FULL, LACKING
from sd_daemon.core.fileops.copying.metadata import Metadata
from sd_daemon.core.fileops.copying.tally import why
from sd_daemon.core.fileops.copying.verify import CHANGED, Check, Verifier
from sd_daemon.core.fileops.rename import flush_filesystem
from sd_daemon.core.index.walk import open_folder

if TYPE_CHECKING:
    from collections.abc import Callable

    from sd_daemon.core.fileops.copying.tally import Counts

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_MAKE = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
_FLUSH_FILES = 20_000
_FLUSH_BYTES = 2 * 1024**3
_CLOCK_STEP = 20_000_000  # ns: the clock of files goes in steps of at most a hundredth of a second
_ATTEMPTS = 2  # at a file that is written to while it is read


class How(NamedTuple):
    """How copies are made."""

    verify: bool = False  # read back from the disk, and compare
    moment: int | None = None  # the time all files get, in nanoseconds; None: they keep theirs
    streaming: bool = False
    atomic: bool = False


class Base:
    """Where a thing that is copied lies now. It has another name until it is whole."""

    def __init__(self, path: str, device: int, *, has_appeared: bool = False) -> None:
        self.path = path
        self.device = device  # st_dev of where it is made
        self.has_appeared = has_appeared  # so others can change it

    def appear(self, path: str) -> None:
        """It has its own name now; other names of files in it are linked to it there."""
        self.path = path
        self.has_appeared = True


class Place(NamedTuple):
    """A name in two folders: where a thing is, and where it is to be."""

    name: str
    source: int  # descriptor of the folder it is in
    folder: str  # path of that, for reports
    target_name: str
    target: int
    base: Base
    inner: str  # the path below the base: empty, or /a/b
    alone: bool = False  # not within a folder that was made for it: it may inherit things there

    @property
    def path(self) -> str:
        """Where it is."""
        return f"{self.folder}/{self.name}"

    @property
    def written(self) -> str:
        """Where its copy lies now."""
        return self.base.path + self.inner


class Copier:
    """Copies things that are no folders, and remembers which of them are one file."""

    def __init__(self, tally: Counts, how: How) -> None:
        self.tally = tally
        self.how = how
        self.metadata = Metadata(tally, how.moment)
        self._content = Content(tally, streaming=how.streaming, atomic=how.atomic)
        self._verifier = Verifier(tally, self.metadata, self._reject) if how.verify else None
        self.note_flush: Callable[[int], None] | None = None  # told when what was written is safe
        self._flushed = (0, 0)  # files and bytes
        self._links: dict[tuple[int, int], tuple[Base, str]] = {}
        self._linked: dict[str, list[Place]] = {}  # other names of what is still to be verified

    def copy(self, place: Place, *, is_file: bool) -> None:
        """Copy one thing. What goes wrong with it is counted; raises OSError for what ends the
        whole copy, JobInterrupted. Only what looks like a file is opened: to open a device can
        set something in motion."""
        try:
            if is_file:
                self._copy(place)
            else:
                self._copy_other(place, _look(place))
        except NotShared:
            self.tally.fail(place.path, "the two places cannot share its blocks")
            self._remove(place)
        except OSError as error:
            if error.errno in FULL:
                raise
            self.tally.fail(place.path, why(error))
            self._remove(place)

    def flush(self) -> None:
        """Finish what waits to be verified. Raises OSError, JobInterrupted."""
        if self._verifier is not None:
            self._verifier.flush()

    def end(self) -> None:
        """Be done, without regard to what waits to be verified."""
        if self._verifier is not None:
            self._verifier.end()

    def flush_sometimes(self, base: Base) -> None:
        """After much was written: have it on the disk, and noted that it is."""
        tally = self.tally
        if self.note_flush is None or (
            tally.files - self._flushed[0] < _FLUSH_FILES
            and tally.size - self._flushed[1] < _FLUSH_BYTES
        ):
            return
        self.flush()
        self._flushed = (tally.files, tally.size)
        moment = time.time_ns() - _CLOCK_STEP
        fd = open_folder(os.path.dirname(base.path))
        try:
            flush_filesystem(fd)
        finally:
            os.close(fd)
        self.note_flush(moment)

    def know(self, found: os.stat_result, base: Base, inner: str) -> None:
        """Remember where a file with several names was copied to."""
        self._links.setdefault((found.st_dev, found.st_ino), (base, inner))

    def _copy(self, place: Place) -> None:
        for _ in range(_ATTEMPTS):
            source = os.open(place.name, _READ, dir_fd=place.source)
            try:
                found = os.fstat(source)
                if not stat.S_ISREG(found.st_mode):
                    self._copy_other(place, found)
                    return
                size = self._copy_file(place, source, found)
                if size is not None:
                    self.tally.done(place.folder, place.name, size, told=size > SMALL)
                    return
            finally:
                os.close(source)
            self._remove(place)
        self.tally.fail(place.path, CHANGED)

    def _copy_file(self, place: Place, source: int, found: os.stat_result) -> int | None:
        """Copy an open file; its bytes, unless they are counted already under another name. None
        where it did not stay the same meanwhile."""
        if found.st_nlink > 1 and self._link(place, found):
            return 0
        target = self._make(place, found)
        if target is not None and not self._write(place, source, target, found):
            return None
        if found.st_nlink > 1:
            self.know(found, place.base, place.inner)
        return found.st_size

    def _write(self, place: Place, source: int, target: int, found: os.stat_result) -> bool:
        """Give a new file, which is closed, all it should have; or have it verified before it gets
        its times. Whether the source stayed the same meanwhile."""
        if self._verifier is None:
            try:
                if not self._fill(place, source, target, found, None):
                    return False
                self.metadata.give_times(target, found)
            finally:
                os.close(target)
            return True
        check = self._verifier.begin(place, target, found)
        try:
            is_same = self._fill(place, source, target, found, check)
        except BaseException:
            self._verifier.drop(check)
            raise
        if is_same:
            self._verifier.complete(check)
        else:
            self._verifier.drop(check)
        return is_same

    def _fill(
        self, place: Place, source: int, target: int, found: os.stat_result, check: Check | None
    ) -> bool:
        """Give a new file all but its times; whether the source stayed the same meanwhile."""
        device = place.base.device
        count = self._content.copy(source, target, found, place.path, device, check)
        now = os.fstat(source)
        # What has no blocks may have no size either, but a guess: as in /proc and /sys.
        is_short = count != found.st_size and found.st_blocks
        if is_short or _version(now) != _version(found):
            return False
        give = self.metadata.give_all if place.alone else self.metadata.give
        give(target, source, found, place.path)
        return True

    def _make(self, place: Place, found: os.stat_result) -> int | None:
        """A new file, open; None where it is there and complete."""
        mode = found.st_mode & 0o777
        try:
            return os.open(place.target_name, _MAKE, mode, dir_fd=place.target)
        except FileExistsError:
            if self.is_complete(place, found):
                return None
            self._remove(place)
            return os.open(place.target_name, _MAKE, mode, dir_fd=place.target)

    def is_complete(self, place: Place, found: os.stat_result) -> bool:
        """Whether a copy that is there is finished, as far as its size and time tell."""
        there = os.stat(place.target_name, dir_fd=place.target, follow_symlinks=False)
        wanted = (stat.S_IFMT(found.st_mode), found.st_size, self.metadata.mark(found))
        return (stat.S_IFMT(there.st_mode), there.st_size, there.st_mtime_ns) == wanted

    def _link(self, place: Place, found: os.stat_result) -> bool:
        """Make another name of a file that was copied already; False where it was not."""
        known = self._links.get((found.st_dev, found.st_ino))
        if known is None or known[0].device != place.base.device:
            return False
        try:
            _link(known[0].path + known[1], place)
        except FileExistsError:
            self._remove(place)
            _link(known[0].path + known[1], place)
        except OSError as error:
            if error.errno in LACKING or error.errno in (errno.EMLINK, errno.EPERM, errno.ENOENT):
                return False
            raise
        if known[0].has_appeared and not self.is_complete(place, found):
            self._remove(place)  # somebody has changed it since
            return False
        if self._verifier is not None:
            self._linked.setdefault(known[0].path + known[1], []).append(place)
        return True

    def _reject(self, place: Place, reason: str) -> None:
        """What was written is not what was read: that goes, under all its names."""
        for one in [place, *self._linked.pop(place.written, ())]:
            self.tally.fail(one.path, reason)
            folder, name = os.path.split(one.written)
            above = open_folder(folder)
            try:
                os.unlink(name, dir_fd=above)
            finally:
                os.close(above)

    def _copy_other(self, place: Place, found: os.stat_result) -> None:
        if found.st_nlink > 1 and self._link(place, found):
            self.tally.done(place.folder, place.name, 0)
            return
        try:
            _make_other(place, found)
        except FileExistsError:
            self._remove(place)
            _make_other(place, found)
        self.metadata.give_by_name(place.target_name, place.target, found)
        if found.st_nlink > 1:
            self.know(found, place.base, place.inner)
        self.tally.done(place.folder, place.name, 0)

    def _remove(self, place: Place) -> None:
        """Be rid of what is not whole."""
        try:
            os.unlink(place.target_name, dir_fd=place.target)
        except FileNotFoundError:
            pass


def _version(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _look(place: Place) -> os.stat_result:
    return os.stat(place.name, dir_fd=place.source, follow_symlinks=False)


def _link(known: str, place: Place) -> None:
    folder, name = os.path.split(known)
    above = open_folder(folder)
    try:
        os.link(
            name,
            place.target_name,
            src_dir_fd=above,
            dst_dir_fd=place.target,
            follow_symlinks=False,
        )
    finally:
        os.close(above)


def _make_other(place: Place, found: os.stat_result) -> None:
    kind = stat.S_IFMT(found.st_mode)
    if kind == stat.S_IFLNK:
        text = os.readlink(place.name, dir_fd=place.source)
        os.symlink(text, place.target_name, dir_fd=place.target)
    elif kind == stat.S_IFIFO:
        os.mkfifo(place.target_name, stat.S_IMODE(found.st_mode), dir_fd=place.target)
    elif kind == stat.S_IFDIR:
        raise IsADirectoryError(errno.EISDIR, "it has become a folder")
    else:
        os.mknod(place.target_name, found.st_mode, found.st_rdev, dir_fd=place.target)
