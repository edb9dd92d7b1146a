"""One location's share of what is brought up to date at a time: a small pass of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sd_daemon.core.db.connection import transaction
from sd_daemon.core.index.announcements import Announcements
from sd_daemon.core.index.moves import Moves
from sd_daemon.core.index.passes import begin
from sd_daemon.core.index.reading import Folder, FolderReader, Look
from sd_daemon.core.index.settle import Settling
from sd_daemon.core.index.store import Store
from sd_daemon.core.index.totals import lower_unidentified, update_totals
from sd_daemon.core.index.visit import Visitor
from sd_daemon.core.index.walk import FILE

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Container, Iterable

    from sd_daemon.core.index.follow.places import Place
    from sd_daemon.core.index.names import NameIndex
    from sd_daemon.core.index.rules import Rules

_NOBODY = 0  # as a pass: the next one takes it over
_OTHER_NAMES = (
    "SELECT o.parent, o.name FROM vanished v CROSS JOIN entries e ON e.id = v.entry"
    " CROSS JOIN entries o INDEXED BY entries_inode ON o.inode = e.inode"
    f" WHERE v.scan = ? AND e.kind = {FILE} AND o.kind = {FILE} AND o.id <> e.id AND o.parent > 0"
    " AND NOT EXISTS (SELECT 1 FROM vanished w WHERE w.entry = o.id)"
)


class Part:
    """A pass over single names and folders of one location. Begins with its first line in
    `scans`, so that what a process that is killed has counted is not lost."""

    def __init__(
        self,
        db: sqlite3.Connection,
        names: NameIndex,
        rules: Rules,
        place: Place,
        first_new_id: int,
        announce: Callable[[], None],
        deleted: Container[int],
    ) -> None:
        self.place = place
        with transaction(db):
            self.current = begin(db, place.job, place.entry, first_new_id)
        self.news = Announcements(db, self.current.id, announce)
        self.changed: list[int] = []  # entries
        self.claimed: list[int] = []  # folders that were met in another place than before
        self.inodes: set[int] = (
            set()
        )  # of files that are new, changed, or gone from where they were
        self.looks: list[tuple[Folder, list[Look]]] = []
        self._db = db
        self._names = names
        self._store = Store(db, self.current.id, self.news)
        moves = Moves(db, names, self._store, place.path, deleted)
        counts = self.current.counts
        self.reader = FolderReader(db, self.current.id, rules, moves, counts, self.save)
        self.visitor = Visitor(db, rules, self.reader)

    def save(self) -> None:
        """Write what was found so far."""
        batch = self.reader.finish_batch()
        self.claimed += batch.reopened
        self.changed += [row[-1] for row in batch.changed]
        self.inodes.update(row[3] for row in batch.changed)
        self.inodes.update(inode for inode in batch.rows[6::7] if isinstance(inode, int))
        self._store.save(batch, 0, self.current.counts)

    def take_in(self, is_put_off: Callable[[int, str], bool]) -> None:
        """Take in what was looked at, but for names that are better looked at once more."""
        for folder, looks in self.looks:
            self.inodes.update(one.known.inode for one in looks if one.known is not None)
            self.reader.take_in(
                folder, [one for one in looks if not is_put_off(folder.id, one.name)]
            )
        self.looks.clear()
        self.save()

    def vanish(self, entry: int, parent: int, device: int, inode: int, *, is_folder: bool) -> None:
        """Have an entry go whose name another has taken. The caller holds the transaction."""
        self.inodes.add(inode)
        self._db.execute("UPDATE entries SET parent = -id WHERE id = ?", (entry,))
        self._db.execute(
            "INSERT OR REPLACE INTO vanished (scan, entry, parent, device, inode, inside, open)"
            " VALUES (?, ?, ?, ?, ?, 0, ?)",
            (self.current.id, entry, parent, device, inode, is_folder),
        )

    def take_over(self) -> None:
        """Take over what vanished in passes that are over, and what was put off."""
        with transaction(self._db):
            self._db.execute(
                "UPDATE vanished SET scan = ? WHERE scan NOT IN (SELECT id FROM scans)",
                (self.current.id,),
            )

    def _put_off(self, sources: Iterable[tuple[int, str | bytes]]) -> int:
        """Leave to the next round what has just been renamed; returns how much that is."""
        with transaction(self._db):
            return self._db.executemany(
                f"UPDATE vanished SET scan = {_NOBODY} WHERE scan = ? AND entry IN"
                " (SELECT id FROM entries WHERE parent = ? AND name = ?)",
                [(self.current.id, *source) for source in sources],
            ).rowcount

    def settle(
        self, renamed: set[tuple[int, str | bytes]]
    ) -> tuple[list[tuple[int, str | bytes]], bool]:
        """Find what was moved, delete what is gone, but for what was `renamed` meanwhile.

        Returns the other names, each with its folder, of files that have lost one, since they may
        have been changed through it; and whether something was put off.
        """
        settling = Settling(
            self._db,
            self._names,
            scan=self.current.id,
            first_new_id=self.current.first_new_id,
            root=self.place.path,
            counts=self.current.counts,
            announcements=self.news,
            on_saved=lambda _: None,
        )
        settling.gather()
        put_off = bool(renamed) and self._put_off(renamed) > 0
        rows = self._db.execute(_OTHER_NAMES, (self.current.id,)).fetchall()
        settling.decide()
        return rows, put_off

    def end(self) -> None:
        """Count, and forget the pass."""
        current, path = self.current, self.place.path
        with transaction(self._db):
            update_totals(self._db, path, current.counts, recount=current.must_recount())
            lower_unidentified(self._db, path, current.counts.touched)
            current.forget()
        self.news.tell()
