"""Recognising a folder that was moved, at the moment it is met in its new place.

A folder is the one the index knows by another path when device and inode number agree, that path
does not lead to it any more, and either nothing in it has changed since or it still holds a child
it held before. The last condition is there because a file system gives the inode number of a
deleted folder to the next new one: a person's tags must not jump from one to the other.

Files are matched when the pass settles, since only then is it known which of them are gone.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from sd_daemon.core.db.connection import transaction
from sd_daemon.core.index.roots import adopt, roots_inside
from sd_daemon.core.index.walk import Subtree, loose, open_folder, stat_folder

if TYPE_CHECKING:
    import sqlite3

    from sd_daemon.core.index.names import NameIndex
    from sd_daemon.core.index.store import Store

_CHILDREN_LOOKED_AT = 200


class FolderStat(Protocol):
    """What is asked of a folder that was met."""

    @property
    def st_dev(self) -> int: ...
    @property
    def st_ino(self) -> int: ...
    @property
    def st_mtime_ns(self) -> int: ...


class Moves:
    """Finds known folders in their new places during one pass over the folder at `root`."""

    def __init__(self, db: sqlite3.Connection, names: NameIndex, store: Store, root: str) -> None:
        self._db = db
        self._names = names
        self._store = store
        self._inside = Subtree(root)
        self._roots = roots_inside(db, root)
        # The index by inode is made after the first load; before it there is nothing to find.
        self._known = _has_index(db)

    def claim(self, parent: int, name: str, path: str, found: FolderStat) -> int | None:
        """Give the folder met as `name` in `parent` its known entry, if it has one elsewhere.

        Returns that entry, or None if the folder is new. Opens a transaction of its own.
        """
        entry = self._roots.pop(path, None)
        if entry is None and self._known:
            entry = self._moved_here(path, found)
        if entry is None:
            return None
        was = loose(
            self._db.execute("SELECT path FROM folders WHERE id = ?", (entry,)).fetchone()[0]
        )
        with transaction(self._db):
            lowest = adopt(self._db, self._names, entry, parent, name, path)
            self._store.visit_again(lowest if lowest is not None else entry)
            if was == path or not self._inside.contains(was):
                self._store.recount()
        return entry

    def stop(self) -> None:
        """Take what is met from now on for new.

        Someone who keeps moving folders about while they are read must not keep the pass going.
        """
        self._known = False

    def _moved_here(self, path: str, found: FolderStat) -> int | None:
        rows = self._db.execute(
            "SELECT f.id, f.path, e.mtime FROM folders f JOIN entries e ON e.id = f.id"
            " WHERE f.inode = ? AND f.device = ? AND e.parent != 0",
            (found.st_ino, found.st_dev),
        ).fetchall()
        for entry, stored, mtime in rows:
            was = loose(stored)
            if was == path or self._still_there(was, found) or Subtree(was).contains(path):
                continue
            if mtime == found.st_mtime_ns or self._shares_a_child(int(entry), path):
                return int(entry)
        return None

    def _still_there(self, path: str, found: FolderStat) -> bool:
        try:
            there = stat_folder(path)
        except OSError as error:
            return not isinstance(error, FileNotFoundError | NotADirectoryError)
        return there.st_dev == found.st_dev and there.st_ino == found.st_ino

    def _shares_a_child(self, entry: int, path: str) -> bool:
        rows = self._db.execute(
            "SELECT inode FROM entries WHERE parent = ? LIMIT ?", (entry, _CHILDREN_LOOKED_AT)
        ).fetchall()
        known = {row[0] for row in rows}
        if not known:
            return False
        try:
            fd = open_folder(path)
        except OSError:
            return False
        try:
            with os.scandir(fd) as children:
                return any(child.inode() in known for child in children)
        except OSError:
            return False
        finally:
            os.close(fd)


def _has_index(db: sqlite3.Connection) -> bool:
    query = "SELECT 1 FROM sqlite_master WHERE type = 'index' AND name = 'folders_inode'"
    return db.execute(query).fetchone() is not None
