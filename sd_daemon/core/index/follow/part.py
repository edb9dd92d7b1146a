"""One location's share of what is brought up to date at a time: a small pass of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sd_daemon.core.db.connection import transaction
from sd_daemon.core.index.announcements import Announcements
from sd_daemon.core.index.birth import Proof, prove
from sd_daemon.core.index.moves import Moves
from sd_daemon.core.index.passes import begin
from sd_daemon.core.index.reading import Folder, FolderReader, Look
from sd_daemon.core.index.settle import Settling
from sd_daemon.core.index.store import Store
from sd_daemon.core.index.totals import lower_unidentified, update_totals
from sd_daemon.core.index.visit import Visitor
from sd_daemon.core.index.walk import DIRECTORY, FILE, loose

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Container

    from sd_daemon.core.index.follow.places import Place
    from sd_daemon.core.index.names import NameIndex
    from sd_daemon.core.index.rules import Rules

_OTHER_NAMES = (
    "SELECT o.parent, o.name FROM vanished v CROSS JOIN entries e ON e.id = v.entry"
    " CROSS JOIN entries o INDEXED BY entries_inode ON o.inode = e.inode"
    f" WHERE v.scan = ? AND e.kind = {FILE} AND o.kind = {FILE} AND o.id <> e.id AND o.parent > 0"
    " AND NOT EXISTS (SELECT 1 FROM vanished w WHERE w.entry = o.id)"
)

_SAME_NUMBER = (
    "SELECT n.id, n.parent, n.name, n.size, n.inode, f.path, o.id, o.size, o.ctime FROM vanished v"
    " CROSS JOIN entries o ON o.id = v.entry"
    " CROSS JOIN entries n INDEXED BY entries_inode ON n.inode = o.inode"
    " JOIN folders f ON f.id = n.parent"
    f" WHERE n.id >= ? AND v.scan = ? AND n.id > o.id AND n.kind = {FILE} AND o.kind = {FILE}"
    " AND f.device = v.device AND (n.size, n.mtime) IS NOT (o.size, o.mtime)"
    " AND NOT EXISTS (SELECT 1 FROM vanished w WHERE w.entry = n.id)"
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
            self.inodes.update(
                one.known.inode for one in looks if one.known is not None and one.kind < 0
            )
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
                "UPDATE vanished SET scan = ?, open = EXISTS (SELECT 1 FROM entries e"
                f" WHERE e.id = entry AND e.kind = {DIRECTORY})"
                " WHERE scan NOT IN (SELECT id FROM scans)",
                (self.current.id,),
            )

    def settle(
        self,
        renamed: set[tuple[int, str | bytes]],
        half: set[tuple[int, str | bytes]],
        *,
        hold: bool,
        lost: Container[int],
    ) -> tuple[list[tuple[int, str | bytes]], bool]:
        """Find what was moved, delete what is gone, but for what was `renamed` meanwhile, or is
        `half` renamed. `hold`: leave all of that to a later round. `lost`: folders that nobody
        waits for any more.

        Returns names to look at again, each with its folder: the other ones of files that have lost
        one, since they may have been changed through it, and those that may be something that is
        gone from elsewhere; and whether something was put off.
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
            renamed=renamed,
            half=half,
        )
        if hold:
            settling.hold()
            return [], settling.put_off > 0
        settling.gather()
        unproven = self._prove_moves(settling, lost)
        rows = self._db.execute(_OTHER_NAMES, (self.current.id,)).fetchall()
        settling.decide()
        return rows + unproven, settling.put_off > 0

    def _prove_moves(
        self, settling: Settling, lost: Container[int]
    ) -> list[tuple[int, str | bytes]]:
        """Let files be recognised that were changed after they were moved to where nobody watched.
        Those that are on their way again, so that nothing can be proven now, are left to a later
        round; returns their names."""
        rows = self._db.execute(
            _SAME_NUMBER, (self.current.first_new_id, self.current.id)
        ).fetchall()
        unproven, waiting, proven = [], set(), set()
        for new, parent, name, size, inode, folder, old, was, seen in rows:
            proof = prove(loose(folder), loose(name), inode=inode, seen=seen)
            if proof is Proof.SAME:
                self._let_be_same(new, old, size - was)
                proven.add(old)
            elif proof is Proof.NOT_THERE and parent not in lost:
                waiting.add(old)
                unproven.append((parent, name))
        settling.leave(waiting - proven)
        return unproven

    def _let_be_same(self, new: int, old: int, grown: int) -> None:
        self.current.counts.delta_bytes += grown
        query = (
            "UPDATE entries SET (size, mtime, content) ="
            " (SELECT size, mtime, NULL FROM entries WHERE id = ?) WHERE id = ?"
        )
        with transaction(self._db):
            self._db.execute(query, (new, old))

    def order(self) -> tuple[bool, int]:
        """By this parts end: first those that add to totals, then those that count them anew, with
        all in them that the others would add."""
        return self.current.must_recount(), -len(self.place.path)

    def end(self) -> None:
        """Count, and forget the pass."""
        current, path = self.current, self.place.path
        with transaction(self._db):
            update_totals(self._db, path, current.counts, recount=current.must_recount())
            lower_unidentified(self._db, path, current.counts.touched)
            current.forget()
        self.news.tell()
