"""The full-text index over names.

What is indexed of a name is its folded form: without case and without accents, so that whoever
types "resume" finds "Résumé.PDF". The table keeps no text of its own; to take a row out one has to
say again what was put in, which is why every change of a name passes through here.

Rows are added behind the scan, in the order of their ids. `names_progress` holds the last one that
is in; entries above it are found by reading them.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

_ROWS = 250  # per INSERT statement


def fold(name: str | bytes) -> str:
    """Return the form of a name that is compared when someone searches.

    Bytes that are not UTF-8 appear as U+FFFD. Pure; folding twice changes nothing.
    """
    text = name if isinstance(name, str) else name.decode("utf-8", "replace")
    if text.isascii():
        return text.lower()
    text = _bare(text)
    # Case folding can bring forth marks and compositions that were not there, and the other way.
    while (again := _bare(text)) != text:
        text = again
    return text


def _bare(text: str) -> str:
    apart = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join([char for char in apart if not unicodedata.combining(char)])
    return unicodedata.normalize("NFC", bare)


class NameIndex:
    """The table `names` of one open library. Its caller holds the transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.done = int(db.execute("SELECT entry FROM names_progress").fetchone()[0])

    def rename(self, entry: int, old: str | bytes, new: str | bytes) -> None:
        """Take over a new name of an entry. Nothing to do if it is not in the index yet."""
        if entry <= self.done and old != new:
            self.remove([(entry, old)])
            self._db.execute("INSERT INTO names(rowid, name) VALUES (?, ?)", (entry, fold(new)))

    def remove(self, rows: list[tuple[int, str | bytes]]) -> None:
        """Take out entries, each with the name it was put in under."""
        self._db.executemany(
            "INSERT INTO names(names, rowid, name) VALUES ('delete', ?, ?)",
            [(entry, fold(name)) for entry, name in rows if entry <= self.done],
        )

    def add_next(self, limit: int) -> int:
        """Add up to `limit` entries after the last one that is in; returns how many there were."""
        rows = self._db.execute(
            "SELECT id, name FROM entries WHERE id > ? ORDER BY id LIMIT ?", (self.done, limit)
        ).fetchall()
        for start in range(0, len(rows), _ROWS):
            some = rows[start : start + _ROWS]
            flat: list[object] = []
            for entry, name in some:
                flat += (entry, fold(name))
            marks = ",".join(["(?,?)"] * len(some))
            self._db.execute(f"INSERT INTO names(rowid, name) VALUES {marks}", flat)
        if rows:
            self._set_done(rows[-1][0])
        return len(rows)

    def remaining(self) -> int:
        """Return how many entries are not in the index yet."""
        row = self._db.execute("SELECT count(*) FROM entries WHERE id > ?", (self.done,)).fetchone()
        return int(row[0])

    def _set_done(self, entry: int) -> None:
        self._db.execute("UPDATE names_progress SET entry = ?", (entry,))
        self.done = entry
