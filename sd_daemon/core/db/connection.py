"""How a database of ours is opened, and what can be wrong with it.

Every database is SQLite in WAL mode with 8 KiB pages: one writer and any number of readers that
never wait for each other. Connections are in autocommit mode; whoever needs a transaction says so
with `transaction`, so that what is committed together can be read off the code.

What goes wrong below SQLite arrives as one of half a dozen result codes. `failures` turns those
that a person can do something about into exceptions of their own; the rest stays sqlite3.Error.
"""

from __future__ import annotations

import os
import sqlite3
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

PAGE_SIZE = 8192  # bytes; measured best for rows of about 100 bytes, and only a new file heeds it
BUSY_TIMEOUT_S = 5.0
WRITER_CACHE_KIB = 24 * 1024  # what keeps a worker that loads millions of rows below 120 MiB
READER_CACHE_KIB = 8 * 1024
WAL_AUTOCHECKPOINT_PAGES = 4000  # 32 MiB
WAL_KEEP_BYTES = 64 * 1024 * 1024

_SAFE_IN_URI = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-~")


class DatabaseFailure(Exception):
    """A database cannot be used; the subclass says why. `path` is made readable."""

    def __init__(self, path: str, detail: str) -> None:
        super().__init__(f"{path}: {detail}")
        self.path = path
        self.detail = detail


class DatabaseMissing(DatabaseFailure):
    """There is no such file, or its folder cannot be entered."""


class DatabaseDamaged(DatabaseFailure):
    """The file is not a database, or parts of it are unreadable."""


class DatabaseFull(DatabaseFailure):
    """The disk has no room for what was to be written. Nothing of it was kept."""


class DatabaseReadOnly(DatabaseFailure):
    """The file, its folder or its file system does not allow writing."""


class DatabaseBusy(DatabaseFailure):
    """Another process held the write lock for longer than the busy timeout."""


class SchemaTooNew(DatabaseFailure):
    """A newer release wrote this database. `found` and `known` are schema numbers."""

    def __init__(self, path: str, found: int, known: int) -> None:
        super().__init__(path, f"schema {found} was written by a newer release (known: {known})")
        self.found = found
        self.known = known


_BY_CODE: dict[int, type[DatabaseFailure]] = {
    sqlite3.SQLITE_CORRUPT: DatabaseDamaged,
    sqlite3.SQLITE_NOTADB: DatabaseDamaged,
    sqlite3.SQLITE_FULL: DatabaseFull,
    sqlite3.SQLITE_READONLY: DatabaseReadOnly,
    sqlite3.SQLITE_PERM: DatabaseReadOnly,
    sqlite3.SQLITE_BUSY: DatabaseBusy,
    sqlite3.SQLITE_LOCKED: DatabaseBusy,
    sqlite3.SQLITE_CANTOPEN: DatabaseMissing,
}


# I/O errors that have met a full disk: SQLite could not extend the file of shared memory.
_NO_ROOM = (sqlite3.SQLITE_IOERR_SHMSIZE,)


def failure_of(error: sqlite3.Error, path: str) -> DatabaseFailure | None:
    """Return the declared failure that `error` stands for, or None if it is some other error."""
    code = getattr(error, "sqlite_errorcode", None)
    if code in _NO_ROOM:
        return DatabaseFull(path, str(error))
    if code is not None and (code & 0xFF) in _BY_CODE:
        return _BY_CODE[code & 0xFF](path, str(error))
    if str(error).startswith("file is not a database"):
        return DatabaseDamaged(path, str(error))
    return None


class failures:
    """`with failures(path):` turns SQLite's result codes into the exceptions declared here."""

    def __init__(self, path: str | bytes) -> None:
        self._path = readable(path)

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if isinstance(error, sqlite3.Error):
            declared = failure_of(error, self._path)
            if declared is not None:
                raise declared from error


class transaction:
    """`with transaction(db):` commits everything within it together, or nothing of it.

    It takes the write lock at once (BEGIN IMMEDIATE), since a transaction that begins by reading
    can lose the race to write and would then have to be repeated by hand.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> sqlite3.Connection:
        self._db.execute("BEGIN IMMEDIATE")
        return self._db

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._db.execute("COMMIT")
        elif self._db.in_transaction:  # SQLite rolls back by itself when the disk is full
            self._db.execute("ROLLBACK")


def readable(path: str | bytes) -> str:
    """Return `path` as text for a message; bytes that are not UTF-8 are shown as U+FFFD."""
    return os.fsencode(path).decode("utf-8", "replace")


def open_writer(
    path: str | bytes,
    *,
    create: bool = False,
    cache_kib: int = WRITER_CACHE_KIB,
    any_thread: bool = False,
) -> sqlite3.Connection:
    """Open the database at `path` for reading and writing.

    `create` allows a new file; `any_thread` allows use from threads other than this one (one at a
    time). Raises DatabaseMissing, DatabaseDamaged, DatabaseReadOnly, DatabaseBusy, DatabaseFull.
    """
    with failures(path):
        db = _connect(path, "rwc" if create else "rw", any_thread=any_thread)
        try:
            _set_up_writer(db, cache_kib)
        except BaseException:
            db.close()
            raise
    return db


def open_reader(path: str | bytes, *, any_thread: bool = False) -> sqlite3.Connection:
    """Open the existing database at `path` for reading only.

    The file is opened read-write all the same, since a reader of a WAL database takes its locks in
    the shared-memory file beside it; `query_only` refuses every change of the data itself.
    Raises DatabaseMissing, DatabaseDamaged, DatabaseBusy.
    """
    with failures(path):
        db = _connect(path, "rw", any_thread=any_thread)
        try:
            db.execute("PRAGMA query_only=ON")
            db.execute(f"PRAGMA cache_size=-{READER_CACHE_KIB}")
            # Mapped, lookups in a million names are a twentieth faster; but the pages count as the
            # daemon's memory, and a file that is cut short under a mapping ends it by SIGBUS.
            db.execute("PRAGMA mmap_size=0")
            db.execute("SELECT count(*) FROM sqlite_master")
        except BaseException:
            db.close()
            raise
    return db


def _connect(path: str | bytes, mode: str, *, any_thread: bool) -> sqlite3.Connection:
    escaped = "".join(
        chr(byte) if byte in _SAFE_IN_URI else f"%{byte:02X}" for byte in os.fsencode(path)
    )
    return sqlite3.connect(
        f"file:{escaped}?mode={mode}",
        uri=True,
        isolation_level=None,
        timeout=BUSY_TIMEOUT_S,
        check_same_thread=not any_thread,
        cached_statements=256,
    )


def _set_up_writer(db: sqlite3.Connection, cache_kib: int) -> None:
    db.execute(f"PRAGMA page_size={PAGE_SIZE}")
    _switch_to_wal(db)
    db.execute("PRAGMA synchronous=NORMAL")
    db.execute(f"PRAGMA cache_size=-{cache_kib}")
    db.execute(f"PRAGMA wal_autocheckpoint={WAL_AUTOCHECKPOINT_PAGES}")
    db.execute(f"PRAGMA journal_size_limit={WAL_KEEP_BYTES}")
    # Some distributions build SQLite so that it overwrites with zeros whatever it deletes.
    db.execute("PRAGMA secure_delete=OFF")
    db.execute("PRAGMA foreign_keys=ON")


def _switch_to_wal(db: sqlite3.Connection) -> None:
    """Make the file a WAL database if it is not one yet.

    Two processes that do this to the same new file at once are told "locked" without any waiting:
    SQLite does not call its busy handler while it changes the journal mode.
    """
    patience = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            db.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            if time.monotonic() > patience:
                raise
            time.sleep(0.01)
