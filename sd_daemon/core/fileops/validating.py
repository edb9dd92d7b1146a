"""The job that validates: whether files can be read, and are what they were.

params:
  paths  folders or files, as encoded_path
  level  readable, sampled or complete

It goes through the index, not the disk, since what is missing is an issue as well. What it found,
and how far it came, is in one transaction of operations.db.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from blake3 import blake3

from sd_daemon.core.db.connection import failures, open_reader, open_writer, transaction
from sd_daemon.core.fileops.comparing import open_file
from sd_daemon.core.files.find import entry_at, folder_at
from sd_daemon.core.files.validation import SEVERITIES, Counts
from sd_daemon.core.index.identity import ContentChanged, content_id
from sd_daemon.core.index.walk import FILE, Subtree, exact, join, loose
from sd_daemon.core.jobs.params import path_of
from sd_daemon.core.library_files import INDEX_FILE, OPERATIONS_FILE
from sd_wire.operations.validation import Severity, ValidationLevel

if TYPE_CHECKING:
    import sqlite3

    from sd_daemon.core.jobs.context import JobContext

KEPT = 100  # validations whose results are remembered

_ROWS = 200  # of one query
_SAVE_EVERY_S = 0.5
_CHUNK = 1 << 20  # bytes
_END = 4096  # bytes at each end of a file that is only to be readable
_GONE = frozenset((errno.ENOENT, errno.ENOTDIR, errno.ELOOP))
_BROKEN = frozenset((errno.EIO, errno.EUCLEAN if hasattr(errno, "EUCLEAN") else errno.EIO))


class _Known(NamedTuple):
    """A file as the index has it."""

    entry: int
    folder: str
    name: str
    size: int
    mtime: int
    content: int | None
    integrity: str | None

    @property
    def path(self) -> str:
        return join(self.folder, self.name)


class _Issue(NamedTuple):
    severity: Severity
    path: str
    sentence: str


class _Reading(NamedTuple):
    entry: int
    size: int
    mtime: int
    hash: str
    content: int | None


def run_validate(params: dict[str, Any], context: JobContext) -> dict[str, Any]:
    """Validate. Raises JobInterrupted, DatabaseFailure."""
    library = context.library_dir
    level = ValidationLevel(params["level"])
    with failures(f"{library}/{INDEX_FILE}"):
        index = open_reader(f"{library}/{INDEX_FILE}")
        try:
            notes = open_writer(f"{library}/{OPERATIONS_FILE}", cache_kib=4096)
            try:
                work = Validation(index, notes, context, level)
                work.run([path_of(one) for one in params["paths"]])
            finally:
                notes.close()
        finally:
            index.close()
    counts = work.counts
    return {
        "validated_count": counts.files,
        "issues_found": sum(counts.issues),
        "total_bytes_validated": counts.bytes,
        **{f"{name.lower()}_count": counts.issues[n] for n, name in enumerate(SEVERITIES)},
    }


class Validation:
    """One validation, new or continued."""

    def __init__(
        self,
        index: sqlite3.Connection,
        notes: sqlite3.Connection,
        context: JobContext,
        level: ValidationLevel,
    ) -> None:
        self._index = index
        self._notes = notes
        self._context = context
        self._level = level
        self._place, self._position, self.counts = self._begin_or_continue()
        self._number = sum(self.counts.issues)
        self._issues: list[_Issue] = []
        self._readings: list[_Reading] = []
        self._saved_at = time.monotonic()
        self._total = 0

    def _begin_or_continue(self) -> tuple[int, int, Counts]:
        job = self._context.job_id
        with transaction(self._notes):
            self._notes.execute(
                "INSERT OR IGNORE INTO validations VALUES (?, ?, 0, 0, ?)",
                (job, time.time_ns(), msgspec.json.encode(Counts()).decode()),
            )
            old = f"SELECT job FROM validations ORDER BY started_at DESC LIMIT -1 OFFSET {KEPT}"
            self._notes.execute(f"DELETE FROM issues WHERE job IN ({old})")
            self._notes.execute(f"DELETE FROM validations WHERE job IN ({old})")
            row = self._notes.execute(
                "SELECT place, position, counts FROM validations WHERE job = ?", (job,)
            ).fetchone()
        return row[0], row[1], msgspec.json.decode(row[2], type=Counts)

    def run(self, paths: list[str]) -> None:
        """Go on to the end."""
        self._total = sum(self._count(path) for path in paths)
        while self._place < len(paths):
            while rows := self._next(paths[self._place]):
                for known in rows:
                    self._context.safe_point()
                    self._validate(known)
                    self._position = known.entry
                    if time.monotonic() - self._saved_at > _SAVE_EVERY_S:
                        self._save()
            self._place += 1
            self._position = 0
            self._save()

    def _condition(self, path: str) -> tuple[str, tuple[object, ...]]:
        """Which entries are meant by a path."""
        if folder_at(self._index, path) is not None:
            below = Subtree(path)
            return below.where("f.path"), below.params
        return "e.id = ?", (entry_at(self._index, path) or 0,)

    def _count(self, path: str) -> int:
        where, params = self._condition(path)
        row = self._index.execute(
            "SELECT count(*) FROM folders f CROSS JOIN entries e ON e.parent = f.id"
            f" WHERE e.kind = {FILE} AND {where}",
            params,
        ).fetchone()
        return int(row[0])

    def _next(self, path: str) -> list[_Known]:
        where, params = self._condition(path)
        rows = self._index.execute(
            "SELECT e.id, f.path, e.name, e.size, e.mtime, e.content, c.integrity_hash"
            " FROM entries e NOT INDEXED CROSS JOIN folders f ON f.id = e.parent"
            " LEFT JOIN contents c ON c.id = e.content"
            f" WHERE e.id > ? AND e.kind = {FILE} AND {where} ORDER BY e.id LIMIT {_ROWS}",
            (self._position, *params),
        ).fetchall()
        return [_Known(row[0], loose(row[1]), loose(row[2]), *row[3:]) for row in rows]

    # --- one file --------------------------------------------------------------------------------

    def _validate(self, known: _Known) -> None:
        self.counts.files += 1
        try:
            fd = open_file(known.path)
            try:
                self._read(known, fd)
            finally:
                os.close(fd)
        except ContentChanged:
            self._find(Severity.INFO, known, "it is being changed")
        except OSError as error:
            self._cannot(known, error)
        self._context.progress(
            "Validating",
            self.counts.files,
            max(self._total, self.counts.files),
            size=self.counts.bytes,
            message=f"{self.counts.files:,} files, {sum(self.counts.issues):,} issues",
            path=os.fsencode(known.path),
            errors=sum(self.counts.issues[2:]),
            warnings=self.counts.issues[1],
        )

    def _cannot(self, known: _Known, error: OSError) -> None:
        if error.errno in _GONE:
            self._find(Severity.WARNING, known, "it is not there any more")
        elif error.errno in _BROKEN:
            self._find(Severity.CRITICAL, known, f"the disk cannot read it: {error.strerror}")
        else:
            self._find(Severity.ERROR, known, f"it cannot be read: {error.strerror}")

    def _read(self, known: _Known, fd: int) -> None:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode):
            self._find(Severity.WARNING, known, "it is not a file any more")
            return
        is_as_indexed = (found.st_size, found.st_mtime_ns) == (known.size, known.mtime)
        if not is_as_indexed:
            self._find(Severity.INFO, known, "it was changed since it was indexed")
        if found.st_size == 0:
            return
        if self._level is ValidationLevel.READABLE:
            for offset in {0, max(0, found.st_size - _END)}:
                self.counts.bytes += len(os.pread(fd, _END, offset))
        elif self._level is ValidationLevel.SAMPLED:
            content = content_id(lambda length, at: self._piece(fd, length, at), found.st_size)
            if is_as_indexed and known.content is not None and content != known.content:
                self._damaged(known, fd, found)
        else:
            self._read_all(known, fd, found, is_as_indexed=is_as_indexed)

    def _piece(self, fd: int, length: int, offset: int) -> bytes:
        data = os.pread(fd, length, offset)
        self.counts.bytes += len(data)
        return data

    def _read_all(
        self, known: _Known, fd: int, found: os.stat_result, *, is_as_indexed: bool
    ) -> None:
        hasher = blake3()
        while data := os.read(fd, _CHUNK):
            hasher.update(data)
            self.counts.bytes += len(data)
            self._context.safe_point()
            self._rest(len(data))
        digest = hasher.hexdigest()
        earlier = self._notes.execute(
            "SELECT size, mtime, hash FROM readings WHERE entry = ?", (known.entry,)
        ).fetchone()
        if not _is_unchanged(fd, found):
            self._find(Severity.INFO, known, "it is being changed")
            return
        stamp = (found.st_size, found.st_mtime_ns)
        if earlier is not None and earlier[:2] == stamp and earlier[2] != digest:
            self._damaged(known, fd, found)  # and what was read first stays what it has to be
            return
        content = known.content if is_as_indexed else None
        if content is not None and known.integrity not in (None, digest) and earlier is None:
            sentence = "its samples are those of another file, and the rest of it is not"
            self._find(Severity.WARNING, known, sentence)
            content = None
        self._readings.append(_Reading(known.entry, *stamp, digest, content))

    def _rest(self, size: int) -> None:
        bandwidth = self._context.limits.bandwidth
        if bandwidth:
            time.sleep(min(size / bandwidth, 1.0))

    def _damaged(self, known: _Known, fd: int, found: os.stat_result) -> None:
        if _is_unchanged(fd, found):
            sentence = "its content is not what it was, although size and time are: it is damaged"
            self._find(Severity.CRITICAL, known, sentence)
        else:
            self._find(Severity.INFO, known, "it is being changed")

    def _find(self, severity: Severity, known: _Known, sentence: str) -> None:
        self._issues.append(_Issue(severity, known.path, sentence))
        self.counts.issues[SEVERITIES.index(severity)] += 1

    # --- what is kept ----------------------------------------------------------------------------

    def _save(self) -> None:
        job = self._context.job_id
        now = time.time_ns()
        with transaction(self._notes):
            for issue in self._issues:
                self._number += 1
                severity = SEVERITIES.index(issue.severity)
                row = (job, self._number, severity, exact(issue.path), issue.sentence)
                self._notes.execute("INSERT INTO issues VALUES (?, ?, ?, ?, ?)", row)
            self._notes.executemany(
                "INSERT OR REPLACE INTO readings VALUES (?, ?, ?, ?, ?)",
                [(*reading[:4], now) for reading in self._readings],
            )
            self._notes.execute(
                "UPDATE validations SET place = ?, position = ?, counts = ? WHERE job = ?",
                (self._place, self._position, msgspec.json.encode(self.counts).decode(), job),
            )
        self._tell_index()
        self._issues.clear()
        self._saved_at = time.monotonic()

    def _tell_index(self) -> None:
        """Note in the index the whole hash of contents that had none."""
        hashes = [(one.hash, one.content) for one in self._readings if one.content is not None]
        self._readings.clear()
        if not hashes:
            return
        index = open_writer(f"{self._context.library_dir}/{INDEX_FILE}", cache_kib=4096)
        try:
            with transaction(index):
                index.executemany(
                    "UPDATE contents SET integrity_hash = ?"
                    " WHERE id = ? AND integrity_hash IS NULL",
                    hashes,
                )
        finally:
            index.close()


def _is_unchanged(fd: int, before: os.stat_result) -> bool:
    after = os.fstat(fd)
    return (after.st_size, after.st_mtime_ns, after.st_ctime_ns) == (
        before.st_size,
        before.st_mtime_ns,
        before.st_ctime_ns,
    )
