"""The phase that gives files their content identity.

Files are taken in the order of their ids, so the pass remembers its place as one number. A file is
looked at before and after it is read: what changed meanwhile is not stored, and is found again by
the next pass. Only regular files are opened, and in a way that nothing else could block or harm.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from typing import TYPE_CHECKING, NamedTuple

from sd_daemon.core.db.connection import transaction
from sd_daemon.core.index.identity import SAMPLED_ABOVE, ContentChanged, content_id, id_of
from sd_daemon.core.index.kinds import identify_kind
from sd_daemon.core.index.walk import FILE, Subtree, loose, open_folder

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from sd_daemon.core.index.report import Counts

_CHUNK = 1000  # files per query
_SAVE_EVERY_S = 0.15
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY
_NO_ATIME = getattr(os, "O_NOATIME", 0)  # allowed to the owner of a file only


class _File(NamedTuple):
    id: int
    parent: int
    name: str | bytes
    size: int
    mtime: int
    ctime: int
    inode: int
    folder: str | bytes


class _Changed(Exception):
    """The file is not the one the index knows, or did not stay the same while it was read."""


class Identification:
    """Identifies the files below the folder at `path` whose content is not known.

    `identify_next` does one batch; the caller goes on until it returns False.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        *,
        scan: int,
        path: str,
        position: int,
        recursive: bool,
        counts: Counts,
        on_saved: Callable[[str], None],
    ) -> None:
        self._db = db
        self._scan = scan
        self._position = position
        self._counts = counts
        self._on_saved = on_saved
        self._where, self._params = _condition(path, recursive=recursive)
        self._identified: list[tuple[int, int, str | bytes, int]] = []  # content, id, name, size
        self._refreshed: list[tuple[int, int, int, int, int]] = []
        self._omitted: list[tuple[int, str | bytes, str, str]] = []
        self._saved_at = time.monotonic()

    def remaining(self) -> tuple[int, int]:
        """Return how many files, and bytes in them, are still to be identified."""
        row = self._db.execute(
            f"SELECT count(*), ifnull(sum(e.size), 0) {self._where}",
            (self._position, *self._params),
        ).fetchone()
        return int(row[0]), int(row[1])

    def run(self) -> None:
        """Identify every file. Raises what `on_saved` raises, and DatabaseFailure."""
        columns = "e.id, e.parent, e.name, e.size, e.mtime, e.ctime, e.inode, f.path"
        query = f"SELECT {columns} {self._where} ORDER BY e.id LIMIT {_CHUNK}"
        while rows := self._db.execute(query, (self._position, *self._params)).fetchall():
            for row in rows:
                self._take(_File._make(row))
                self._position = row[0]
                if time.monotonic() - self._saved_at > _SAVE_EVERY_S:
                    self._save(loose(row[7]))
            self._save(loose(rows[-1][7]))

    def _take(self, file: _File) -> None:
        """Identify one file, or note why not."""
        counts = self._counts
        try:
            content, found = _identify(file)
        except (_Changed, ContentChanged):
            counts.changed_while_read += 1
            counts.touch(file.id)
            return
        except OSError as error:
            number = error.errno or 0
            counts.touch(file.id)
            if number not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                counts.unreadable += 1
                name = errno.errorcode.get(number, "EIO")
                self._omitted.append((file.parent, file.name, name, os.strerror(number)))
            return
        if (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino) != file[3:7]:
            self._refreshed.append(
                (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, file.id)
            )
            counts.delta_bytes += found.st_size - file.size
        self._identified.append((content, file.id, file.name, found.st_size))
        counts.identified += 1
        counts.identified_bytes += found.st_size

    def _save(self, here: str) -> None:
        now = time.time_ns()
        with transaction(self._db):
            self._db.executemany(
                "UPDATE entries SET size = ?, mtime = ?, ctime = ?, inode = ? WHERE id = ?",
                self._refreshed,
            )
            self._db.executemany(
                "INSERT INTO contents (id, kind, mime, size, first_seen_at, last_verified_at)"
                " VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET last_verified_at = excluded.last_verified_at",
                [
                    (content, *identify_kind(name), size, now, now)
                    for content, _, name, size in self._identified
                ],
            )
            self._db.executemany(
                "UPDATE entries SET content = ? WHERE id = ?",
                [row[:2] for row in self._identified],
            )
            self._db.executemany(
                "INSERT OR REPLACE INTO omissions VALUES (?, ?, ?, ?)", self._omitted
            )
            self._db.execute(
                "UPDATE scans SET position = ?, counts = ? WHERE id = ?",
                (self._position, self._counts.stored(), self._scan),
            )
        self._identified.clear()
        self._refreshed.clear()
        self._omitted.clear()
        self._saved_at = time.monotonic()
        self._on_saved(here)


def _condition(path: str, *, recursive: bool) -> tuple[str, tuple[str | bytes, ...]]:
    below = Subtree(path)
    inside = below.where("f.path") if recursive else "f.path = ?"
    params = below.params if recursive else below.params[-1:]
    return (
        "FROM entries e NOT INDEXED CROSS JOIN folders f ON f.id = e.parent"
        f" WHERE e.id > ? AND e.kind = {FILE} AND e.size > 0 AND e.content IS NULL AND {inside}",
        params,
    )


def _identify(file: _File) -> tuple[int, os.stat_result]:
    """Return the identity of a file and its stat. Raises OSError, _Changed, ContentChanged."""
    fd = _open(loose(file.folder), loose(file.name))
    try:
        before = os.fstat(fd)
        size = before.st_size
        if not stat.S_ISREG(before.st_mode) or size == 0:
            raise _Changed
        if size <= SAMPLED_ABOVE:
            data = os.read(fd, size)
            if len(data) != size:
                raise ContentChanged
            content = id_of(size.to_bytes(8, "little") + data)
        else:
            content = content_id(lambda length, offset: os.pread(fd, length, offset), size)
        after = os.fstat(fd)
    finally:
        os.close(fd)
    if after.st_ctime_ns != before.st_ctime_ns or after.st_size != size:
        raise _Changed
    return content, after


def _open(folder: str, name: str) -> int:
    path = f"{folder}/{name}"
    try:
        return os.open(path, _FLAGS | _NO_ATIME)
    except OSError as error:
        if error.errno == errno.EPERM and _NO_ATIME:
            return os.open(path, _FLAGS)
        if error.errno != errno.ENAMETOOLONG:
            raise
    fd = open_folder(folder)
    try:
        return os.open(name, _FLAGS, dir_fd=fd)
    finally:
        os.close(fd)
