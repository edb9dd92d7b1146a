"""A folder with all that is in it, built in another folder that nobody looks into yet.

Folders are held open by descriptor, so a path may be as long as it likes, and a folder that is
swapped for a symbolic link meanwhile leads nowhere else. Each gets its owner, mode and times when
all that is in it is there. Part of the files a second process copies; see `beside`.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from sd_daemon.core.fileops.copying.beside import BATCH, Beside
from sd_daemon.core.fileops.copying.file import Base, Copier, Place
from sd_daemon.core.fileops.copying.kernel import FULL
from sd_daemon.core.fileops.copying.metadata import strip_access_lists
from sd_daemon.core.fileops.copying.tally import Why, why
from sd_daemon.core.fileops.erasing import Eraser
from sd_daemon.core.index.walk import join, open_folder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sd_daemon.core.jobs.context import JobContext

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_HELD_OPEN = 200  # folders on the way down; above those they are opened again when needed
_BETWEEN = 8  # files that are copied here between two questions what was done beside
_PATIENCE_S = 0.2  # between two questions whether to go on, while others work
_PRIVATE = 0o700  # of a folder until it is complete


class _Folder:
    """A folder that is being copied, and how far that is."""

    def __init__(
        self, source: str, target: str, inner: str, found: os.stat_result, *, was_there: bool
    ) -> None:
        self.source = source
        self.target = target
        self.inner = inner  # the path below the base: empty, or /a/b
        self.found = found
        self.was_there = was_there  # an earlier run has made it
        self.below: Iterator[str] = iter(())  # names of folders in it that are still to do
        self.lent = 0  # batches of its files that a second process has
        self.is_passed = False  # all below it is done, but for what is lent
        self._source_fd = self._target_fd = -1

    def opened(self, source_fd: int, target_fd: int) -> None:
        """Take over descriptors."""
        self._source_fd, self._target_fd = source_fd, target_fd

    @property
    def fds(self) -> tuple[int, int]:
        """Descriptors of both sides. Raises OSError."""
        if self._source_fd < 0:
            self._source_fd = open_folder(self.source)
            try:
                self._target_fd = open_folder(self.target)
            except OSError:
                self.close()
                raise
        return self._source_fd, self._target_fd

    def close(self) -> None:
        """Hold it open no longer."""
        for fd in (self._source_fd, self._target_fd):
            if fd >= 0:
                os.close(fd)
        self._source_fd = self._target_fd = -1


class TreeCopier:
    """Copies folders."""

    def __init__(self, copier: Copier, context: JobContext) -> None:
        self._copier = copier
        self._context = context
        self._tally = copier.tally
        self._metadata = copier.metadata
        self._beside: Beside[_Folder] = Beside(copier, context.fork)

    def end(self) -> None:
        """Be done: nothing is written any more."""
        self._beside.end()

    def copy(self, source: str, base: Base) -> None:
        """Copy the folder `source` as the folder `base.path`, which may be there in parts. What
        goes wrong with single things in it is counted. Raises OSError, JobInterrupted."""
        stack: list[_Folder] = []
        try:
            source_fd = open_folder(source)
            try:
                found = os.fstat(source_fd)
                target_fd, was_there = _make(base.path, None)
                _make_private(target_fd)
            except BaseException:
                os.close(source_fd)
                raise
            top = _Folder(source, base.path, "", found, was_there=was_there)
            top.opened(source_fd, target_fd)
            stack.append(top)
            self._copy_things(top, base)
            while stack:
                self._go_on(stack, base)
            while self._beside.is_busy:
                self._collect(base, _PATIENCE_S)
                self._tally.tell(source)
            self._copier.flush()
        finally:
            stack += self._beside.recall()
            for folder in stack:
                folder.close()

    def _go_on(self, stack: list[_Folder], base: Base) -> None:
        """One folder down, or up."""
        here = stack[-1]
        name = next(here.below, None)
        if name is None:
            here.is_passed = True
            if not here.lent:
                self._complete(here)
            stack.pop()
            self._copier.flush_sometimes(base)
            return
        below = self._enter(here, name)
        if below is None:
            return
        stack.append(below)
        if len(stack) > _HELD_OPEN:
            stack[-_HELD_OPEN - 1].close()
        self._copy_things(below, base)

    def _enter(self, above: _Folder, name: str) -> _Folder | None:
        path = join(above.source, name)
        try:
            source_above, target_above = above.fds
            source = os.open(name, _OPEN, dir_fd=source_above)
        except OSError as error:
            self._tally.fail(path, why(error))
            return None
        try:
            found = os.fstat(source)
            target, was_there = _make(name, target_above)
        except OSError as error:
            os.close(source)
            if error.errno in FULL:
                raise
            self._tally.fail(path, why(error))
            return None
        written, inner = f"{above.target}/{name}", f"{above.inner}/{name}"
        folder = _Folder(path, written, inner, found, was_there=was_there)
        folder.opened(source, target)
        return folder

    def _copy_things(self, folder: _Folder, base: Base) -> None:
        """Copy what is no folder, and note the folders."""
        source, _target = folder.fds
        below = []
        try:
            with os.scandir(source) as entries:
                listed = sorted(entries, key=os.DirEntry.inode)
        except OSError as error:
            self._tally.fail(folder.source, why(error))
            listed = []
        else:
            if folder.was_there:
                self._clear(folder, listed)
        files = []
        for entry in listed:
            if entry.is_dir(follow_symlinks=False):
                below.append(entry.name)
            elif entry.is_file(follow_symlinks=False):
                files.append(entry.name)
            else:
                self._copier.copy(_place(folder, entry.name, base), is_file=False)
        self._copy_files(folder, files, base)
        folder.below = iter(below)

    def _clear(self, folder: _Folder, listed: list[os.DirEntry[str]]) -> None:
        """Be rid of what an earlier run made of a name that is gone by now, or that was a folder
        and is none, or became one."""
        kinds = {entry.name: entry.is_dir(follow_symlinks=False) for entry in listed}
        with os.scandir(folder.fds[1]) as entries:
            stale = [
                entry.name
                for entry in entries
                if kinds.get(entry.name) is not entry.is_dir(follow_symlinks=False)
            ]
        for name in stale:
            Eraser(self._context, unlock=True).erase(f"{folder.target}/{name}")

    def _copy_files(self, folder: _Folder, names: list[str], base: Base) -> None:
        """Copy files here, or have them copied beside."""
        beside, at = self._beside, 0
        while at < len(names):
            if beside.takes():
                batch = names[at : at + BATCH]
                beside.give(folder, batch, *folder.fds, base.device)
                folder.lent += 1
            else:
                batch = names[at : at + _BETWEEN]
                self._copy_here(folder, batch, base)
            at += len(batch)
            if beside.is_busy:
                self._collect(base)

    def _collect(self, base: Base, patience: float = 0) -> None:
        """Count what was copied beside, and do what was left."""
        tally = self._tally
        for folder, outcome in self._beside.outcomes(patience):
            folder.lent -= 1
            for name, reason, number in outcome.failed:
                tally.fail(join(folder.source, name), Why(number) if number else reason)
                with suppress(FileNotFoundError):  # it is there where it was rejected
                    os.unlink(name, dir_fd=folder.fds[1])
            for name, reason in outcome.warnings:
                tally.warn(join(folder.source, name), reason)
            if outcome.error is not None:
                raise OSError(outcome.error, os.strerror(outcome.error))
            tally.files += outcome.files
            tally.size += outcome.size
            self._copy_here(folder, outcome.left, base)
            if folder.is_passed and not folder.lent:
                self._complete(folder)
            tally.tell(folder.source)

    def _copy_here(self, folder: _Folder, names: list[str], base: Base) -> None:
        if not names:
            return
        source, target = folder.fds
        copy, path, inner = self._copier.copy, folder.source, folder.inner
        for name in names:
            place = Place(name, source, path, name, target, base, f"{inner}/{name}")
            copy(place, is_file=True)

    def _complete(self, folder: _Folder) -> None:
        """Give a folder whose things are all there what else it has."""
        try:
            source, target = folder.fds
            self._metadata.give_all(target, source, folder.found, folder.source)
            if self._metadata.moment is None:
                self._metadata.give_times(target, folder.found)
        except OSError as error:
            if error.errno in FULL:
                raise
            self._tally.warn(folder.source, why(error))
        folder.close()
        self._tally.folders += 1


def _place(folder: _Folder, name: str, base: Base) -> Place:
    source, target = folder.fds
    return Place(name, source, folder.source, name, target, base, f"{folder.inner}/{name}")


def _make(name: str, above: int | None) -> tuple[int, bool]:
    """Make a folder and open it; whether it was there.

    One that was there may have been complete before the job was interrupted: what it has then must
    not keep anything out, nor be inherited.
    """
    try:
        os.mkdir(name, _PRIVATE, dir_fd=above)
    except FileExistsError:
        fd = os.open(name, _OPEN, dir_fd=above)
        try:
            _make_private(fd)
        except BaseException:
            os.close(fd)
            raise
        return fd, True
    return os.open(name, _OPEN, dir_fd=above), False


def _make_private(fd: int) -> None:
    """Let a folder be as it is until it is complete."""
    strip_access_lists(fd)
    with suppress(PermissionError):  # where nobody may change groups, it keeps that
        os.fchown(fd, -1, os.getegid())  # and what it inherited besides
    os.fchmod(fd, _PRIVATE)


def copy_thing(
    copier: Copier, tree: TreeCopier, source: str, found: os.stat_result, base: Base
) -> None:
    """Copy what is at `source`, a folder or not, as `base.path`. Raises OSError, JobInterrupted."""
    if stat.S_ISDIR(found.st_mode):
        tree.copy(source, base)
        return
    folder, name = os.path.split(source)
    above, target_name = os.path.split(base.path)
    source_fd = open_folder(folder)
    try:
        target_fd = open_folder(above)
        try:
            place = Place(name, source_fd, folder, target_name, target_fd, base, "", alone=True)
            copier.copy(place, is_file=stat.S_ISREG(found.st_mode))
        finally:
            os.close(target_fd)
    finally:
        os.close(source_fd)
