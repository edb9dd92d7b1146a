"""Comparing a very large folder with the index, in memory that does not grow with it.

What the disk holds is put into a temporary table on disk, which SQLite then joins with the entries
of the folder. Both ways the names come in order and in slices, and a slice is fetched whole before
it is handed out, so that entries may be added and changed meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sd_daemon.core.index.walk import exact, loose

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

_SLICE = 5000
UNREADABLE = -1  # as a kind: the name is there, but could not be looked at


class Known(NamedTuple):
    """An entry as the index has it."""

    id: int
    kind: int
    size: int
    mtime: int
    ctime: int
    inode: int


class Listed(NamedTuple):
    """What os.stat said of an entry, under the names it uses."""

    st_size: int
    st_mtime_ns: int
    st_ctime_ns: int
    st_ino: int
    st_dev: int


class Listing:
    """The names in one folder on the disk, beside those the index knows in the folder `folder`."""

    def __init__(self, db: sqlite3.Connection, folder: int) -> None:
        self._db = db
        self._folder = folder
        self._rows: list[tuple[object, ...]] = []
        db.execute(
            "CREATE TEMP TABLE IF NOT EXISTS listing (name PRIMARY KEY, kind, size, mtime, ctime,"
            " inode, device) WITHOUT ROWID"
        )
        db.execute("DELETE FROM temp.listing")

    def add(self, name: str, kind: int, found: Listed) -> None:
        """Add a name that is on the disk."""
        self._rows.append((exact(name), kind, *found))
        if len(self._rows) >= _SLICE:
            self._write()

    def met(self) -> Iterator[tuple[str, int, Listed, Known | None]]:
        """Yield each name on the disk with its kind, its stat, and what the index knows of it."""
        self._write()
        last: object = ""
        while True:
            rows = self._db.execute(
                "SELECT l.name, l.kind, l.size, l.mtime, l.ctime, l.inode, l.device,"
                " e.id, e.kind, e.size, e.mtime, e.ctime, e.inode"
                " FROM temp.listing l LEFT JOIN entries e ON e.parent = ? AND e.name = l.name"
                " WHERE l.name > ? ORDER BY l.name LIMIT ?",
                (self._folder, last, _SLICE),
            ).fetchall()
            if not rows:
                return
            last = rows[-1][0]
            for row in rows:
                known = Known(*row[7:]) if row[7] is not None else None
                yield loose(row[0]), row[1], Listed(*row[2:7]), known

    def gone(self) -> Iterator[Known]:
        """Yield each entry that the index knows and the disk does not hold."""
        last: object = ""
        while True:
            rows = self._db.execute(
                "SELECT e.name, e.id, e.kind, e.size, e.mtime, e.ctime, e.inode FROM entries e"
                " WHERE e.parent = ? AND e.name > ?"
                " AND NOT EXISTS (SELECT 1 FROM temp.listing l WHERE l.name = e.name)"
                " ORDER BY e.name LIMIT ?",
                (self._folder, last, _SLICE),
            ).fetchall()
            if not rows:
                return
            last = rows[-1][0]
            for row in rows:
                yield Known(*row[1:])

    def close(self) -> None:
        """Give the disk space back."""
        self._db.execute("DELETE FROM temp.listing")

    def _write(self) -> None:
        self._db.executemany(
            "INSERT OR IGNORE INTO temp.listing VALUES (?, ?, ?, ?, ?, ?, ?)", self._rows
        )
        self._rows.clear()
