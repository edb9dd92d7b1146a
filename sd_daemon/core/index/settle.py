"""What becomes of entries whose name is gone: they were moved, or they are deleted.

Deciding needs the whole picture, so it is done when all folders have been visited:

1. Everything inside a vanished folder vanishes with it.
2. A new entry that is the same file as a vanished one (device, inode, kind, size and mtime, and not
   born later) gives its place to it: the old entry with its id, content and tags moves there.
3. The rest is deleted.

Each step works in bounded transactions and finds its place again after an interruption, because
what is done is no longer in the table `vanished`. Removing a location is the same work, without
the second step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sd_daemon.core.db.connection import transaction
from sd_daemon.core.index.announcements import Change
from sd_daemon.core.index.birth import Proof, prove
from sd_daemon.core.index.roots import detach, detach_nested
from sd_daemon.core.index.walk import DIRECTORY, FILE, Subtree, exact, join, loose, stat_in

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Iterable

    from sd_daemon.core.index.announcements import Announcements, Stored
    from sd_daemon.core.index.names import NameIndex
    from sd_daemon.core.index.report import Counts

_ROWS = 2000  # per transaction
NOBODY = 0  # as a pass: what has vanished waits for one that takes it over

_VANISH_CHILDREN = (
    "INSERT OR IGNORE INTO vanished (entry, scan, parent, device, inode, inside, open)"
    f" SELECT id, ?1, ?3, ?2, inode, 1, kind = {DIRECTORY} FROM entries WHERE parent = ?3"
)
# Of two that may have been moved here, one that this pass has found itself was only on its way.
_MATCHES = (
    "SELECT n.id, v.entry, f.path, n.name, n.inode, o.ctime"
    " FROM entries n CROSS JOIN vanished v ON v.inode = n.inode"
    " JOIN entries o ON o.id = v.entry JOIN folders f ON f.id = n.parent"
    " WHERE n.id > ? AND n.id >= ? AND v.scan = ? AND n.id > v.entry AND f.device = v.device"
    f" AND n.kind = o.kind AND n.kind != {DIRECTORY}"
    " AND n.size = o.size AND n.mtime = o.mtime"
    " AND n.id NOT IN (SELECT entry FROM vanished)"
    f" ORDER BY n.id, o.id >= ?, n.name = o.name DESC, o.id LIMIT {_ROWS}"
)


class Settling:
    """Settles what has vanished in the pass `scan`, whose new entries begin at `first_new_id`.

    `root` is the path the pass went over. `on_saved` is called after each transaction and may
    raise to stop there.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        names: NameIndex,
        *,
        scan: int,
        first_new_id: int,
        root: str,
        counts: Counts,
        announcements: Announcements,
        on_saved: Callable[[str], None],
        renamed: Collection[tuple[int, str | bytes]] = (),
        half: Collection[tuple[int, str | bytes]] = (),
    ) -> None:
        """`renamed`: names, each with its folder, that are gone because they were renamed a moment
        ago. What had them is left to the pass that is told what became of it. So is what had one
        that is `half` renamed, as nobody has told yet to what, if it is not found now."""
        self._db = db
        self._names = names
        self._renamed = [(scan, *name) for name in renamed]
        self._half = [(scan, *name) for name in half]
        self.put_off = 0  # how much was left
        self._announcements = announcements
        self._scan = scan
        self._first_new_id = first_new_id
        self._inside = Subtree(root)
        self._root = root
        self._counts = counts
        self._moved: list[tuple[int, Stored, int, str | bytes]] = []  # to be noted: see _note_moves
        self._withdrawn: list[int] = []
        self._on_saved = on_saved

    def run(self) -> None:
        """Settle everything."""
        self.gather()
        self.decide()

    def gather(self) -> None:
        """See that all that is gone has vanished, and nothing else."""
        self._spare_what_is_back()
        with transaction(self._db):
            self._put_off_renamed()
        self.expand()

    def hold(self) -> None:
        """Leave all that is gone to a pass that has seen everything: it may be somewhere else."""
        self._spare_what_is_back()
        with transaction(self._db):
            self.put_off += self._db.execute(
                f"UPDATE vanished SET scan = {NOBODY}, open = 0 WHERE scan = ?", (self._scan,)
            ).rowcount

    def leave(self, entries: Iterable[int]) -> None:
        """Leave entries to the next pass that takes over: it may prove where they are."""
        with transaction(self._db):
            self.put_off += self._db.executemany(
                f"UPDATE vanished SET scan = {NOBODY} WHERE entry = ?", [(one,) for one in entries]
            ).rowcount

    def decide(self) -> None:
        """Let what was moved go to its place, and delete the rest."""
        self._match()
        if self._half:
            with transaction(self._db):
                self._put_off(self._half)
        self.delete()

    def _spare_what_is_back(self) -> None:
        """Take out of `vanished` what is there again, and roots of locations, which stay."""
        last = 0
        while True:
            rows = self._db.execute(
                "SELECT v.entry, v.inode, e.name, f.path FROM vanished v"
                " JOIN entries e ON e.id = v.entry JOIN folders f ON f.id = e.parent"
                " WHERE v.inside = 0 AND v.scan = ? AND v.entry > ?"
                " AND NOT EXISTS (SELECT 1 FROM omissions o WHERE o.folder = e.parent"
                f" AND o.name IN (e.name, '.')) ORDER BY v.entry LIMIT {_ROWS}",
                (self._scan, last),
            ).fetchall()
            if not rows:
                break
            last = rows[-1][0]
            back = [(row[0],) for row in rows if _is_there(loose(row[3]), loose(row[2]), row[1])]
            with transaction(self._db):
                self._db.executemany("DELETE FROM vanished WHERE entry = ?", back)
        self._detach_roots()

    def _detach_roots(self) -> None:
        with transaction(self._db):
            roots = self._db.execute(
                "SELECT e.id, e.name, l.path FROM vanished v JOIN locations l ON l.entry = v.entry"
                " JOIN entries e ON e.id = v.entry WHERE v.scan = ? AND v.inside = 0",
                (self._scan,),
            ).fetchall()
            for entry, name, path in roots:
                detach(self._db, self._names, entry, name, path)
            if roots:
                self._db.execute("UPDATE scans SET recount = 1 WHERE id = ?", (self._scan,))

    def _put_off_renamed(self) -> None:
        if self._renamed:
            self._put_off(self._renamed)
        if self._half:  # files may still be found
            self._put_off(self._half, f" AND kind = {DIRECTORY}")

    def _put_off(self, names: list[tuple[int, int, str | bytes]], condition: str = "") -> None:
        """Leave entries, with all that is in them, to the next pass that takes over."""
        self.put_off += self._db.executemany(
            f"UPDATE vanished SET scan = {NOBODY}, open = 0 WHERE scan = ? AND entry IN"
            f" (SELECT id FROM entries WHERE parent = ? AND name = ?{condition})",
            names,
        ).rowcount

    def expand(self) -> None:
        """Let everything inside vanished folders vanish too."""
        while True:
            rows = self._db.execute(
                "SELECT entry, device FROM vanished WHERE open = 1 LIMIT 200"
            ).fetchall()
            if not rows:
                return
            with transaction(self._db):
                for entry, device in rows:
                    if detach_nested(self._db, self._names, entry):
                        self._db.execute("UPDATE scans SET recount = 1 WHERE id = ?", (self._scan,))
                    self._db.execute(_VANISH_CHILDREN, (self._scan, device, entry))
                    self._db.execute("UPDATE vanished SET open = 0 WHERE entry = ?", (entry,))
                self._put_off_renamed()
            self._on_saved(self._root)

    def _match(self) -> None:
        position = 0
        if self._db.execute("SELECT 1 FROM vanished LIMIT 1").fetchone() is None:
            return
        while True:
            new_id = self._first_new_id
            rows = self._db.execute(_MATCHES, (position, new_id, self._scan, new_id)).fetchall()
            if not rows:
                return
            taken: set[int] = set()
            with transaction(self._db):
                for new, old, folder, name, inode, seen in rows:
                    if taken.isdisjoint((new, old)) and not _is_other(folder, name, inode, seen):
                        taken |= {new, old}
                        self._move(old, new)
                self._note_moves()
                self._save_counts()
            # The last one may have further candidates that did not fit.
            position = rows[-1][0] - (len(rows) == _ROWS and rows[0][0] != rows[-1][0])
            self._on_saved(self._root)

    def _move(self, old: int, new: int) -> None:
        """Let the entry `old` take the place of `new`, which is the same file."""
        parent, name, kind, size, ctime = self._db.execute(
            "SELECT parent, name, kind, size, ctime FROM entries WHERE id = ?", (new,)
        ).fetchone()
        was = self._db.execute(
            "SELECT e.name, f.path FROM vanished v JOIN entries e ON e.id = v.entry"
            " LEFT JOIN folders f ON f.id = v.parent WHERE v.entry = ?",
            (old,),
        ).fetchone()
        self._moved.append((old, None if was[1] is None else _place(was[1], was[0]), parent, name))
        if self._announcements.is_known(new):  # by a pass that was left unfinished
            self._withdrawn.append(new)
        self._names.remove([(new, name)])
        self._db.execute("DELETE FROM entries WHERE id = ?", (new,))
        self._db.execute(
            "UPDATE entries SET parent = ?, name = ?, ctime = ? WHERE id = ?",
            (parent, name, ctime, old),
        )
        self._names.rename(old, was[0], name)
        self._db.execute("DELETE FROM vanished WHERE entry = ?", (old,))
        counts = self._counts
        counts.moved += 1
        counts.added -= 1
        counts.delta_files -= 1
        counts.delta_bytes -= size if kind == FILE else 0
        if was[1] is None or not self._inside.contains(loose(was[1])):
            self._db.execute("UPDATE scans SET recount = 1 WHERE id = ?", (self._scan,))
        if kind == FILE:
            counts.touch(old)

    def _note_moves(self) -> None:
        """Note what a transaction has moved, all at once: it may be thousands."""
        query = "SELECT path FROM folders WHERE id = ?"
        folders: dict[int, str | bytes] = {}
        for _, _, parent, _ in self._moved:
            if parent not in folders:
                folders[parent] = self._db.execute(query, (parent,)).fetchone()[0]
        moved = [(old, was, _place(folders[at], name)) for old, was, at, name in self._moved]
        self._announcements.note(Change.DELETED, *[(new, None, None) for new in self._withdrawn])
        self._announcements.note(Change.MOVED, *moved)
        self._moved.clear()
        self._withdrawn.clear()

    def delete(self) -> None:
        """Delete all that is left in `vanished`."""
        while True:
            rows = self._db.execute(
                "SELECT v.entry, e.name, e.kind, e.size, v.parent, f.path FROM vanished v"
                " LEFT JOIN entries e ON e.id = v.entry LEFT JOIN folders f ON f.id = v.parent"
                f" WHERE v.scan = ? ORDER BY v.entry DESC LIMIT {_ROWS}",
                (self._scan,),
            ).fetchall()
            if not rows:
                return
            present = [row for row in rows if row[1] is not None]
            ids = [(row[0],) for row in rows]
            with transaction(self._db):
                places = [(row[0], _old_place(row[4], row[5], row[1]), None) for row in present]
                self._announcements.note(Change.DELETED, *places)
                self._names.remove([(row[0], row[1]) for row in present])
                self._db.executemany("DELETE FROM entries WHERE id = ?", ids)
                folders = [(row[0],) for row in present if row[2] == DIRECTORY]
                self._db.executemany("DELETE FROM folders WHERE id = ?", folders)
                self._db.executemany("DELETE FROM omissions WHERE folder = ?", folders)
                self._db.executemany("DELETE FROM vanished WHERE entry = ?", ids)
                self._count_removed(present)
                self._save_counts()
            self._on_saved(self._root)

    def _count_removed(self, rows: list[tuple[Any, ...]]) -> None:
        counts = self._counts
        folders = sum(1 for row in rows if row[2] == DIRECTORY)
        counts.removed += len(rows)
        counts.delta_directories -= folders
        counts.delta_files -= len(rows) - folders
        counts.delta_bytes -= sum(row[3] for row in rows if row[2] == FILE)

    def _save_counts(self) -> None:
        self._db.execute(
            "UPDATE scans SET counts = ? WHERE id = ?", (self._counts.stored(), self._scan)
        )


def _place(folder: str | bytes, name: str | bytes) -> str | bytes:
    return exact(join(loose(folder), loose(name)))


def _old_place(parent: int, folder: Stored, name: str | bytes) -> Stored:
    if parent == 0:
        return name
    return None if folder is None else _place(folder, name)


def _is_other(folder: str | bytes, name: str | bytes, inode: int, seen: int) -> bool:
    """Say whether what is there is another file that was given a number which is free again."""
    return prove(loose(folder), loose(name), inode=inode, seen=seen) is Proof.OTHER


def _is_there(folder: str, name: str, inode: int) -> bool:
    try:
        return stat_in(folder, name).st_ino == inode
    except OSError:
        return False
