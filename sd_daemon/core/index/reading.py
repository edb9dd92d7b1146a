"""Reading one folder: what the disk holds against what the index knows.

A folder that was never read has no entries in the index, so whatever is found is added without
asking (`_read_new`). A known folder is compared name by name (`_read_known`), or, when the index
knows very many names of it, with a table on disk (listing.py): memory does not grow with a folder.

What cannot be read is recorded and never counts as gone. Gone is only what a folder that could be
read to its end does not contain.
"""

from __future__ import annotations

import errno
import os
import time
from itertools import compress, islice
from typing import TYPE_CHECKING, NamedTuple, cast

from sd_daemon.core.index.disk import NOTHING, Named, Omitted, is_omitted, list_folder, note_error
from sd_daemon.core.index.listing import UNREADABLE, Known, Listed, Listing
from sd_daemon.core.index.store import WIDTH, Batch
from sd_daemon.core.index.walk import DIRECTORY, FILE, KIND_BY_TYPE, SYMLINK, exact, loose

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator

    from sd_daemon.core.index.moves import Moves
    from sd_daemon.core.index.report import Counts
    from sd_daemon.core.index.rules import Judged, Rules

RACY_NS = 2_000_000_000  # the coarsest clock of a file system in use (FAT)
GONE_OR_LEFT_OUT = -2  # as a kind: it is not to be in the index
NAMES_AT_ONCE = 500  # asked of the database
MANY = 20_000  # entries: what is held in memory at once, and the size of a transaction


class Folder(NamedTuple):
    """A row of `folders`."""

    id: int
    path: str
    device: int
    mtime: int
    ctime: int
    inode: int
    scan: int


class Look(NamedTuple):
    """What was seen of one name of a folder, and what the index knows of it."""

    name: str
    known: Known | None
    kind: int  # also UNREADABLE, GONE_OR_LEFT_OUT
    found: Listed


class FolderReader:
    """Reads folders into the batch of one pass. `save_part` writes the batch midway in a folder."""

    def __init__(
        self,
        db: sqlite3.Connection,
        scan: int,
        rules: Rules,
        moves: Moves,
        counts: Counts,
        save_part: Callable[[], None],
    ) -> None:
        self.batch = Batch()
        self.counts = counts
        self._db = db
        self._scan = scan
        self._rules = rules
        self._moves = moves
        self._save_part = save_part
        self._claimed: set[int] = set()  # found elsewhere since the current folder was looked up

    def finish_batch(self) -> Batch:
        """Return what was gathered, counted, and gather into a new batch from now on."""
        done, self.batch = self.batch, Batch()
        kinds = done.rows[2::WIDTH]
        sizes = cast("list[int]", done.rows[3::WIDTH])
        folders, files, symlinks = map(kinds.count, (DIRECTORY, FILE, SYMLINK))
        counts = self.counts
        counts.added += len(kinds)
        counts.delta_directories += folders
        counts.delta_files += len(kinds) - folders
        counts.delta_bytes += sum(compress(sizes, [kind == FILE for kind in kinds]))
        counts.symlinks += symlinks
        counts.others += len(kinds) - folders - files - symlinks
        return done

    def read(self, folder: Folder, fd: int, found: os.stat_result, *, chosen: bool) -> None:
        """Read the folder open as `fd`, whose stat was `found` just before.

        `chosen` says that a person chose this very folder, so that no rule leaves it out whole.
        """
        self.counts.folders_read += 1
        self._claimed.clear()
        whole = True
        try:
            if folder.scan == 0:
                whole = self._read_new(folder, fd, chosen=chosen)
            else:
                self.batch.listed.append(folder.id)
                whole = self._read_known(folder, fd, chosen=chosen)
        except Omitted as verdict:
            self.omit_all(folder, "rule", verdict.rule)
        except OSError as error:
            note_error(self._noting(folder), ".", error)
            whole = False
        self.finish(folder, found, whole=whole)

    def finish(self, folder: Folder, found: os.stat_result, *, whole: bool) -> None:
        """Note that the folder is done; if not the `whole` of it, so that it is read next time."""
        mtime, ctime = found.st_mtime_ns, found.st_ctime_ns
        same = mtime == folder.mtime and ctime == folder.ctime and found.st_ino == folder.inode
        if not same:
            row = (found.st_size, mtime, ctime, found.st_ino, folder.id)
            self.batch.changed.append(row)
        if time.time_ns() - mtime < RACY_NS or not whole:
            mtime = 0
        elif same and folder.scan == 0 and found.st_dev == folder.device:
            self.batch.settled.append(folder.id)
            return
        self.batch.read.append((found.st_dev, mtime, ctime, found.st_ino, self._scan, folder.id))

    def look(
        self, folder: Folder, fd: int, names: Iterable[str], *, chosen: bool
    ) -> list[Look] | None:
        """Look at some names only of a known folder that is open as `fd`; nothing is taken in yet.

        None: one of them shows that a rule leaves out everything in the folder, which is noted.
        """
        looks = []
        for name, known in self._known_names(folder, names):
            self.batch.looked_at.append((folder.id, exact(name)))
            try:
                looks.append(self._look_at(folder, fd, name, known, chosen=chosen))
            except Omitted as verdict:
                self.omit_all(folder, "rule", verdict.rule)
                return None
        return looks

    def take_in(self, folder: Folder, looks: Iterable[Look]) -> None:
        """Take in what was seen of some names of a folder. It does not count as read by that: the
        next pass compares it whole."""
        self._claimed.clear()
        for name, known, kind, found in looks:
            if kind == GONE_OR_LEFT_OUT and known is not None:
                self._lose(folder, known)
            elif kind >= 0:
                self._meet(folder, name, known, kind, found)

    def take_stat(self, folder: Folder, found: os.stat_result) -> None:
        """Note that the folder itself, as an entry, is different from what the index says."""
        now = (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
        query = "SELECT size, mtime, ctime, inode FROM entries WHERE id = ?"
        if self._db.execute(query, (folder.id,)).fetchone() != now:
            self.batch.changed.append((*now, folder.id))

    def _known_names(
        self, folder: Folder, names: Iterable[str]
    ) -> Iterator[tuple[str, Known | None]]:
        """Yield each name with what the index knows of it."""
        remaining = iter(names)
        while some := list(islice(remaining, NAMES_AT_ONCE)):
            marks = ",".join("?" * len(some))
            rows = self._db.execute(
                "SELECT name, id, kind, size, mtime, ctime, inode FROM entries"
                f" WHERE parent = ? AND name IN ({marks})",
                (folder.id, *map(exact, some)),
            ).fetchall()
            known = {loose(row[0]): Known(*row[1:]) for row in rows}
            for name in some:
                yield name, known.get(name)

    def _look_at(
        self, folder: Folder, fd: int, name: str, known: Known | None, *, chosen: bool
    ) -> Look:
        note = self._noting(folder)
        try:
            entry = Named(fd, name)
        except OSError as error:
            is_gone = self._skip(folder, name, error)
            return Look(name, known, GONE_OR_LEFT_OUT if is_gone else UNREADABLE, NOTHING)
        if self._rules.suspect(name) and is_omitted(
            self._rules, fd, folder.path, entry, note, chosen=chosen
        ):
            return Look(name, known, GONE_OR_LEFT_OUT, NOTHING)
        return Look(name, known, entry.kind, entry.listed())

    def omit_all(self, folder: Folder, reason: str, detail: str) -> None:
        """Leave out everything in the folder, and take out what the index knows of it."""
        self.batch.omissions.append((folder.id, ".", reason, detail))
        if folder.scan != 0 or self.batch.partial == folder.id:
            self.batch.emptied.append((folder.device, folder.id))

    def keep_all(self, folder: Folder, error: OSError | str, reason: str = "") -> None:
        """Leave the folder as the index knows it, because it cannot be read now."""
        self.batch.listed.append(folder.id)
        if isinstance(error, OSError):
            note_error(self._noting(folder), ".", error)
        else:
            self.batch.omissions.append((folder.id, ".", reason, error))
        row = (folder.device, 0, folder.ctime, folder.inode, self._scan, folder.id)
        self.batch.read.append(row)

    def _read_new(self, folder: Folder, fd: int, *, chosen: bool) -> bool:
        """Add everything in a folder that the index knows nothing of.

        The loop that every file of a first load passes through once; what is rare is elsewhere.
        """
        rows = self.batch.rows
        judging, suspects, suspect = self._rules.active, self._rules.suspects, self._rules.suspect
        parent = folder.id
        start = len(rows)
        complete = True
        with os.scandir(fd) as entries:
            while True:
                entry = None
                for entry in islice(entries, MANY):
                    name = entry.name
                    if (
                        judging
                        and (name in suspects or (name[0] == "." and suspect(name)))
                        and self._is_omitted(folder, fd, entry, start, chosen=chosen)
                    ):
                        continue
                    try:
                        found = entry.stat(follow_symlinks=False)
                    except OSError as error:
                        complete = self._skip(folder, name, error) and complete
                        continue
                    kind = KIND_BY_TYPE[found.st_mode >> 12]
                    if kind == DIRECTORY and not self._add_folder(folder, name, found):
                        continue
                    rows += (
                        parent,
                        name,
                        kind,
                        found.st_size,
                        found.st_mtime_ns,
                        found.st_ctime_ns,
                        found.st_ino,
                    )
                if entry is None:
                    break
                if len(rows) > MANY * WIDTH:
                    rows = self._save_first_part(parent)
                    start = 0
        return complete

    def _save_first_part(self, folder: int) -> list[object]:
        """Write what was found so far in a new folder; returns where to put the rest."""
        self.batch.partial = folder
        self._save_part()
        self.batch.partial = folder
        return self.batch.rows

    def _is_omitted(
        self, folder: Folder, fd: int, entry: Judged, start: int, *, chosen: bool
    ) -> bool:
        """Judge a suspect name in a folder of which the rows from `start` on are in the batch."""
        note = self._noting(folder)
        try:
            return is_omitted(self._rules, fd, folder.path, entry, note, chosen=chosen)
        except Omitted:
            self._forget(folder, start)
            raise

    def _noting(self, folder: Folder) -> Callable[[str, str, str], None]:
        """Return what records an omission in `folder`."""

        def note(name: str, reason: str, detail: str) -> None:
            self.batch.omissions.append((folder.id, exact(name), reason, detail))

        return note

    def _forget(self, folder: Folder, start: int) -> None:
        batch = self.batch
        number = start // WIDTH
        del batch.rows[start:]
        batch.folders = [row for row in batch.folders if row[0] < number]
        batch.omissions = [row for row in batch.omissions if row[0] != folder.id]

    def _add_folder(self, folder: Folder, name: str, found: os.stat_result | Listed) -> bool:
        """Prepare the row of a folder that is new here; False if it is an entry known elsewhere."""
        path = folder.path + "/" + name if folder.path != "/" else "/" + name
        batch = self.batch
        moved = self._moves.claim(folder.id, name, path, found)
        if moved:
            entry = moved[0]
            self._claimed.add(entry)
            batch.keep(entry)
            batch.reopened += moved
            stat = (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)
            batch.placed.append((*stat, entry))
            self.counts.moved += 1
            return False
        batch.folders.append(
            (
                len(batch.rows) // WIDTH,
                path,
                found.st_dev,
                found.st_mtime_ns,
                found.st_ctime_ns,
                found.st_ino,
            )
        )
        return True

    def _skip(self, folder: Folder, name: str, error: OSError) -> bool:
        """Record an entry that cannot be looked at; True if it is just not there any more."""
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return True
        note_error(self._noting(folder), name, error)
        return False

    def _read_known(self, folder: Folder, fd: int, *, chosen: bool) -> bool:
        """Compare a folder with what the index knows of it."""
        rows = self._db.execute(
            "SELECT name, id, kind, size, mtime, ctime, inode FROM entries WHERE parent = ?",
            (folder.id,),
        ).fetchmany(MANY + 1)
        if len(rows) > MANY:
            rows.clear()
            return self._read_large(folder, fd, chosen=chosen)
        known = {loose(row[0]): Known(*row[1:]) for row in rows}
        complete = True
        for name, kind, found in self._listed(folder, fd, chosen=chosen):
            before = known.pop(name, None)
            if kind == UNREADABLE:
                complete = False
            else:
                self._meet(folder, name, before, kind, found)
        for gone in known.values():
            self._lose(folder, gone)
        return complete

    def _read_large(self, folder: Folder, fd: int, *, chosen: bool) -> bool:
        """Do the same for a folder of which the index knows very many names."""
        listing = Listing(self._db, folder.id)
        complete = True
        for name, kind, found in self._listed(folder, fd, chosen=chosen):
            listing.add(name, kind, found)
        for name, kind, found, before in listing.met():
            if kind == UNREADABLE:
                complete = False
            else:
                self._meet(folder, name, before, kind, found)
        for gone in listing.gone():
            self._lose(folder, gone)
        listing.close()
        return complete

    def _listed(
        self, folder: Folder, fd: int, *, chosen: bool
    ) -> Iterator[tuple[str, int, Listed]]:
        """Yield what a folder on the disk holds, as far as the rules let it in."""
        note = self._noting(folder)
        yield from list_folder(fd, folder.path, self._rules, note, chosen=chosen)

    def _meet(
        self, folder: Folder, name: str, known: Known | None, kind: int, found: Listed
    ) -> None:
        """Take in one entry of a known folder."""
        if known is not None:
            self.counts.symlinks += kind == SYMLINK
            self.counts.others += kind > SYMLINK
        if known is not None and known.id in self._claimed:
            known = None
        if known is not None and known.kind == kind:
            if known[2:] != found[:4]:
                self._change(known, found)
            return
        if known is not None:
            self.batch.replaced.append(known.id)
            self._lose(folder, known)
            if kind == DIRECTORY:  # a folder that was moved here takes the name at once
                self._save_part()
        if kind == DIRECTORY and not self._add_folder(folder, name, found):
            return
        self.batch.rows += (folder.id, name, kind, *found[:4])
        self._save_if_many()

    def _change(self, known: Known, found: Listed) -> None:
        self.batch.changed.append((*found[:4], known.id))
        self.counts.changed += 1
        if known.kind == FILE:
            self.counts.delta_bytes += found.st_size - known.size
            self.counts.touch(known.id)
        self._save_if_many()

    def _lose(self, folder: Folder, known: Known) -> None:
        if known.id in self._claimed:
            return
        row = (known.id, folder.id, folder.device, known.inode, known.kind == DIRECTORY)
        self.batch.vanished.append(row)
        self._save_if_many()

    def _save_if_many(self) -> None:
        if self.batch.weight() > MANY:
            self._save_part()
