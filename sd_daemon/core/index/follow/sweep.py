"""Going through all folders of the index: to watch them, and to find what changed unseen.

A quick sweep watches each folder and compares its times with those it had when it was read; which
differ are read. It finds whatever came, went or was renamed. A full one, later and without haste,
reads every folder: it finds files that were changed in place while nobody watched.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sd_daemon.core.index.reading import Folder
from sd_daemon.core.index.roots import same_folder
from sd_daemon.core.index.walk import Subtree, loose, open_folder

if TYPE_CHECKING:
    import sqlite3

    from sd_daemon.core.index.follow.hints import Hints
    from sd_daemon.core.index.follow.places import Places
    from sd_daemon.core.index.follow.watches import Watches

QUICK = 1000  # folders in one step
FULL_ENTRIES = 4000  # in one step, roughly
_COLUMNS = "f.id, f.path, f.device, f.mtime, f.ctime, f.inode, f.scan"


class Sweep:
    """Folders above the id `after`, up to `upto`; below `path`, where there is one."""

    def __init__(self, after: int, upto: int, *, full: bool, path: str | None = None) -> None:
        self._after = self.position = after
        self.full = full
        self._upto = upto
        self._path = path
        self._inside = Subtree("/" if path is None else path)

    def is_like(self, after: int, upto: int, path: str | None) -> bool:
        """Say whether this is a sweep of the same folders that has not begun."""
        new = self.position == self._after
        return new and (self._after, self._upto, self._path) == (after, upto, path)

    def step(self, db: sqlite3.Connection, places: Places, watches: Watches, hints: Hints) -> bool:
        """Go on for a while; False if that was the end."""
        rows = db.execute(
            f"SELECT {_COLUMNS}, (SELECT count(*) FROM entries e WHERE e.parent = f.id)"
            f" FROM folders f NOT INDEXED WHERE id > ? AND id <= ? AND {self._inside.where('path')}"
            f" ORDER BY id LIMIT {QUICK}"
            if self.full
            else f"SELECT {_COLUMNS}, 0 FROM folders f NOT INDEXED WHERE id > ? AND id <= ?"
            f" AND {self._inside.where('path')} ORDER BY id LIMIT {QUICK}",
            (self.position, self._upto, *self._inside.params),
        ).fetchall()
        entries = 0
        for row in rows:
            folder = Folder._make(row[:7])._replace(path=loose(row[1]))
            self.position = folder.id
            place = places.of(folder.path)
            if place is None or places.is_remote(folder.path):
                continue
            if folder.scan == 0 and place.is_busy:
                continue  # an unfinished job reads it when it goes on
            if self.full:
                hints.mark_all(folder.id)
                entries += 1 + row[7]
            else:
                _watch(folder, watches, hints)
            if entries > FULL_ENTRIES:
                break
        return bool(rows)


def _watch(folder: Folder, watches: Watches, hints: Hints) -> None:
    try:
        fd = open_folder(folder.path)
    except OSError:
        hints.mark_all(folder.id)  # opening it again will tell
        return
    try:
        found = os.fstat(fd)
        if not same_folder(found, folder.device, folder.inode):
            hints.mark_all(folder.id)
            return
        if watches.add(folder, fd):
            hints.mark_all(folder.id)  # whose it is shows when it is read
        found = os.fstat(fd)
        if (found.st_mtime_ns, found.st_ctime_ns) != (folder.mtime, folder.ctime):
            hints.mark_all(folder.id)
    finally:
        os.close(fd)
