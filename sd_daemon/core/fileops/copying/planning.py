"""What a copy or move will do, name by name, before anything is done. Only looks.

A name that is free is one task, whatever is below it. Where two folders meet they are joined, and
everything in the one becomes a task of its own. What else meets a name that is taken is a conflict,
and the order says what becomes of it.
"""

from __future__ import annotations

import errno
import os
import stat
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from sd_daemon.core.index.walk import join, open_folder, stat_in
from sd_daemon.core.paths import shown
from sd_wire.errors import DoubledTarget, FileConflict, KindConflict
from sd_wire.operations.files import ConflictResolution

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from sd_daemon.core.fileops.copying.order import CopyOrder, Pair
    from sd_wire.errors import SdError

_BLOCK = 512
_PAGE = 4096  # what a file takes at least, and in steps of


class Action(StrEnum):
    """What happens to one thing, as files.preview has it."""

    COPY = "copy"
    MOVE = "move"
    OVERWRITE = "overwrite"
    RENAME = "rename"
    SKIP = "skip"
    JOIN = "join"
    LEAVE = "leave"  # a folder that was moved into another is empty now
    ABORT = "abort"


class Task(msgspec.Struct):
    """One thing, and what happens to it."""

    action: Action
    source: str
    target: str
    found: os.stat_result
    taken: os.stat_result | None = None  # what has the name now
    resolution: ConflictResolution | None = None
    moves: bool = False  # the source goes
    conflict: str | None = None  # the name that is taken, where it gets another

    @property
    def is_transfer(self) -> bool:
        """Whether something is copied or moved."""
        return self.action in _TRANSFERS


_TRANSFERS = frozenset((Action.COPY, Action.MOVE, Action.OVERWRITE, Action.RENAME))


def look(path: str) -> os.stat_result | None:
    """The stat of what is at a path, or None. Raises OSError for what cannot be looked at."""
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
    try:
        return stat_in(*os.path.split(path))
    except (FileNotFoundError, NotADirectoryError):
        return None


_WORDS = {
    stat.S_IFDIR: "folder",
    stat.S_IFREG: "file",
    stat.S_IFLNK: "link",
    stat.S_IFIFO: "pipe",
    stat.S_IFSOCK: "socket",
}


def kind_word(found: os.stat_result) -> str:
    """What a person calls such a thing."""
    return _WORDS.get(stat.S_IFMT(found.st_mode), "device")


def mixed_kinds(
    source: str, found: os.stat_result, target: str, taken: os.stat_result
) -> KindConflict | None:
    """What is wrong where a folder has the name that something else would get, or the other way
    round; or None."""
    if _are_alike(found, taken):
        return None
    return KindConflict(
        path=shown(target),
        there=kind_word(taken),
        newcomer=kind_word(found),
        source=shown(source),
    )


def conflict_of(tasks: list[Task]) -> SdError:
    """What is wrong with tasks that would give names which are taken. A folder and what is none
    come first: to overwrite would not help there."""
    for task in tasks:
        if task.taken is not None:
            mixed = mixed_kinds(task.source, task.found, task.target, task.taken)
            if mixed is not None:
                return mixed
    for task in tasks:
        if task.taken is None:
            return DoubledTarget(path=shown(task.target), source=shown(task.source))
    return FileConflict(path=shown(tasks[0].target), count=len(tasks))


class Planner:
    """Finds the tasks of an order."""

    def __init__(self, order: CopyOrder) -> None:
        self._order = order
        self._transfer = Action.MOVE if order.move else Action.COPY
        self._given: set[str] = set()  # names that this very order gives
        self.problems: list[tuple[str, OSError]] = []  # what could not be looked at

    def tasks(self) -> Iterator[Task]:
        """All of them, in the order in which they are to be done. Raises KindConflict."""
        for pair in self._order.pairs:
            yield from self.of_pair(pair)

    def of_pair(self, pair: Pair) -> Iterator[Task]:
        """The tasks of one source. Raises KindConflict."""
        found = look(pair.source)
        if found is None:
            self.problems.append((pair.source, FileNotFoundError(2, os.strerror(2))))
            return
        yield from self._of(pair.source, pair.target, found)

    def _of(
        self, source: str, target: str, found: os.stat_result, *, inner: bool = False
    ) -> Iterator[Task]:
        taken, moves = look(target), self._order.move
        if taken is None and target not in self._given:
            self._given.add(target)
            yield Task(self._transfer, source, target, found, moves=moves)
            return
        decided = self._order.decisions.get(target)
        wanted = decided or self._order.resolution
        meet = taken is not None and _are_folders(found, taken) and target not in self._given
        joins = meet and inner and decided is None  # the folders that hold them are joined, too
        if wanted is ConflictResolution.AUTO_MODIFY_NAME and not joins:
            free = self._free(target)
            self._given.add(free)
            yield Task(Action.RENAME, source, free, found, taken, wanted, moves, target)
        elif taken is not None and meet:
            if decided is ConflictResolution.SKIP:
                yield Task(Action.SKIP, source, target, found, taken, wanted)
            else:
                yield from self._joined(source, target, found, taken)
        elif wanted is ConflictResolution.SKIP:
            yield Task(Action.SKIP, source, target, found, taken, wanted)
        elif wanted is ConflictResolution.OVERWRITE and target not in self._given:
            self._given.add(target)
            task = Task(Action.OVERWRITE, source, target, found, taken, wanted, moves)
            if taken is not None and not _are_alike(found, taken):
                raise conflict_of([task])
            yield task
        else:
            yield Task(Action.ABORT, source, target, found, taken, None)

    def _joined(
        self, source: str, target: str, found: os.stat_result, taken: os.stat_result
    ) -> Iterator[Task]:
        yield Task(Action.JOIN, source, target, found, taken)
        try:
            fd = open_folder(source)
            try:
                names = sorted(os.listdir(fd))
            finally:
                os.close(fd)
        except OSError as error:
            self.problems.append((source, error))
            return
        for name in names:
            one = look(join(source, name))
            if one is not None:
                yield from self._of(join(source, name), join(target, name), one, inner=True)
        if self._order.move:
            yield Task(Action.LEAVE, source, target, found)

    def _free(self, target: str) -> str:
        """A name like this one that nothing has: `name (1).ext`, `name (2).ext`, ..."""
        folder, name = os.path.split(target)
        stem, extension = os.path.splitext(name)
        number = 0
        while True:
            number += 1
            end = f" ({number}){extension}"
            while stem and len(os.fsencode(stem + end)) > 255:
                stem = stem[:-1]
            free = join(folder, stem + end)
            if free not in self._given and look(free) is None:
                return free


def _are_alike(one: os.stat_result, other: os.stat_result) -> bool:
    """Whether both are folders, or none is."""
    return stat.S_ISDIR(one.st_mode) == stat.S_ISDIR(other.st_mode)


def _are_folders(one: os.stat_result, other: os.stat_result) -> bool:
    return stat.S_ISDIR(one.st_mode) and stat.S_ISDIR(other.st_mode)


class Extent:
    """How much is at some paths: what has several names counts once."""

    def __init__(self) -> None:
        self.files = 0
        self.folders = 0
        self.size = 0  # bytes of content
        self.needed = 0  # bytes that a copy takes, with holes kept
        self.problems: list[tuple[str, OSError]] = []
        self._seen: set[tuple[int, int]] = set()

    def walk(
        self, path: str, found: os.stat_result, closed: Container[str] = ()
    ) -> Iterator[tuple[str, os.stat_result]]:
        """Count what is at a path, and below it; each thing that is counted, one by one. What is
        below folders that are `closed` does not count."""
        self._count(found)
        yield path, found
        folders = [path] if stat.S_ISDIR(found.st_mode) else []
        while folders:
            folder = folders.pop()
            try:
                fd = open_folder(folder)
            except OSError as error:
                self.problems.append((folder, error))
                continue
            try:
                with os.scandir(fd) as entries:
                    for entry in entries:
                        try:
                            inner = entry.stat(follow_symlinks=False)
                        except FileNotFoundError:
                            continue
                        self._count(inner)
                        place = join(folder, entry.name)
                        yield place, inner
                        if stat.S_ISDIR(inner.st_mode) and place not in closed:
                            folders.append(place)
            except OSError as error:
                self.problems.append((folder, error))
            finally:
                os.close(fd)

    def _count(self, found: os.stat_result) -> None:
        mode = found.st_mode
        if stat.S_ISDIR(mode):
            self.folders += 1
            return
        self.files += 1
        if found.st_nlink > 1:
            identity = (found.st_dev, found.st_ino)
            if identity in self._seen:
                return
            self._seen.add(identity)
        if stat.S_ISREG(mode):
            self.size += found.st_size
            allocated = found.st_blocks * _BLOCK
            whole = -(-found.st_size // _PAGE) * _PAGE
            self.needed += allocated if allocated < found.st_size else whole
