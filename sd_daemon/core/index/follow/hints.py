"""What is to be looked at: names in folders, and renames in the order in which they happened.

An event says only that a name may be different now; what it is, the disk says. A rename is more
than that, since afterwards nobody can tell it from a deletion and a new file: so the two halves of
one are put together here, by the cookie the kernel gives both.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from sd_daemon.core.index.follow.inotify import (
    ATTRIB,
    IGNORED,
    IS_DIRECTORY,
    MOVED_FROM,
    MOVED_TO,
    OVERFLOW,
    UNMOUNT,
    Event,
)
from sd_daemon.core.index.walk import exact

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sd_daemon.core.index.follow.table import WatchTable

MOST_NAMES = 4096  # of one folder; more, and all of it is looked at
HALF_S = 1.0  # that a rename stays half told, before it is taken for one to somewhere else
UNSETTLED_S = 5.0  # the same while folders are on their way
MOST_RENAMES = 50_000  # in order; more, and everything is looked at


class Rename(NamedTuple):
    """A name in a folder (entries.id) became another, perhaps in another folder."""

    folder: int
    name: str
    to_folder: int
    to_name: str


class _Half(NamedTuple):
    """A name that was renamed to nobody knows what."""

    folder: int
    name: str
    at: float


class Hints:
    """Gathered since they were last taken.

    `folders` has the names to look at by folder; None stands for all of them. `opened` are folders
    whose permissions may be different, `deleted` those of which the watch has ended. `watches` has
    the last watch that told of a folder.
    """

    def __init__(self) -> None:
        self.folders: dict[int, set[str] | None] = {}
        self.renames: list[Rename] = []
        self.opened: set[tuple[int, str]] = set()
        self.watches: dict[int, int] = {}
        self.deleted: set[int] = set()
        self.overflow = False
        self._halves: dict[int, _Half] = {}
        self._moving: set[tuple[int, str]] = set()

    def __bool__(self) -> bool:
        return bool(self.folders or self.renames or self.overflow)

    def mark(self, folder: int, name: str) -> None:
        """Have a name looked at; no name: the folder itself."""
        names = self.folders.setdefault(folder, set())
        if names is None:
            return
        if name:
            names.add(name)
        if len(names) > MOST_NAMES:
            self.folders[folder] = None

    def mark_all(self, folder: int) -> None:
        """Have everything in a folder looked at."""
        self.folders[folder] = None

    def lose(self) -> None:
        """Note that not everything was told."""
        self.overflow = True
        self.renames.clear()
        self._halves.clear()
        self._moving.clear()

    def add(self, other: Hints) -> None:
        """Take over what was to be done and was not: it came before what is here."""
        for folder, names in other.folders.items():
            if names is None:
                self.mark_all(folder)
            else:
                for name in names or ("",):
                    self.mark(folder, name)
        self.renames[:0] = other.renames
        self._moving |= other._moving
        self.opened |= other.opened
        self.deleted |= other.deleted
        self.watches = other.watches | self.watches
        self.overflow = self.overflow or other.overflow

    def take_events(self, events: Iterable[Event], table: WatchTable) -> None:
        """Understand what the kernel has told."""
        for event in events:
            watch, mask, _, name = event
            folder = table.get(watch)
            if mask & OVERFLOW:
                self.lose()
            elif mask & IGNORED:
                self.deleted.add(folder)
                table.set(watch, 0)
            elif not folder or mask & UNMOUNT:
                continue  # the table of mounts tells what became of it
            else:
                self.watches[folder] = watch
                if mask & (MOVED_FROM | MOVED_TO):
                    self._take_half(event, folder)
                elif mask & ATTRIB and mask & IS_DIRECTORY and name:
                    self.opened.add((folder, name))
                self.mark(folder, name)

    def _take_half(self, event: Event, folder: int) -> None:
        if event.mask & MOVED_FROM:
            self._halves[event.cookie] = _Half(folder, event.name, time.monotonic())
            return
        source = self._halves.pop(event.cookie, None)
        if source is not None:
            self.renames.append(Rename(source.folder, source.name, folder, event.name))
            self._moving |= {source[:2], (folder, event.name)}
            if len(self.renames) > MOST_RENAMES:
                self.lose()

    def is_moving(self, folder: int, name: str) -> bool:
        """Say whether a name has been part of a rename, whole or half."""
        place = folder, name
        return place in self._moving or any(half[:2] == place for half in self._halves.values())

    def halves(self) -> set[tuple[int, str | bytes]]:
        """What was renamed to where nobody has told yet, as the database holds it."""
        return {(half.folder, exact(half.name)) for half in self._halves.values()}

    def next(self, *, unsettled: bool) -> Hints:
        """Empty hints for what comes next. A rename that is only half told stays one for a while,
        and what had the name is looked at again; after that it has been moved out of sight. Until
        then it may be in a folder that is so new that it was not watched, above all while it is
        `unsettled` where other folders are."""
        following = Hints()
        following.deleted = self.deleted
        for cookie, half in self._halves.items():
            age = time.monotonic() - half.at
            if age < (UNSETTLED_S if unsettled else HALF_S):
                following._halves[cookie] = half
                following.mark(half.folder, half.name)
        return following
