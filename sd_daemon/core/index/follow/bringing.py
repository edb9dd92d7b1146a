"""Bringing the index up to date with what the hints name: one round.

1. Renames are done in the index (replay.py).
2. Every name is looked at. Then it is heard what has happened until then: a name that was renamed
   in between is put off, since the next events say what became of it. The rest is taken in.
3. Other names of the same files are looked at (hard links), and folders that were found: each is
   watched first and read then, so that nothing can come into it unseen.
4. What is gone is settled, what is new is announced.

Everything is in short transactions of the passes that the parts of the round are (part.py).
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sd_daemon.core.db.connection import transaction
from sd_daemon.core.index.follow.hints import Hints
from sd_daemon.core.index.follow.part import Part
from sd_daemon.core.index.follow.replay import Replay, last_entry, sources_of
from sd_daemon.core.index.listing import UNREADABLE
from sd_daemon.core.index.names import NameIndex
from sd_daemon.core.index.reading import MANY, NAMES_AT_ONCE, Folder
from sd_daemon.core.index.roots import same_folder
from sd_daemon.core.index.rules import Rules
from sd_daemon.core.index.visit import Gone
from sd_daemon.core.index.walk import FILE, exact, loose, open_folder, stat_folder

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Container, Iterable, Iterator

    from sd_daemon.core.index.follow.places import Place, Places
    from sd_daemon.core.index.follow.saves import Saves
    from sd_daemon.core.index.follow.watches import Watches

_COLUMNS = "id, path, device, mtime, ctime, inode, scan"
_FOLDERS = 200  # fetched at once
_NAMES = 4000  # added to the names that can be searched, in one transaction


class Round:
    """One round. `hear` reads the events that are there into the hints of the next one."""

    def __init__(
        self,
        db: sqlite3.Connection,
        places: Places,
        watches: Watches,
        rules: dict[str, bool],
        *,
        first_new_id: int,
        announce: Callable[[], None],
        hear: Callable[[], Hints],
        saves: Saves,
    ) -> None:
        self._db = db
        self._places = places
        self._watches = watches
        self._rules = Rules(rules)
        self._first_new_id = first_new_id
        self._announce = announce
        self._hear = hear
        self._names = NameIndex(db)
        self._parts: dict[int, Part] = {}
        self._replay = Replay(db, self._names, places, self._part_of, first_new_id, saves)
        self._first = last_entry(db) + 1
        self._read: set[int] = set()  # folders that were read whole
        self.strays: set[int] = set()  # folders that were not where they were last seen
        self.left = False  # something is left to the next round
        self.again = Hints()  # what could not be looked at now
        self.unidentified: list[int] = []  # files, in locations where that matters

    def run(self, hints: Hints, *, takes_over: bool, hold: bool, lost: Container[int]) -> None:
        """Do all of it. `takes_over`: there may be something left of another round. `hold`: other
        rounds have yet to see where what is gone from somewhere may be. `lost`: folders that nobody
        waits for any more."""
        self._hold = hold
        self._lost = lost
        self._hints = hints
        for folder, name in self._replay.run(hints.renames):
            hints.mark(folder, name)
        if takes_over and (place := self._places.any()) is not None:
            self._part(place).take_over()
        for number in sorted(hints.folders):
            self._look_at(number, hints.folders[number])
        self._take_in()
        self._look_at_changed(hints.opened)
        self._look_at_links()
        self._visit_new()
        self._visit_claimed()
        self._visit_new()
        self._end()

    # --- folders that are known ------------------------------------------------------------------

    def _look_at(self, number: int, names: set[str] | None) -> None:
        folder = self.folder(number)
        part = None if folder is None else self._part_of(folder.path)
        if folder is None or part is None:
            if (watch := self._hints.watches.get(number)) is not None:
                self._watches.end(watch, number)
            return
        if names is None or self._needs_all(folder, names):
            self._visit(part, folder)
            return
        try:
            fd = part.visitor.open(folder)
        except Gone:
            self._put_off(folder, names)
            return
        if fd is None:
            return
        try:
            found = os.fstat(fd)
            if not same_folder(found, folder.device, folder.inode):
                if not part.visitor.is_away(folder, found):
                    self._put_off(folder, names)
                return
            near = names - self._places.remote_in(folder.path)
            looks = part.reader.look(folder, fd, near, chosen=number in self._places.roots)
            part.reader.take_stat(folder, found)
            if looks is not None:
                part.looks.append((folder, looks))
        finally:
            os.close(fd)
        self._judge_again(folder)

    def _needs_all(self, folder: Folder, names: set[str]) -> bool:
        """Say whether what became of some names may let a rule leave out others, or all."""
        if self._rules.proves(names):
            return True
        query = "SELECT 1 FROM omissions WHERE folder = ? AND name = '.'"
        return self._db.execute(query, (folder.id,)).fetchone() is not None

    def _judge_again(self, folder: Folder) -> None:
        """What is in a folder may prove that a rule leaves out the folder."""
        name = folder.path.rpartition("/")[2]
        if name and self._rules.suspect(name) and folder.id not in self._places.roots:
            self._mark_above(folder)

    def _put_off(self, folder: Folder, names: set[str] | None) -> None:
        """Look at a folder again when it is known where it is."""
        if folder.id in self._places.roots:
            self._visit_root(folder)
            return
        self.strays.add(folder.id)
        if names is None:
            self.again.mark_all(folder.id)
        else:
            for name in names or ("",):
                self.again.mark(folder.id, name)
        self._mark_above(folder)

    def _mark_above(self, folder: Folder) -> None:
        row = self._db.execute(
            "SELECT parent, name FROM entries WHERE id = ?", (folder.id,)
        ).fetchone()
        if row is not None and row[0] > 0:
            self.again.mark(row[0], loose(row[1]))

    def _visit_root(self, folder: Folder) -> None:
        """The root of a location that is another folder than it was, or not there. Where its
        volume is not mounted, or where it is not there, all that is known of it is kept."""
        part = self._part_of(folder.path)
        if part is not None:
            self._visit(part, folder, moved=True)

    def _visit(self, part: Part, folder: Folder, *, moved: bool = False) -> None:
        """Watch a folder, then read all of it. `moved`: also if it is another than it was."""
        is_root = folder.id in self._places.roots
        try:
            fd = part.visitor.open(folder)
        except Gone:
            if not is_root:
                self._put_off(folder, None)
            return
        if fd is None:
            return
        try:
            found = os.fstat(fd)
            if not (moved or is_root or same_folder(found, folder.device, folder.inode)):
                if not part.visitor.is_away(folder, found):
                    self._put_off(folder, None)
                return
            if part.visitor.is_barred(folder, found, is_root=is_root):
                return
            if not self._places.is_remote(folder.path) and self._is_another(folder, fd, found):
                return
            found = os.fstat(fd)  # what came before it was watched nobody tells of
            self._read_all(part, folder, fd, found, chosen=is_root)
            part.reader.take_stat(folder, found)
            self._read.add(folder.id)
        finally:
            os.close(fd)

    def _read_all(
        self, part: Part, folder: Folder, fd: int, found: os.stat_result, *, chosen: bool
    ) -> None:
        """Read a folder whole. One that was read before is looked at name by name: what is being
        renamed just now is put off there, too. So is one with names that must not be looked at."""
        names: set[str] | None = None
        remote = self._places.remote_in(folder.path)
        if folder.scan > 0 or remote:
            names = self._names_in(folder, fd)
        if names is None:
            part.reader.read(folder, fd, found, chosen=chosen)
            return
        part.reader.batch.listed.append(folder.id)
        looks = part.reader.look(folder, fd, names - remote, chosen=chosen)
        whole = looks is None or all(one.kind != UNREADABLE for one in looks)
        part.reader.finish(folder, found, whole=whole)
        if looks is not None:
            part.looks.append((folder, looks))

    def _names_in(self, folder: Folder, fd: int) -> set[str] | None:
        """The names in a folder, on the disk and in the index; None if there are very many, or if
        it cannot be read."""
        rows = self._db.execute("SELECT name FROM entries WHERE parent = ?", (folder.id,))
        names = {loose(row[0]) for row in rows.fetchmany(MANY)}
        try:
            names.update(os.listdir(fd))
        except OSError:
            return None
        return names if len(names) < MANY else None

    def _is_another(self, folder: Folder, fd: int, found: os.stat_result) -> bool:
        """Watch a folder. If its watch is that of another, they are the same folder, which has been
        moved here and of which the events are to come: then the other takes the place."""
        other = self._watches.add(folder, fd)
        if not other:
            return False
        known = self.folder(other)
        is_same = known is not None and same_folder(found, known.device, known.inode)
        if known is not None and is_same:
            if _leads_to(known.path, found):
                return False  # it is mounted in two places, and watched in one
            if folder.id not in self._places.roots and other not in self._places.roots:
                for part in self._parts.values():
                    part.save()
                self._replay.take_place(known, folder)
                return True
        self._watches.give(folder.id)
        return False

    # --- what was seen ---------------------------------------------------------------------------

    def _take_in(self) -> None:
        hints = self._hear()
        for part in self._parts.values():
            part.take_in(hints.is_moving)

    def _look_at_changed(self, opened: set[tuple[int, str]]) -> None:
        """Read folders that are other folders than they were, or may be open to us now."""
        ids = [number for part in self._parts.values() for number in part.changed]
        for parent, name in opened:
            row = self._db.execute(
                "SELECT id FROM entries WHERE parent = ? AND name = ?", (parent, exact(name))
            ).fetchone()
            if row is not None:
                self._visit_changed(row[0])
        for some in _slices(ids):
            rows = self._db.execute(
                "SELECT f.id FROM folders f JOIN entries e ON e.id = f.id"
                f" WHERE f.id IN ({_listed(some)}) AND (e.inode <> f.inode"
                " OR EXISTS (SELECT 1 FROM omissions o WHERE o.folder = f.id AND o.name = '.'))"
            ).fetchall()
            for (number,) in rows:
                self._visit_changed(number)

    def _visit_changed(self, number: int) -> None:
        folder = self.folder(number)
        part = None if folder is None else self._part_of(folder.path)
        if folder is not None and part is not None and number not in self._read:
            self._visit(part, folder, moved=True)
            self._take_in()

    def _look_at_links(self) -> None:
        """Look at other names of files that are new or have changed."""
        inodes = {inode for part in self._parts.values() for inode in part.inodes}
        changed = {number for part in self._parts.values() for number in part.changed}
        hints = Hints()
        for some in _slices(sorted(inodes)):
            rows = self._db.execute(
                "SELECT id, parent, name FROM entries INDEXED BY entries_inode"
                f" WHERE inode IN ({_listed(some)}) AND kind = {FILE} AND parent > 0"
            ).fetchall()
            for number, parent, name in rows:
                if number < self._first and number not in changed and parent not in self._read:
                    hints.mark(parent, loose(name))
        if hints:
            for number, names in hints.folders.items():
                self._look_at(number, names)
            self._take_in()

    # --- folders that are new --------------------------------------------------------------------

    def _visit_new(self) -> None:
        for folder in self._found():
            part = self._part_of(folder.path)
            if part is not None and folder.id not in self._read:
                self._visit(part, folder)

    def _found(self) -> Iterator[Folder]:
        """Yield the folders that this round has found, those in them too."""
        position = self._first - 1
        query = (
            f"SELECT {_COLUMNS} FROM folders WHERE id > ? AND scan = 0 ORDER BY id LIMIT {_FOLDERS}"
        )
        while True:
            for part in self._parts.values():
                part.save()
            rows = self._db.execute(query, (position,)).fetchall()
            if not rows:
                return
            for row in rows:
                yield Folder._make(row)._replace(path=loose(row[1]))
            position = rows[-1][0]

    def _visit_claimed(self) -> None:
        """Read folders that were taken for known ones that were moved, unless they are watched as
        those: then they are, and nothing in them has happened unheard."""
        for part in list(self._parts.values()):
            while part.claimed:
                folder = self.folder(part.claimed.pop())
                if folder is not None and not self._is_watched(folder):
                    self._visit(part, folder, moved=True)
            self._take_in()

    def _is_watched(self, folder: Folder) -> bool:
        try:
            fd = open_folder(folder.path)
        except OSError:
            return False
        try:
            return self._watches.knows(folder, fd)
        finally:
            os.close(fd)

    # --- the end ---------------------------------------------------------------------------------

    def _end(self) -> None:
        parts = list(self._parts.values())
        hints = self._hear()
        renamed, half = sources_of(hints.renames), hints.halves()
        for part in parts:
            names, put_off = part.settle(renamed, half, hold=self._hold, lost=self._lost)
            self.left = self.left or put_off
            for parent, name in names:
                self.again.mark(parent, loose(name))
        if parts:
            parts[0].news.note_new()  # of all parts
            with transaction(self._db):
                self._names.add_next(_NAMES)
        for part in sorted(parts, key=Part.order):
            part.end()
        self.unidentified = self._files(parts)

    def _files(self, parts: list[Part]) -> list[int]:
        """The files that are new or have changed, in locations where contents are identified."""
        rows = self._db.execute(
            f"SELECT id, parent FROM entries WHERE id >= ? AND kind = {FILE} AND size > 0",
            (self._first,),
        ).fetchall()
        identified = {parent: self._identifies(parent) for parent in {row[1] for row in rows}}
        changed = [number for part in parts if part.place.identifies for number in part.changed]
        return changed + [number for number, parent in rows if identified[parent]]

    def _identifies(self, parent: int) -> bool:
        folder = self.folder(parent)
        place = None if folder is None else self._places.of(folder.path)
        return place is not None and place.identifies

    # --- looking up ------------------------------------------------------------------------------

    def folder(self, number: int) -> Folder | None:
        """A row of `folders`."""
        row = self._db.execute(f"SELECT {_COLUMNS} FROM folders WHERE id = ?", (number,)).fetchone()
        return None if row is None else Folder._make(row)._replace(path=loose(row[1]))

    def _part_of(self, path: str) -> Part | None:
        place = self._places.of(path)
        return None if place is None else self._part(place)

    def _part(self, place: Place) -> Part:
        part = self._parts.get(place.number)
        if part is None:
            part = Part(
                self._db,
                self._names,
                self._rules,
                place,
                self._first_new_id,
                self._announce,
                self._hints.deleted,
            )
            self._parts[place.number] = part
        return part


def _leads_to(path: str, found: os.stat_result) -> bool:
    try:
        return same_folder(stat_folder(path), found.st_dev, found.st_ino)
    except OSError:
        return False


def _slices(numbers: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(numbers), NAMES_AT_ONCE):
        yield numbers[start : start + NAMES_AT_ONCE]


def _listed(numbers: Iterable[int]) -> str:
    return ",".join(map(str, numbers))
