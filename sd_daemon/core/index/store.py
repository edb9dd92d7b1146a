"""What a pass wants to write, and writing it.

A pass gathers its findings in a `Batch` without holding any lock, however slow the disk it reads,
and `Store.save` writes the batch in one short transaction together with the pass's position. So
the index stands at every instant exactly where `scans` says it stands.

Ids are given out by SQLite while the rows go in. They rise by one from row to row, which is how
the rows of `folders` learn theirs.
"""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

from sd_daemon.core.db.connection import transaction
from sd_daemon.core.index.walk import DIRECTORY, exact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sd_daemon.core.index.announcements import Announcements, Stat
    from sd_daemon.core.index.report import Counts

WIDTH = 7  # values per row of Batch.rows
_AT_ONCE = 100  # rows per INSERT; more gain nothing

_INSERT_ENTRY = "INSERT INTO entries (parent, name, kind, size, mtime, ctime, inode) VALUES "
_INSERT_FOLDER = (
    "INSERT OR REPLACE INTO folders (path, device, mtime, ctime, inode, id, scan) VALUES "
)
_UPDATE_STAT = (
    "UPDATE entries SET size = ?, mtime = ?, ctime = ?, inode = ?, content = NULL WHERE id = ?"
)
_VANISH_ALL = (
    "INSERT OR REPLACE INTO vanished (entry, scan, parent, device, inode, inside, open)"
    f" SELECT id, ?1, ?3, ?2, inode, 0, kind = {DIRECTORY} FROM entries WHERE parent = ?3"
    " AND id NOT IN (SELECT entry FROM locations)"
)


class Batch:
    """Findings that are not in the database yet."""

    __slots__ = (
        *("changed", "emptied", "folders", "listed", "looked_at", "omissions"),
        *("partial", "placed", "read", "reopened", "replaced", "rows", "settled", "vanished"),
    )

    def __init__(self) -> None:
        # New entries, flat: parent, name, kind, size, mtime, ctime, inode, parent, name, ...
        self.rows: list[object] = []
        # New folders: (number of the row, path, device, mtime, ctime, inode)
        self.folders: list[tuple[int, str, int, int, int, int]] = []
        # Known entries that differ: (size, mtime, ctime, inode, id)
        self.changed: list[Stat] = []
        # The same of folders that were met in a new place
        self.placed: list[Stat] = []
        # Entries whose name is taken by something of another kind now: id
        self.replaced: list[int] = []
        # Entries whose name is gone: (entry, parent, device, inode, is a folder)
        self.vanished: list[tuple[int, int, int, int, bool]] = []
        # Folders of which everything is to go: (device, id)
        self.emptied: list[tuple[int, int]] = []
        # Folders that were known and have been listed anew: id
        self.listed: list[int] = []
        # Single names of known folders that have been looked at anew: (folder, name)
        self.looked_at: list[tuple[int, str | bytes]] = []
        # Folders that are done: (device, mtime, ctime, inode, scan, id)
        self.read: list[tuple[int, int, int, int, int, int]] = []
        # The same, where nothing has changed since they were added: id
        self.settled: list[int] = []
        # Folders that have another path than when they were read: id
        self.reopened: list[int] = []
        # A folder of which only a part has been read so far
        self.partial = 0
        # (folder, name, reason, detail)
        self.omissions: list[tuple[int, str | bytes, str, str]] = []

    def weight(self) -> int:
        """Return how many rows there are to write, roughly."""
        return len(self.rows) // WIDTH + len(self.changed) + len(self.vanished)

    def is_empty(self) -> bool:
        """Say whether there is nothing to write."""
        return not any(getattr(self, name) for name in self.__slots__)

    def keep(self, entry: int) -> None:
        """Forget that the entry `entry` was gone: it has been found elsewhere."""
        self.replaced = [row for row in self.replaced if row != entry]
        self.vanished = [row for row in self.vanished if row[0] != entry]

    def without_duplicates(self, db: sqlite3.Connection) -> Batch:
        """Return the batch without rows whose place is taken.

        A folder that is changed while it is being read may show a name twice.
        """
        rows: list[object] = []
        kept: dict[int, int] = {}
        seen: set[tuple[object, object]] = set()
        for number in range(len(self.rows) // WIDTH):
            row = self.rows[number * WIDTH : (number + 1) * WIDTH]
            place = (row[0], exact(str(row[1])) if isinstance(row[1], str) else row[1])
            query = "SELECT 1 FROM entries WHERE parent = ? AND name = ?"
            if place in seen or db.execute(query, place).fetchone():
                continue
            seen.add(place)
            kept[number] = len(rows) // WIDTH
            rows += row
        self.rows = rows
        self.folders = [(kept[f[0]], *f[1:]) for f in self.folders if f[0] in kept]
        return self


class Store:
    """Writes batches of one pass into an open library."""

    def __init__(self, db: sqlite3.Connection, scan: int, announcements: Announcements) -> None:
        self._db = db
        self._scan = scan
        self.announcements = announcements

    def save(self, batch: Batch, position: int, counts: Counts) -> None:
        """Write `batch`, and that the pass stands at `position`, in one transaction."""
        with transaction(self._db):
            self._clear_omissions(batch)
            self._update_known(batch)
            self._insert(batch, counts)
            self._mark_read(batch)
            self._vanish(batch)
            self._db.executemany(
                "INSERT OR REPLACE INTO omissions VALUES (?, ?, ?, ?)", batch.omissions
            )
            self._db.execute(
                "UPDATE scans SET position = ?, counts = ? WHERE id = ?",
                (position, counts.stored(), self._scan),
            )

    def _clear_omissions(self, batch: Batch) -> None:
        listed = [(folder,) for folder in batch.listed]
        self._db.executemany("DELETE FROM omissions WHERE folder = ?", listed)
        # What an earlier pass missed may be back; what is still missing is about to be added.
        self._db.executemany(
            "DELETE FROM vanished WHERE entry IN (SELECT id FROM entries WHERE parent = ?)", listed
        )

        self._db.executemany("DELETE FROM omissions WHERE folder = ? AND name = ?", batch.looked_at)
        self._db.executemany(
            "DELETE FROM vanished WHERE entry IN"
            " (SELECT id FROM entries WHERE parent = ? AND name = ?)",
            batch.looked_at,
        )

    def _update_known(self, batch: Batch) -> None:
        self._db.executemany(_UPDATE_STAT, batch.placed)
        self.announcements.note_different(batch.changed)
        self._db.executemany(_UPDATE_STAT, batch.changed)
        # Out of the way of the new entry of this name, to a parent that nothing else has.
        self._db.executemany(
            "UPDATE entries SET parent = -id WHERE id = ?", [(entry,) for entry in batch.replaced]
        )

    def _insert(self, batch: Batch, counts: Counts) -> None:
        if not batch.rows:
            return
        row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'entries'").fetchone()
        first = (row[0] if row else 0) + 1
        self._db.execute("SAVEPOINT rows")
        try:
            self._insert_rows(_INSERT_ENTRY, batch.rows, WIDTH)
        except sqlite3.IntegrityError:
            self._db.execute("ROLLBACK TO rows")
            before = len(batch.rows)
            batch = batch.without_duplicates(self._db)
            self._insert_rows(_INSERT_ENTRY, batch.rows, WIDTH)
            if len(batch.rows) != before:
                self.recount()
        self._db.execute("RELEASE rows")
        flat: list[object] = []
        for number, *values in batch.folders:
            flat += (*values, first + number, 0)
        self._insert_rows(_INSERT_FOLDER, flat, WIDTH)
        counts.touch(first)

    def _insert_rows(self, insert: str, flat: list[object], width: int) -> None:
        marks = "(" + ",".join("?" * width) + ")"
        full = insert + ",".join([marks] * _AT_ONCE)
        step = width * _AT_ONCE
        for start in range(0, len(flat), step):
            values: Sequence[object] = flat[start : start + step]
            sql = full
            if len(values) < step:
                sql = insert + ",".join([marks] * (len(values) // width))
            try:
                self._db.execute(sql, values)
            except UnicodeEncodeError:  # some name is not UTF-8; cheaper than asking each of them
                values = [exact(value) if isinstance(value, str) else value for value in values]
                self._db.execute(sql, values)

    def _mark_read(self, batch: Batch) -> None:
        if batch.partial:
            self._db.execute("UPDATE folders SET scan = -1 WHERE id = ?", (batch.partial,))
        self._db.executemany(
            "UPDATE folders SET device = ?, mtime = ?, ctime = ?, inode = ?, scan = ? WHERE id = ?",
            batch.read,
        )
        for start in range(0, len(batch.settled), 500):
            ids = ",".join(map(str, batch.settled[start : start + 500]))
            self._db.execute(f"UPDATE folders SET scan = {self._scan} WHERE id IN ({ids})")
        self.reopen(batch.reopened)

    def _vanish(self, batch: Batch) -> None:
        self._db.executemany(
            "INSERT OR REPLACE INTO vanished (scan, entry, parent, device, inode, inside, open)"
            f" VALUES ({self._scan}, ?, ?, ?, ?, 0, ?)",
            batch.vanished,
        )
        for device, folder in batch.emptied:
            self._db.execute(_VANISH_ALL, (self._scan, device, folder))

    def reopen(self, folders: list[int]) -> None:
        """Have those of `folders` read anew that this pass has read already. In a transaction.

        Their path has changed since, and what was read was perhaps another folder that had it.
        """
        self._db.executemany(
            f"UPDATE folders SET mtime = 0, scan = -1 WHERE id = ? AND scan = {self._scan}",
            [(folder,) for folder in folders],
        )

    def visit_again(self, folder: int) -> None:
        """Have the pass visit the folders from the id `folder` on once more. In a transaction."""
        self._db.execute(
            "UPDATE scans SET again = iif(again = 0, ?1, min(again, ?1)) WHERE id = ?2",
            (folder, self._scan),
        )

    def recount(self) -> None:
        """Have the totals of the locations counted anew when the pass is done."""
        self._db.execute("UPDATE scans SET recount = 1 WHERE id = ?", (self._scan,))
