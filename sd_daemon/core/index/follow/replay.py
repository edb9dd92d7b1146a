"""Doing in the index what renames did on the disk, in the order in which they happened.

What has a name keeps its id under the next. A rename over another name takes its place: what was
there is gone, as it is on the disk, unless the two were exchanged. If what was renamed is not in
the index yet, or only since some seconds, as with an editor that writes beside a file and renames
over it, nothing is done here: then the name that stayed is looked at, and its entry keeps its id
with another content.

The index may be ahead of the events, since whoever reads a folder sees what has happened meanwhile.
So each rename is held against the disk before it is believed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sd_daemon.core.db.connection import transaction
from sd_daemon.core.index.announcements import Change
from sd_daemon.core.index.follow.hints import Rename
from sd_daemon.core.index.follow.saves import Away, Saves, is_backup, is_replaced
from sd_daemon.core.index.roots import adopt
from sd_daemon.core.index.walk import (
    DIRECTORY,
    FILE,
    Subtree,
    exact,
    join,
    loose,
    stat_in,
)

if TYPE_CHECKING:
    import os
    import sqlite3
    from collections.abc import Callable, Iterable

    from sd_daemon.core.index.follow.part import Part
    from sd_daemon.core.index.follow.places import Places
    from sd_daemon.core.index.names import NameIndex
    from sd_daemon.core.index.reading import Folder

_ASIDE = "aside"  # as the path of a folder while another takes its place: it is absolute otherwise
_AT_ONCE = 500  # renames in one transaction


class _Entry(NamedTuple):
    id: int
    kind: int
    size: int
    mtime: int
    inode: int


class Replay:
    """Replays renames. `part_of` gives the part that a path belongs to."""

    def __init__(
        self,
        db: sqlite3.Connection,
        names: NameIndex,
        places: Places,
        part_of: Callable[[str], Part | None],
        recent: int,
        saves: Saves,
    ) -> None:
        """`recent`: entries from this id on are not older than some seconds. `saves` outlives
        this."""
        self._db = db
        self._names = names
        self._places = places
        self._part_of = part_of
        self._recent = recent
        self._saves = saves
        self._done: set[int] = set()  # renames that were done with the one before them

    def run(self, renames: list[Rename]) -> list[tuple[int, str]]:
        """Replay all of them. Returns names to be looked at, each with its folder."""
        self._done.clear()
        names = [name for away in self._saves.waiting() for name in self._take_back(away)]
        for start in range(0, len(renames), _AT_ONCE):
            some = renames[start : start + _AT_ONCE]
            for one in some:  # a part begins with a transaction of its own
                if (path := self._path(one.to_folder)) is not None:
                    self._part_of(path)
            with transaction(self._db):
                for at in range(start, start + len(some)):
                    self._replay(renames, at)
        return names

    def take_place(self, known: Folder, folder: Folder) -> None:
        """Let a known folder take the place of `folder`, which is the same and was taken for
        another."""
        part = self._part_of(folder.path)
        rows = [
            self._db.execute(
                "SELECT parent, name, id, kind, size, mtime, inode FROM entries WHERE id = ?",
                (one.id,),
            ).fetchone()
            for one in (known, folder)
        ]
        if part is None or None in rows:
            return
        (was, old, *source), (parent, name, *target) = rows
        rename = Rename(was, loose(old), parent, loose(name))
        with transaction(self._db):
            self._give_way(part, _Entry._make(target), parent)
            self._move(part, _Entry._make(source), rename, known.path, folder.path)

    def _replay(self, renames: list[Rename], at: int) -> None:
        rename = renames[at]
        if at in self._done:
            return
        source = self._entry(rename.folder, rename.name)
        from_path, to_path = self._path(rename.folder), self._path(rename.to_folder)
        if source is None or to_path is None:
            return
        part = self._part_of(to_path)
        new = join(to_path, rename.to_name)
        # A folder may be gone that something was moved out of in time.
        old = None if from_path is None else join(from_path, rename.name)
        if part is None or (old is not None and Subtree(old).contains(to_path)):
            return
        target = self._entry(rename.to_folder, rename.to_name)
        here = None if from_path is None else _stat(from_path, rename.name)
        there = _stat(to_path, rename.to_name)
        if self._is_past(source, target, here, there):
            return
        if source.kind == FILE and is_backup(rename) and is_replaced(source.inode, here):
            return  # it was saved: the entry stays, and the backup is new
        if target is not None:
            if target.id == source.id or target.id in self._places.roots:
                return
            if old is not None and self._is_exchange(renames, at, target):
                self._done.add(at + 1)
                self._exchange(part, source, target, rename, old, new)
                return
            if source.kind == target.kind == FILE and source.id >= max(self._recent, target.id):
                return  # it was written beside the other to become its next content
            self._give_way(part, target, rename.to_folder)
        self._move(part, source, rename, old, new)
        if source.kind == FILE:
            self._saves.note(rename, source.id, last_entry(self._db))
        if there is not None and _is_same(source, there):
            query = "UPDATE entries SET ctime = ? WHERE id = ?"
            self._db.execute(query, (there.st_ctime_ns, source.id))

    def _take_back(self, away: Away) -> list[tuple[int, str]]:
        """Let an entry have its place again that went to a backup, if a new file is there now.
        Returns both names."""
        rename = away.rename
        folder = self._path(rename.folder)
        part = None if folder is None else self._part_of(folder)
        source = self._entry(rename.folder, rename.to_name)
        if folder is None or part is None or source is None or source.id != away.entry:
            self._saves.forget(away)
            return []
        fresh = self._entry(rename.folder, rename.name)
        if not is_replaced(source.inode, _stat(folder, rename.name)):
            return []
        self._saves.forget(away)
        if fresh is not None and fresh.id <= away.newest:
            return []  # something that was known has been renamed to there
        back = Rename(rename.folder, rename.to_name, rename.folder, rename.name)
        old, new = join(folder, back.name), join(folder, back.to_name)
        with transaction(self._db):
            if fresh is not None:
                self._give_way(part, fresh, rename.folder)
            self._move(part, source, back, old, new)
        return [back[:2], back[2:]]

    def _is_past(
        self,
        source: _Entry,
        target: _Entry | None,
        here: os.stat_result | None,
        there: os.stat_result | None,
    ) -> bool:
        """Say whether the index knows already what came of a rename, so that what now has the old
        name is something else, or is back."""
        moved = there is not None and there.st_ino == source.inode
        if here is not None and here.st_ino == source.inode and not moved:
            return True
        return (
            target is not None and there is not None and not moved and there.st_ino == target.inode
        )

    def _is_exchange(self, renames: list[Rename], at: int, target: _Entry) -> bool:
        """Say whether two names were exchanged (RENAME_EXCHANGE), which the kernel tells as two
        renames: one over the other, and back to where that was. If it was that, what was there is
        still to be found, wherever it has been renamed to since."""
        if not _is_back_and_forth(renames, at):
            return False
        place = renames[at][:2]
        passed_over = at + 1
        for number in range(at + 2, len(renames)):
            if renames[number][:2] == place and number != passed_over:
                place = renames[number][2:]
                passed_over = number + 1 if _is_back_and_forth(renames, number) else at
        folder = self._path(place[0])
        found = None if folder is None else _stat(folder, place[1])
        return found is not None and found.st_ino == target.inode

    def _exchange(
        self, part: Part, source: _Entry, target: _Entry, rename: Rename, old: str, new: str
    ) -> None:
        """Let two entries have each other's place; `new` is that of `target`."""
        folder, name, to_folder, to_name = rename
        self._carry_totals(source, old, new)
        self._carry_totals(target, new, old)
        if target.kind == DIRECTORY:
            adopt(self._db, self._names, target.id, -target.id, to_name, _ASIDE)
        else:
            query = "UPDATE entries SET parent = -id WHERE id = ?"
            self._db.execute(query, (target.id,))
        self._place(part, source, rename, old, new)
        self._place(part, target, Rename(to_folder, to_name, folder, name), new, old)

    def _give_way(self, part: Part, target: _Entry, folder: int) -> None:
        row = self._db.execute("SELECT device FROM folders WHERE id = ?", (folder,)).fetchone()
        part.vanish(target.id, folder, row[0], target.inode, is_folder=target.kind == DIRECTORY)

    def _move(self, part: Part, source: _Entry, rename: Rename, old: str | None, new: str) -> None:
        if old is None:
            part.current.have_recounted()
        else:
            self._carry_totals(source, old, new)
        self._place(part, source, rename, old, new)

    def _place(self, part: Part, source: _Entry, rename: Rename, old: str | None, new: str) -> None:
        if source.kind == DIRECTORY:
            adopt(self._db, self._names, source.id, rename.to_folder, rename.to_name, new)
        else:
            stored = exact(rename.to_name)
            self._db.execute(
                "UPDATE entries SET parent = ?, name = ? WHERE id = ?",
                (rename.to_folder, stored, source.id),
            )
            self._names.rename(source.id, exact(rename.name), stored)
            self._db.execute("DELETE FROM vanished WHERE entry = ?", (source.id,))
            # It holds something now: it must not be taken for one that was never read.
            query = "UPDATE folders SET scan = -1 WHERE id = ? AND scan = 0"
            self._db.execute(query, (rename.to_folder,))
        part.current.counts.moved += 1
        was = None if old is None else exact(old)
        part.news.note(Change.MOVED, (source.id, was, exact(new)))

    def _carry_totals(self, source: _Entry, old: str, new: str) -> None:
        """Count what crosses the border of a location."""
        left, reached = self._places.around(old), self._places.around(new)
        if left == reached:
            return
        files, folders, size = int(source.kind != DIRECTORY), 0, 0
        if source.kind == FILE:
            size = source.size
        elif source.kind == DIRECTORY:
            files, folders, size = self._inside(old)
        for sign, numbers in ((-1, left - reached), (1, reached - left)):
            self._db.executemany(
                "UPDATE locations SET file_count = file_count + ?,"
                " directory_count = directory_count + ?, total_size = total_size + ? WHERE id = ?",
                [(sign * files, sign * folders, sign * size, number) for number in numbers],
            )

    def _inside(self, path: str) -> tuple[int, int, int]:
        """Files, folders and bytes of a folder, itself included."""
        below = Subtree(path)
        row = self._db.execute(
            f"SELECT ifnull(sum(e.kind != {DIRECTORY}), 0), ifnull(sum(e.kind = {DIRECTORY}), 0),"
            f" ifnull(sum(iif(e.kind = {FILE}, e.size, 0)), 0)"
            f" FROM folders f JOIN entries e ON e.parent = f.id WHERE {below.where('f.path')}",
            below.params,
        ).fetchone()
        return row[0], row[1] + 1, row[2]

    def _entry(self, folder: int, name: str) -> _Entry | None:
        row = self._db.execute(
            "SELECT id, kind, size, mtime, inode FROM entries WHERE parent = ? AND name = ?",
            (folder, exact(name)),
        ).fetchone()
        return None if row is None else _Entry._make(row)

    def _path(self, folder: int) -> str | None:
        row = self._db.execute("SELECT path FROM folders WHERE id = ?", (folder,)).fetchone()
        return None if row is None else loose(row[0])


def last_entry(db: sqlite3.Connection) -> int:
    """The highest id that an entry has had."""
    row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'entries'").fetchone()
    return int(row[0]) if row else 0


def sources_of(renames: Iterable[Rename]) -> set[tuple[int, str | bytes]]:
    """The old names of renames, as the database holds them."""
    return {(one.folder, exact(one.name)) for one in renames}


def _is_back_and_forth(renames: list[Rename], at: int) -> bool:
    folder, name, to_folder, to_name = renames[at]
    return renames[at + 1 : at + 2] == [Rename(to_folder, to_name, folder, name)]


def _stat(folder: str, name: str) -> os.stat_result | None:
    try:
        return stat_in(folder, name)
    except OSError:
        return None


def _is_same(source: _Entry, found: os.stat_result) -> bool:
    return (found.st_ino, found.st_size, found.st_mtime_ns) == (
        source.inode,
        source.size,
        source.mtime,
    )
