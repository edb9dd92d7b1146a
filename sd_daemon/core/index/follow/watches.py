"""Watching folders, and knowing which watch is whose."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from sd_daemon.core.index.follow.inotify import Inotify, NoWatches, open_inotify
from sd_daemon.core.index.follow.table import WatchTable
from sd_daemon.core.index.walk import Subtree

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from sd_daemon.core.index.follow.messages import Started
    from sd_daemon.core.index.reading import Folder


class Watches:
    """The watches of one library."""

    def __init__(self, inotify: Inotify, table: WatchTable, own: Iterable[str] = ()) -> None:
        """`own` are the folders in which the daemon itself writes. They are never watched: what
        it writes of what it sees there it would see again."""
        self._own = [Subtree(path) for path in own]
        self.inotify = inotify
        self.table = table
        self.shortage: str | None = None  # why not every folder is watched
        self._last = 0

    def add(self, folder: Folder, fd: int) -> int:
        """Watch the folder open as `fd`, which is the one the index knows as `folder`. Where that
        cannot be done it is noted in `shortage`.

        Returns 0, or the entry of another folder that has this very watch: then they are the same,
        and whose it is remains as it was until `give` is called.
        """
        if any(one.contains(folder.path) for one in self._own):
            return 0
        try:
            watch = self.inotify.watch(fd)
        except NoWatches as error:
            self.shortage = str(error)
            return 0
        except OSError as error:
            if self.shortage is None:
                self.shortage = (
                    f"{folder.path!a} cannot be watched: {os.strerror(error.errno or 0)}"
                )
            return 0
        before = self.table.get(watch)
        if before in (0, folder.id):
            self.table.set(watch, folder.id)
            return 0
        self._last = watch
        return before

    def knows(self, folder: Folder, fd: int) -> bool:
        """Say whether the folder open as `fd` has been watched as `folder` up to now. If not, it
        is not watched after that either."""
        try:
            watch = self.inotify.watch(fd)
        except (NoWatches, OSError):
            return False
        before = self.table.get(watch)
        if not before:
            self.inotify.forget(watch)
        return before == folder.id

    def give(self, folder: int) -> None:
        """Let the watch that `add` found to be another's be that of a folder."""
        self.table.set(self._last, folder)

    def end(self, watch: int, folder: int) -> None:
        """End a watch whose folder is in the index no longer, unless it is another's by now."""
        if self.table.get(watch) == folder:
            self.inotify.forget(watch)
            self.table.set(watch, 0)

    def prune(self, db: sqlite3.Connection) -> None:
        """End all watches whose folders are in the index no longer."""
        query = "SELECT 1 FROM folders WHERE id = ?"
        for watch, folder in list(self.table.watches()):
            if db.execute(query, (folder,)).fetchone() is None:
                self.end(watch, folder)


class Unwatched(Watches):
    """Where there is no inotify."""

    def __init__(self) -> None:
        self.shortage = None

    def add(self, folder: Folder, fd: int) -> int:
        """Nothing can be watched."""
        return 0

    def knows(self, folder: Folder, fd: int) -> bool:
        """Nothing is watched."""
        return False

    def end(self, watch: int, folder: int) -> None:
        """Nothing is watched."""


NO_WATCHES = Unwatched()


def open_watches(started: Started) -> tuple[Watches | None, bool, str | None]:
    """The watches that were handed over, or new ones, which the daemon is given; and why not."""
    if not started.watch:
        return None, False, "files are not watched: that is switched off"
    own = [os.fsdecode(path) for path in started.own]
    if started.inotify >= 0:
        return Watches(Inotify(started.inotify), WatchTable(started.table), own), False, None
    try:
        inotify = open_inotify()
    except (NoWatches, OSError) as error:
        return None, False, str(error)
    table = WatchTable.create()
    with socket.socket(fileno=started.channel) as channel:
        socket.send_fds(channel, [b"!"], [inotify, table])
    return Watches(Inotify(inotify), WatchTable(table), own), True, None
