"""The pass over a subtree: visiting its folders until the index agrees with the disk.

Folders are visited in the order of their ids. New ones get higher ids than all there are, so the
table of folders is itself the queue of what is still to be visited: a pass needs to remember only
the last id it has done, memory does not grow with the tree, and a pass that was killed goes on
where its last transaction stands.

A folder that looks as it did when it was read last (mtime and ctime, which the kernel changes with
every name added or taken away) is not read again, unless the pass is a full one.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from sd_daemon.core.index.errors import RootOffline, root_failure
from sd_daemon.core.index.moves import Moves
from sd_daemon.core.index.reading import MANY, Folder, FolderReader
from sd_daemon.core.index.visit import Gone, Visitor, is_offline
from sd_daemon.core.index.walk import Subtree, loose, open_folder, stat_folder

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator

    from sd_daemon.core.index.names import NameIndex
    from sd_daemon.core.index.report import Counts
    from sd_daemon.core.index.rules import Rules
    from sd_daemon.core.index.store import Store

_CHUNK = 1000  # folders fetched at once
_MOST_ROUNDS = 3  # over folders that were moved while the pass was running
_SAVE_EVERY_S = 0.15  # how long a person who pauses the job waits at most, roughly


class Scan:
    """One pass over the folder `root` (an entries.id) at `path`.

    `full` has every folder read and every entry looked at; without `recursive` only the folder
    itself is visited. `on_saved` is called after each transaction with the pass's counters, and
    may raise to stop the pass there.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        store: Store,
        names: NameIndex,
        *,
        scan: int,
        root: int,
        path: str,
        position: int,
        rules: Rules,
        counts: Counts,
        full: bool,
        recursive: bool,
        chosen: bool,
        on_saved: Callable[[str], None],
    ) -> None:
        self._db = db
        self._store = store
        self._scan = scan
        self._root = root
        self._path = path
        self._position = position
        self._counts = counts
        self._full = full
        self._recursive = recursive
        self._chosen = chosen
        self._on_saved = on_saved
        self._saved_at = time.monotonic()
        self._here = path
        self._moves = Moves(db, names, store, path)
        self._rounds = 0
        self._reader = FolderReader(db, scan, rules, self._moves, counts, self._save_part)
        self._visitor = Visitor(db, rules, self._reader)

    def run(self) -> None:
        """Visit every folder that is due.

        Raises RootMissing, RootOffline, RootUnreadable, DatabaseFailure, and what `on_saved`
        raises.
        """
        self._check_root()
        while True:
            rows = self._due()
            moves = self._moves.paths_changed
            for folder in self._changed(rows):
                self._here = folder.path
                if moves == self._moves.paths_changed or self._is_at_its_path(folder):
                    self._visit(folder)
                self._position = folder.id
                if self._is_time_to_save():
                    self._save()
            if rows:
                self._position = rows[-1][0]
                if self._is_time_to_save():
                    self._save()
            elif not self._reader.batch.is_empty():
                self._save()
            elif not self._start_again():
                return

    def _check_root(self) -> None:
        """Refuse to run when the root is not there, so that nothing of it is taken for deleted."""
        try:
            found = stat_folder(self._path)
            os.close(open_folder(self._path))
        except OSError as error:
            raise root_failure(os.fsencode(self._path), error) from error
        row = self._db.execute(
            "SELECT id, path, device, mtime, ctime, inode, scan FROM folders WHERE id = ?",
            (self._root,),
        ).fetchone()
        if is_offline(self._db, Folder._make(row)._replace(path=self._path), found):
            raise RootOffline(os.fsencode(self._path))

    def _due(self) -> list[tuple[Any, ...]]:
        """Return the next folders to visit; none: what is known of them has to be saved first.

        The last column says whether something of the folder was left out, which may be different
        now.
        """
        columns = "id, path, device, mtime, ctime, inode, scan"
        omitted = "EXISTS (SELECT 1 FROM omissions o WHERE o.folder = f.id)"
        if not self._recursive:
            return self._db.execute(
                f"SELECT {columns}, {omitted} FROM folders f WHERE id = ? AND id > ?",
                (self._root, self._position),
            ).fetchall()
        below = Subtree(self._path)
        query = (
            f"SELECT {columns}, {omitted} FROM folders f NOT INDEXED WHERE id > ? AND scan != ?"
            f" AND {below.where('path')} ORDER BY id LIMIT {_CHUNK}"
        )
        return self._db.execute(query, (self._position, self._scan, *below.params)).fetchall()

    def _changed(self, rows: list[tuple[Any, ...]]) -> Iterator[Folder]:
        """Yield the folders that have to be read.

        The loop that every folder of an unchanged tree passes through once.
        """
        lstat = os.lstat
        unchanged = 0
        quick = not self._full
        for row in rows:
            number, path, device, mtime, ctime, inode, scan, omitted = row
            if quick and scan > 0 and not omitted:
                try:
                    found = lstat(path)
                    if (
                        found.st_mtime_ns == mtime
                        and found.st_ctime_ns == ctime
                        and found.st_dev == device
                        and found.st_ino == inode
                    ):
                        unchanged += 1
                        continue
                except OSError:
                    pass  # opening it will tell what is wrong, or that the path is only long
            yield Folder(number, loose(path), device, mtime, ctime, inode, scan)
        self._counts.folders_unchanged += unchanged

    def _is_at_its_path(self, folder: Folder) -> bool:
        """Say whether the path is right still; a folder that was moved is visited once more."""
        query = "SELECT path FROM folders WHERE id = ?"
        row = self._db.execute(query, (folder.id,)).fetchone()
        return row is not None and loose(row[0]) == folder.path

    def _start_again(self) -> bool:
        """Go back to folders that came into the tree, or moved in it, after their turn."""
        row = self._db.execute("SELECT again FROM scans WHERE id = ?", (self._scan,)).fetchone()
        if row is None or not row[0]:
            return False
        self._db.execute(
            "UPDATE scans SET again = 0, position = ? WHERE id = ?", (row[0] - 1, self._scan)
        )
        self._position = row[0] - 1
        self._rounds += 1
        if self._rounds == _MOST_ROUNDS:
            self._moves.stop()
        return True

    def _visit(self, folder: Folder) -> None:
        try:
            fd = self._visitor.open(folder)
        except Gone:
            return
        if fd is None:
            return
        is_root = folder.id == self._root
        try:
            found = os.fstat(fd)
            if not self._visitor.is_barred(folder, found, is_root=is_root):
                self._reader.read(folder, fd, found, chosen=self._chosen and is_root)
        finally:
            os.close(fd)

    def _is_time_to_save(self) -> bool:
        late = time.monotonic() - self._saved_at > _SAVE_EVERY_S
        return late or self._reader.batch.weight() >= MANY

    def _save_part(self) -> None:
        """Write the batch in the middle of a folder, which is not done by that."""
        self._save()

    def _save(self) -> None:
        self._store.save(self._reader.finish_batch(), self._position, self._counts)
        self._saved_at = time.monotonic()
        self._on_saved(self._here)
