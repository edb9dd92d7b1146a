"""The root folders of locations, and how they lie inside each other.

The root of a location is an entry like any other. When its folder lies in no other location, its
parent is 0 and its name is its absolute path. When another location around it is indexed, the
entry takes its ordinary place there, with the id it has; when that other location goes, it becomes
a root of its own again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sd_daemon.core.index.errors import RootMissing, root_failure
from sd_daemon.core.index.walk import (
    DIRECTORY,
    KIND_BY_TYPE,
    Subtree,
    exact,
    join,
    loose,
    stat_folder,
)

if TYPE_CHECKING:
    import os
    import sqlite3

    from sd_daemon.core.index.names import NameIndex


def plant_root(db: sqlite3.Connection, path: str) -> int:
    """Return the id of the entry for the root folder at `path`, adding it if it is not known.

    `path` is absolute, without a trailing slash, as os.fsdecode gives it. The caller holds the
    transaction. Raises RootMissing, RootUnreadable.
    """
    stored = exact(path)
    row = db.execute("SELECT id FROM folders WHERE path = ?", (stored,)).fetchone()
    if row is not None:
        return int(row[0])
    try:
        found = stat_folder(path)
    except OSError as error:
        raise root_failure(_bytes(path), error) from error
    if KIND_BY_TYPE[found.st_mode >> 12] != DIRECTORY:
        raise RootMissing(_bytes(path))
    entry = db.execute(
        "INSERT INTO entries (parent, name, kind, size, mtime, ctime, inode)"
        " VALUES (0, ?, ?, ?, ?, ?, ?)",
        (stored, DIRECTORY, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino),
    ).lastrowid
    assert entry is not None
    db.execute(
        "INSERT OR REPLACE INTO folders (id, path, device, mtime, ctime, inode, scan)"
        " VALUES (?, ?, ?, 0, 0, ?, 0)",
        (entry, stored, found.st_dev, found.st_ino),
    )
    return entry


def roots_inside(db: sqlite3.Connection, path: str) -> dict[str, int]:
    """Return the roots of locations below `path` that have no place in its tree yet, by path."""
    rows = db.execute(
        "SELECT l.path, l.entry FROM locations l JOIN entries e ON e.id = l.entry"
        " WHERE e.parent = 0"
    )
    inside = Subtree(path)
    found = {loose(stored): int(entry) for stored, entry in rows}
    return {
        there: entry for there, entry in found.items() if there != path and inside.contains(there)
    }


def adopt(
    db: sqlite3.Connection, names: NameIndex, entry: int, parent: int, name: str, path: str
) -> list[int]:
    """Give a known folder the place `name` in the folder `parent`, with everything below it.

    `path` is where it is now. Returns it and the folders below it if its path has changed, else
    nothing. The caller holds the transaction.
    """
    old_name = db.execute("SELECT name FROM entries WHERE id = ?", (entry,)).fetchone()[0]
    old_path = loose(db.execute("SELECT path FROM folders WHERE id = ?", (entry,)).fetchone()[0])
    stored = exact(name)
    db.execute("UPDATE entries SET parent = ?, name = ? WHERE id = ?", (parent, stored, entry))
    names.rename(entry, old_name, stored)
    db.execute("DELETE FROM vanished WHERE entry = ?", (entry,))
    # Its new folder holds something now: it must not be taken for one that was never read.
    db.execute("UPDATE folders SET scan = -1 WHERE id = ? AND scan = 0", (parent,))
    return _move_paths(db, old_path, path) if path != old_path else []


def _move_paths(db: sqlite3.Connection, old: str, new: str) -> list[int]:
    """Correct the paths of a folder and all folders below it; returns the ids of them."""
    below = Subtree(old)
    rows = db.execute(
        f"SELECT id, path FROM folders WHERE {below.where('path')}", below.params
    ).fetchall()
    moved = [(exact(_moved(loose(path), old, new)), entry) for entry, path in rows]
    db.executemany("UPDATE OR REPLACE folders SET path = ? WHERE id = ?", moved)
    rows = db.execute(
        f"SELECT id, path FROM locations WHERE {below.where('path')}", below.params
    ).fetchall()
    places = [(exact(_moved(loose(path), old, new)), entry) for entry, path in rows]
    db.executemany("UPDATE locations SET path = ? WHERE id = ?", places)
    return [int(entry) for _, entry in moved]


def _moved(path: str, old: str, new: str) -> str:
    return new if path == old else join(new, path[len(old.rstrip("/")) + 1 :])


def detach_nested(db: sqlite3.Connection, names: NameIndex, folder: int) -> list[int]:
    """Make the roots of locations that lie directly in `folder` roots of their own again.

    Their entries, and all below, keep their ids. The caller holds the transaction, and calls this
    for each folder before what the folder holds is taken out. Returns their entries.
    """
    rows = db.execute(
        "SELECT e.id, e.name, l.path FROM locations l JOIN entries e ON e.id = l.entry"
        " WHERE e.parent = ?",
        (folder,),
    ).fetchall()
    for entry, name, path in rows:
        detach(db, names, entry, name, path)
    return [int(row[0]) for row in rows]


def detach(
    db: sqlite3.Connection, names: NameIndex, entry: int, name: str | bytes, path: str | bytes
) -> None:
    """Make the root of a location at the stored `path`, called `name` so far, a root of its own."""
    db.execute("UPDATE entries SET parent = 0, name = ? WHERE id = ?", (path, entry))
    names.rename(entry, name, path)
    db.execute("DELETE FROM vanished WHERE entry = ?", (entry,))


def same_folder(one: os.stat_result, device: int, inode: int) -> bool:
    """Say whether `one` is the stat of the folder with this device and inode number."""
    return one.st_dev == device and one.st_ino == inode


def _bytes(path: str) -> bytes:
    stored = exact(path)
    return stored if isinstance(stored, bytes) else stored.encode()
