"""Recognising a folder that was moved, at the moment it is met in its new place.

A folder is the one the index knows by another path when device and inode number agree, that path
leads to no folder any more, and it is not younger than what is known of it (birth.py). Where the
file system does not tell that, either nothing in it may have changed since or it must still hold a
child it held before. The last condition is there because a file system gives the inode number of a
deleted folder to the next new one: a person's tags must not jump from one to the other.

Where the old path leads to another folder (two have changed places, say), the name decides: the
entry stands for what has its name now. It may have been read as that already, so taking it away
from there would leave its name out of the index, and what was read under it in the wrong place.

Files are matched when the pass settles, since only then is it known which of them are gone.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, Protocol

from sd_daemon.core.db.connection import transaction
from sd_daemon.core.index.announcements import Change
from sd_daemon.core.index.birth import Proof, prove
from sd_daemon.core.index.roots import adopt, roots_inside
from sd_daemon.core.index.walk import GONE, Subtree, exact, join, loose, open_folder, stat_folder

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Container

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

    def __init__(
        self,
        db: sqlite3.Connection,
        names: NameIndex,
        store: Store,
        root: str,
        deleted: Container[int] = (),
    ) -> None:
        """`deleted`: folders that are known not to be anywhere any more."""
        self._db = db
        self._names = names
        self._store = store
        self._deleted = deleted
        self._inside = Subtree(root)
        self._real = os.path.realpath(root)
        self._roots = roots_inside(db, root)
        # The index by inode is made after the first load; before it there is nothing to find.
        self._known = _has_index(db)
        self.paths_changed = 0  # times that paths of known folders were corrected

    def claim(self, parent: int, name: str, path: str, found: FolderStat) -> list[int]:
        """Give the folder met as `name` in `parent` its known entry, if it has one elsewhere.

        Returns that entry and then the folders below it, which are visited once more; nothing if
        the folder is new. Opens a transaction of its own.
        """
        entry = self._roots.pop(path, None)
        if entry is None and self._known:
            entry = self._moved_here(path, found)
        if entry is None:
            return []
        was = loose(
            self._db.execute("SELECT path FROM folders WHERE id = ?", (entry,)).fetchone()[0]
        )
        with transaction(self._db):
            below = adopt(self._db, self._names, entry, parent, name, path)
            self._store.reopen(below)
            self._store.visit_again(min(below, default=entry))
            if was == path or not self._inside.contains(was):
                self._store.recount()
            if was != path:
                self._store.announcements.note(Change.MOVED, (entry, exact(was), exact(path)))
        self.paths_changed += 1
        return [entry, *below]

    def stop(self) -> None:
        """Take what is met from now on for new.

        Someone who keeps moving folders about while they are read must not keep the pass going.
        """
        self._known = False

    def _moved_here(self, path: str, found: FolderStat) -> int | None:
        rows = self._db.execute(
            "SELECT f.id, f.path, e.mtime, e.ctime FROM folders f JOIN entries e ON e.id = f.id"
            " WHERE f.inode = ? AND f.device = ? AND e.parent != 0",
            (found.st_ino, found.st_dev),
        ).fetchall()
        above, _, name = path.rpartition("/")
        for entry, stored, mtime, seen in rows:
            was = loose(stored)
            if (
                entry in self._deleted
                or was == path
                or self._is_taken(was)
                or Subtree(was).contains(path)
            ):
                continue
            proof = prove(above or "/", name, inode=found.st_ino, seen=seen)
            if proof is Proof.OTHER:
                continue
            if (
                proof is Proof.SAME
                or mtime == found.st_mtime_ns
                or self._shares_a_child(int(entry), path)
            ):
                return int(entry)
        return None

    def _is_taken(self, path: str) -> bool:
        """Say whether a folder is at `path`, this one or another."""
        try:
            there = stat_folder(path)
        except OSError as error:
            return error.errno not in GONE
        return stat.S_ISDIR(there.st_mode) and self._is_straight(path)

    def _is_straight(self, path: str) -> bool:
        """Say whether `path` leads through folders alone.

        One that was moved may have left a symbolic link behind, and what is seen through that is
        not in its old place.
        """
        root = self._inside.path
        if path == root or not self._inside.contains(path):
            return True
        rest = path[len(root.rstrip("/")) + 1 :]
        return os.path.realpath(path) == join(self._real, rest)

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
