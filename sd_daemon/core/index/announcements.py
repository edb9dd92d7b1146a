"""What a pass has changed, on its way to whoever follows the files of the library.

A change is noted in the table `announcements` by the transaction that makes it. The daemon turns
the rows into events and deletes them (core/files/announce.py). That there are some it hears from
the worker after the commit; it looks by itself when the job stops, and when the library is opened.
So nothing is announced that was not committed, and what was committed is announced also where the
worker was killed before it could say so. Killed at the wrong moment, the daemon may announce a
change twice, never not at all.

At most MOST changes of a pass are noted one by one. One more, or a transaction that makes more than
there is room for, is noted as a single row that says: everything may be different. The first index
of a million files costs one row.

New entries are noted together, when the pass has settled: until then a new one may turn out to be
an old one that was moved. The table `announced` has the last entry of which the world knows so;
what happens to later ones is no news yet.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from sd_daemon.core.db.connection import transaction

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

MOST = 1000  # changes of one pass that are announced one by one

Stat = tuple[int, int, int, int, int]  # size, mtime, ctime, inode, entries.id
Stored = str | bytes | None  # a path
Changed = tuple[int, Stored, Stored]  # entries.id, where it was, where it is


class Change(StrEnum):
    """What can have happened."""

    CREATED = "created"
    MODIFIED = "modified"
    MOVED = "moved"
    DELETED = "deleted"
    IDENTIFIED = "identified"
    ANYTHING = "anything"


class Announcements:
    """Notes the changes of the pass `scan`. `announce` lets the daemon know that there are some.

    But for `tell` and `note_new` the caller holds the transaction that makes the change.
    """

    def __init__(self, db: sqlite3.Connection, scan: int, announce: Callable[[], None]) -> None:
        self._db = db
        self._scan = scan
        self._announce = announce
        row = db.execute("SELECT announced FROM scans WHERE id = ?", (scan,)).fetchone()
        self._left: int = MOST - (row[0] if row else 0)
        self._last: int = db.execute("SELECT entry FROM announced").fetchone()[0]
        self._waiting = False

    def note(self, change: Change, *entries: Changed) -> None:
        """Note a change of entries, each with its path before and after, where it has another."""
        rows = [(change, *entry) for entry in entries if entry[0] <= self._last]
        if len(rows) > max(self._left, 0):
            note_anything(self._db)
            self._left = -1
        elif rows:
            self._db.executemany(
                "INSERT INTO announcements (change, entry, old_path, new_path) VALUES (?, ?, ?, ?)",
                rows,
            )
            self._left -= len(rows)
            self._waiting = True
        else:
            return
        self._db.execute(
            "UPDATE scans SET announced = ? WHERE id = ?", (MOST - self._left, self._scan)
        )

    def note_different(self, found: list[Stat]) -> None:
        """Note the entries among `found` of which the index has another stat, before it is told.

        A folder comes here twice, as a name in another and when it is read; and it is read again
        without being different, where it had just been changed the last time.
        """
        known = [stat for stat in found if stat[-1] <= self._last]
        if self._left < 0 or len(known) > MOST:  # to compare so many is not worth it
            self.note(Change.MODIFIED, *((stat[-1], None, None) for stat in known))
            return
        query = "SELECT 1 FROM entries WHERE (size, mtime, ctime, inode) IS NOT (?,?,?,?) AND id=?"
        different = dict.fromkeys(
            stat[-1] for stat in known if self._db.execute(query, stat).fetchone()
        )
        self.note(Change.MODIFIED, *((entry, None, None) for entry in different))

    def note_new(self) -> None:
        """Note all entries that the world does not know, in a transaction of its own.

        The root of a location is not among them: it is announced as the location.
        """
        with transaction(self._db):
            rows = self._db.execute(
                "SELECT id, NULL, NULL FROM entries WHERE id > ? AND parent > 0"
                " ORDER BY id LIMIT ?",
                (self._last, max(self._left, 0) + 1),
            ).fetchall()
            self._last = mark_all_known(self._db)
            self.note(Change.CREATED, *rows)
        self.tell()

    def is_known(self, entry: int) -> bool:
        """Say whether the world knows of an entry."""
        return entry <= self._last

    def tell(self) -> None:
        """Have announced what was noted. Nothing may be uncommitted."""
        if self._waiting:
            self._waiting = False
            self._announce()


def note_anything(db: sqlite3.Connection) -> None:
    """Note that everything may be different. The caller holds the transaction."""
    db.execute(
        "INSERT INTO announcements (change, entry) SELECT ?1, 0"
        " WHERE NOT EXISTS (SELECT 1 FROM announcements WHERE change = ?1)",
        (Change.ANYTHING,),
    )


def mark_all_known(db: sqlite3.Connection) -> int:
    """Take all entries for known to the world; returns the last. The caller holds the
    transaction, and has noted what there is to say."""
    last = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'entries'").fetchone()[0]
    db.execute("UPDATE announced SET entry = ?", (last,))
    return int(last)
