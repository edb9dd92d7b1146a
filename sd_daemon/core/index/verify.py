"""Comparing an index with the disk, entry by entry, and setting it right where they differ.

The comparison looks for itself: it shares with the scan how a folder is listed and what the rules
leave out, and nothing of how the scan decides what has changed. Like the scan it goes through the
folders of the index in the order of their ids, so its memory does not grow with the tree; folders
that the index lacks are walked from where they are met.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from sd_daemon.core.db.connection import transaction
from sd_daemon.core.index.announcements import note_anything
from sd_daemon.core.index.differences import Differences
from sd_daemon.core.index.disk import Omitted, list_folder, note_error, why_barred
from sd_daemon.core.index.errors import PathOmitted, root_failure
from sd_daemon.core.index.identity import ContentChanged, content_id
from sd_daemon.core.index.identity_text import id_to_text
from sd_daemon.core.index.listing import UNREADABLE, Known, Listed, Listing
from sd_daemon.core.index.reading import MANY
from sd_daemon.core.index.walk import (
    DIRECTORY,
    FILE,
    GONE,
    Subtree,
    exact,
    join,
    loose,
    open_folder,
    stat_folder,
)
from sd_daemon.core.mount_table import kinds_by_mount_point

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from sd_daemon.core.index.rules import Rules
    from sd_daemon.core.jobs.context import JobContext

_CHUNK = 512
_KIND_NAMES = ("file", "folder", "symlink", "fifo", "socket", "block device", "character device")
_LOOK_EVERY_S = 0.15


class Verification:
    """Compares the folder at `path` (of the location at `chosen`) with the index."""

    def __init__(
        self,
        db: sqlite3.Connection,
        path: str,
        *,
        chosen: str,
        rules: Rules,
        content: bool,
        context: JobContext,
    ) -> None:
        self._db = db
        self._path = path
        self._chosen = chosen
        self._rules = rules
        self._content = content
        self._context = context
        self._mounts = kinds_by_mount_point()
        self._looked_at = time.monotonic()
        self.found = Differences()
        db.execute("CREATE TEMP TABLE IF NOT EXISTS rehash (entry INTEGER PRIMARY KEY)")
        db.execute("DELETE FROM temp.rehash")

    def run(self) -> None:
        """Compare everything. Raises IndexFailure when the folder is not there, JobInterrupted."""
        try:
            stat_folder(self._path)
        except OSError as error:
            raise root_failure(os.fsencode(self._path), error) from error
        query = "SELECT id FROM folders WHERE path = ?"
        if self._db.execute(query, (exact(self._path),)).fetchone() is None:
            raise PathOmitted(os.fsencode(self._path))
        for folder, path, parent_path, name in self._folders():
            if parent_path is not None and path != self._path:
                expected = join(parent_path, name)
                if expected != path:
                    self.found.parent(path, folder, name, expected)
            self._compare(folder, path)
            self._report(path)

    def forget_contents(self) -> None:
        """Have the files whose content is not what the index says identified anew."""
        with transaction(self._db):
            self._db.execute(
                "UPDATE entries SET content = NULL WHERE id IN (SELECT entry FROM temp.rehash)"
            )
            first = self._db.execute("SELECT min(entry) FROM temp.rehash").fetchone()[0]
            if first is not None:
                self._db.execute(
                    "UPDATE locations SET unidentified = min(unidentified, ?)", (first,)
                )

    def correct_paths(self) -> None:
        """Set right the paths of folders whose parents say otherwise."""
        with transaction(self._db):
            for folder, path in self.found.paths:
                self._db.execute(
                    "UPDATE OR REPLACE folders SET path = ? WHERE id = ?", (exact(path), folder)
                )
            if self.found.paths:
                note_anything(self._db)

    def _folders(self) -> Iterator[tuple[int, str, str | None, str]]:
        """Yield the folders of the index: id, path, path of the parent (None: a root), name."""
        below = Subtree(self._path)
        position = 0
        while True:
            rows = self._db.execute(
                "SELECT f.id, f.path, p.path, e.name, e.parent FROM folders f NOT INDEXED"
                " JOIN entries e ON e.id = f.id LEFT JOIN folders p ON p.id = e.parent"
                f" WHERE f.id > ? AND {below.where('f.path')} ORDER BY f.id LIMIT {_CHUNK}",
                (position, *below.params),
            ).fetchall()
            if not rows:
                return
            position = rows[-1][0]
            for folder, path, above, name, parent in rows:
                known_above = None if parent == 0 else loose(above) if above is not None else "?"
                yield folder, loose(path), known_above, loose(name)

    def _compare(self, folder: int, path: str) -> None:
        """Compare what is in one folder of the index."""
        found = self.found
        try:
            fd = open_folder(path)
        except OSError as error:
            if error.errno in GONE:
                for name, known in self._known(folder):
                    found.index_has(known.kind)
                    found.stale(join(path, name), known.id, name)
            else:
                found.unreadable += 1
            return
        try:
            self._compare_open(folder, path, fd)
        finally:
            os.close(fd)

    def _compare_open(self, folder: int, path: str, fd: int) -> None:
        listing = Listing(self._db, folder)
        complete = True
        for name, kind, stat in self._on_disk(path, fd):
            complete = complete and name != "."
            listing.add(name, kind, stat)
        for name, kind, stat, known in listing.met():
            if known is not None:
                self.found.index_has(known.kind)
            if kind == UNREADABLE:
                continue
            self.found.disk_has(kind)
            if known is None:
                self.found.missing(join(path, name), _KIND_NAMES[kind])
                if kind == DIRECTORY:
                    self._walk_missing(join(path, name))
            else:
                self._compare_entry(path, fd, name, kind, stat, known)
        for gone in listing.gone():
            self.found.index_has(gone.kind)
            if complete:
                self._stale(path, gone)
        listing.close()

    def _stale(self, path: str, gone: Known) -> None:
        row = self._db.execute("SELECT name FROM entries WHERE id = ?", (gone.id,)).fetchone()
        name = loose(row[0])
        self.found.stale(join(path, name), gone.id, name)

    def _compare_entry(
        self, path: str, fd: int, name: str, kind: int, stat: Listed, known: Known
    ) -> None:
        here = join(path, name)
        note = self.found.mismatch
        if kind != known.kind:
            note(here, "KindMismatch", _KIND_NAMES[kind], _KIND_NAMES[known.kind], known.id, name)
            if kind == DIRECTORY:
                self._walk_missing(here)
            return
        if stat.st_size != known.size:
            note(here, "SizeMismatch", str(stat.st_size), str(known.size), known.id, name)
        if stat.st_mtime_ns != known.mtime:
            times = str(stat.st_mtime_ns), str(known.mtime)
            note(here, "ModifiedTimeMismatch", *times, known.id, name)
        if stat.st_ino != known.inode:
            note(here, "InodeMismatch", str(stat.st_ino), str(known.inode), known.id, name)
        same = (stat.st_size, stat.st_mtime_ns) == (known.size, known.mtime)
        if self._content and kind == FILE and stat.st_size and same:
            self._compare_content(fd, here, name, known)

    def _compare_content(self, folder: int, path: str, name: str, known: Known) -> None:
        row = self._db.execute("SELECT content FROM entries WHERE id = ?", (known.id,)).fetchone()
        if row[0] is None:
            return
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            fd = os.open(name, flags, dir_fd=folder)
            try:
                size = os.fstat(fd).st_size
                found = content_id(lambda length, offset: os.pread(fd, length, offset), size)
            finally:
                os.close(fd)
        except (OSError, ContentChanged, ValueError):
            self.found.unreadable += 1
            return
        if found != row[0]:
            hashes = id_to_text(found), id_to_text(row[0])
            self.found.mismatch(path, "ContentMismatch", *hashes, known.id, name)
            self._db.execute("INSERT OR IGNORE INTO temp.rehash VALUES (?)", (known.id,))
        self._report(path)

    def _on_disk(self, path: str, fd: int) -> Iterator[tuple[str, int, Listed]]:
        """Yield what the folder holds by the rules, and "." if it cannot be read to its end."""

        def note(name: str, reason: str, detail: str) -> None:
            self.found.unreadable += reason != "rule"

        if path != self._path and why_barred(self._mounts, self._rules, path, os.fstat(fd)):
            return
        # Whether the folder is left out as a whole may show only with its last name.
        listed: list[tuple[str, int, Listed]] = []
        entries = list_folder(fd, path, self._rules, note, chosen=path == self._chosen)
        try:
            for entry in entries:
                listed.append(entry)
                if len(listed) > MANY:
                    yield from listed
                    listed.clear()
        except Omitted:
            return
        except OSError as error:
            note_error(note, ".", error)
            yield ".", UNREADABLE, Listed(0, 0, 0, 0, 0)
        yield from listed

    def _walk_missing(self, path: str) -> None:
        """Report everything in a folder that the index lacks."""
        stack = [path]
        while stack:
            here = stack.pop()
            try:
                fd = open_folder(here)
            except OSError as error:
                self.found.unreadable += error.errno not in GONE
                continue
            try:
                for name, kind, _ in self._on_disk(here, fd):
                    if kind == UNREADABLE:
                        continue
                    self.found.disk_has(kind)
                    self.found.missing(join(here, name), _KIND_NAMES[kind])
                    if kind == DIRECTORY:
                        stack.append(join(here, name))
            finally:
                os.close(fd)
            self._report(here)

    def _known(self, folder: int) -> Iterator[tuple[str, Known]]:
        last: object = ""
        while True:
            rows = self._db.execute(
                "SELECT name, id, kind, size, mtime, ctime, inode FROM entries"
                f" WHERE parent = ? AND name > ? ORDER BY name LIMIT {_CHUNK}",
                (folder, last),
            ).fetchall()
            if not rows:
                return
            last = rows[-1][0]
            for row in rows:
                yield loose(row[0]), Known(*row[1:])

    def _report(self, path: str) -> None:
        now = time.monotonic()
        if now - self._looked_at < _LOOK_EVERY_S:
            return
        self._looked_at = now
        seen = self.found.disk_files
        self._context.progress(
            "Processing",
            seen,
            message=f"{seen:,} files compared, {self.found.total:,} differences",
            path=os.fsencode(path),
        )
        self._context.safe_point()
