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
from operator import itemgetter
from typing import TYPE_CHECKING

from sd_daemon.core.db.connection import transaction
from sd_daemon.core.index.announcements import Change
from sd_daemon.core.index.identity import SAMPLED_ABOVE, ContentChanged, content_id, id_of
from sd_daemon.core.index.kinds import identify_kind
from sd_daemon.core.index.walk import FILE, Subtree, loose, open_folder

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence

    from sd_daemon.core.index.announcements import Announcements
    from sd_daemon.core.index.report import Counts

_CHUNK = 1000  # files per query
_ROWS = 100  # per INSERT
_SAVE_EVERY_S = 0.15
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NOCTTY
_NO_ATIME = getattr(os, "O_NOATIME", 0)  # allowed to the owner of a file only


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
        announcements: Announcements,
        on_saved: Callable[[str], None],
        only: Sequence[int] | None = None,
    ) -> None:
        """`only`: these entries, wherever they are."""
        self._db = db
        self._scan = scan
        self._path = path
        self._position = self._saved = position
        self._counts = counts
        self._announcements = announcements
        self._on_saved = on_saved
        self._where, self._params = _condition(path, recursive=recursive)
        if only is not None:
            self._where, self._params = _among(only), ()
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
            for number, parent, name, size, mtime, ctime, inode, folder in rows:
                try:
                    content, found = _identify(folder, name)
                except (_Changed, ContentChanged):
                    self._counts.changed_while_read += 1
                    self._counts.touch(number)
                except OSError as error:
                    self._give_up(number, parent, name, error)
                else:
                    self._identified.append((content, number, name, found.st_size))
                    if (found.st_ctime_ns, found.st_mtime_ns) != (ctime, mtime) or (
                        (found.st_size, found.st_ino) != (size, inode)
                    ):
                        self._refresh(number, size, found)
                self._position = number
                if time.monotonic() - self._saved_at > _SAVE_EVERY_S:
                    self._save(loose(folder))
        if self._position != self._saved:
            self._save(self._path)

    def _give_up(self, number: int, parent: int, name: str | bytes, error: OSError) -> None:
        """Note a file that cannot be read; one that is not there any more is no error."""
        self._counts.touch(number)
        code = error.errno or 0
        if code not in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            self._counts.unreadable += 1
            reason = errno.errorcode.get(code, "EIO")
            self._omitted.append((parent, name, reason, os.strerror(code)))

    def _refresh(self, number: int, size: int, found: os.stat_result) -> None:
        """Take over the stat of a file that has changed since the index met it."""
        row = (found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino, number)
        self._refreshed.append(row)
        self._counts.delta_bytes += found.st_size - size

    def _save(self, here: str) -> None:
        now = time.time_ns()
        self._counts.identified += len(self._identified)
        self._counts.identified_bytes += sum([row[3] for row in self._identified])
        # In the order of the hashes, which are keys: neighbours go into the same page.
        self._identified.sort(key=itemgetter(0))
        with transaction(self._db):
            self._announcements.note_different(self._refreshed)
            self._db.executemany(
                "UPDATE entries SET size = ?, mtime = ?, ctime = ?, inode = ? WHERE id = ?",
                self._refreshed,
            )
            self._write_contents(now)
            self._announcements.note(
                Change.IDENTIFIED, *[(row[1], None, None) for row in self._identified]
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
        self._saved = self._position
        self._saved_at = time.monotonic()
        self._on_saved(here)

    def _write_contents(self, now: int) -> None:
        identified = self._identified
        flat: list[object] = []
        for content, _, name, size in identified:
            flat += (content, *identify_kind(name), size, now, now)
        for start in range(0, len(flat), 6 * _ROWS):
            values = flat[start : start + 6 * _ROWS]
            marks = ",".join(["(?,?,?,?,?,?)"] * (len(values) // 6))
            self._db.execute(
                "INSERT INTO contents (id, kind, mime, size, first_seen_at, last_verified_at)"
                f" VALUES {marks}"
                " ON CONFLICT (id) DO UPDATE SET last_verified_at = excluded.last_verified_at",
                values,
            )
        self._db.executemany(
            "UPDATE entries SET content = ? WHERE id = ?", [row[:2] for row in identified]
        )


def _condition(path: str, *, recursive: bool) -> tuple[str, tuple[str | bytes, ...]]:
    below = Subtree(path)
    inside = below.where("f.path") if recursive else "f.path = ?"
    params = below.params if recursive else below.params[-1:]
    return (
        "FROM entries e NOT INDEXED CROSS JOIN folders f ON f.id = e.parent"
        f" WHERE e.id > ? AND e.kind = {FILE} AND e.size > 0 AND e.content IS NULL AND {inside}",
        params,
    )


def _among(entries: Sequence[int]) -> str:
    listed = ",".join(map(str, entries))
    return (
        "FROM entries e JOIN folders f ON f.id = e.parent"
        f" WHERE e.id > ? AND e.id IN ({listed}) AND e.kind = {FILE} AND e.size > 0"
        " AND e.content IS NULL"
    )


def _identify(folder: str | bytes, name: str | bytes) -> tuple[int, os.stat_result]:
    """Return the identity of a file and its stat. Raises OSError, _Changed, ContentChanged."""
    fd = _open(folder, name)
    try:
        before = os.fstat(fd)
        size = before.st_size
        if size == 0 or not stat.S_ISREG(before.st_mode):
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


def _open(folder: str | bytes, name: str | bytes) -> int:
    if isinstance(folder, bytes) or isinstance(name, bytes):
        folder, name = loose(folder), loose(name)
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
