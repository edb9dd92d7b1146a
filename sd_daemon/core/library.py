"""One open library: its folder, its lock, its databases.

NAME.sdlibrary/
    library.json    id, name, settings
    library.db      the index           jobs.db     the jobs
    operations.db   what file operations did to the disk
    library.lock    held while the library is open (flock: it cannot be left behind)
    index.lock      held by the worker that changes the index
    sidecars/       what is derived from contents       logs/      logs of single jobs
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import UUID, uuid4

import msgspec

from sd_daemon.core import json_file
from sd_daemon.core.db.access import Database
from sd_daemon.core.db.connection import DatabaseFailure
from sd_daemon.core.db.migrate import migrate
from sd_daemon.core.ids import EntryIds
from sd_daemon.core.jobs.store import JobStore
from sd_daemon.core.late import load
from sd_daemon.core.library_files import (
    CONFIG_FILE,
    INDEX_FILE,
    JOBS_FILE,
    LOCK_FILE,
    OPERATIONS_FILE,
)
from sd_daemon.core.storage import library_error, storage_error
from sd_wire.errors import LibraryExists, LibraryLocked, LibraryTooNew, NotADirectory, NotALibrary
from sd_wire.types.libraries import LibrarySettings

if TYPE_CHECKING:
    from sd_daemon.core.jobs.reports import Watched

SUFFIX = ".sdlibrary"
FORMAT_VERSION = 1


class LibraryConfig(msgspec.Struct):
    """The content of library.json."""

    id: UUID
    name: str
    created_at: datetime
    updated_at: datetime
    version: int = FORMAT_VERSION
    description: str | None = None
    settings: LibrarySettings = msgspec.field(default_factory=LibrarySettings)


class Library:
    """An open library. Opening and closing block; use a thread."""

    def __init__(
        self,
        path: str,
        config: LibraryConfig,
        lock: int,
        database: Database,
        jobs: JobStore,
        operations: Database,
        device_slug: str,
    ) -> None:
        self.path = path
        self.config = config
        self.database = database
        self.jobs = jobs
        self.operations = operations
        self.device_slug = device_slug
        self.ids = EntryIds(config.id)
        self.watched: dict[str, Watched] = {}  # how its locations are, by uuid.hex
        self.silent: dict[str, str] = {}  # those that do not answer: a sentence, by uuid.hex
        self.scan_interval: int | None = None  # seconds, where some are scanned again and again
        self._lock = lock

    def __repr__(self) -> str:
        return f"<Library {self.config.name!r} {self.config.id}>"

    @property
    def id(self) -> UUID:
        """The library's id; it never changes."""
        return self.config.id

    @property
    def name(self) -> str:
        """The library's name."""
        return self.config.name

    @property
    def databases(self) -> tuple[Database, ...]:
        """All of them."""
        return self.database, self.jobs.database, self.operations

    @classmethod
    def open(cls, path: str, device_slug: str) -> Library:
        """Open the library in this folder.

        Raises NotALibrary, LibraryLocked, LibraryDamaged, LibraryTooNew, StorageReadOnly, DiskFull.
        """
        config = read_config(path)
        lock = _take_lock(path)
        try:
            databases = _open_databases(path)
        except BaseException:
            os.close(lock)
            raise
        return cls(path, config, lock, *databases, device_slug)

    def close(self) -> None:
        """Close the databases and give the library free."""
        with contextlib.ExitStack() as stack:
            stack.callback(os.close, self._lock)
            stack.callback(self.database.close)
            stack.callback(self.operations.close)
            stack.callback(self.jobs.close)

    def save_config(self, config: LibraryConfig) -> None:
        """Replace library.json. Blocks. Raises DiskFull, StorageReadOnly."""
        config.updated_at = datetime.now(UTC)
        try:
            json_file.store(f"{self.path}/{CONFIG_FILE}", config)
        except OSError as error:
            raise storage_error(self.path, error) from error
        self.config = config

    def size_on_disk(self) -> int:
        """Bytes of the index and its write-ahead log."""
        size = 0
        for name in (INDEX_FILE, f"{INDEX_FILE}-wal"):
            try:
                size += os.path.getsize(f"{self.path}/{name}")
            except OSError:
                continue  # there is no log while nothing is written
        return size


def read_config(path: str) -> LibraryConfig:
    """The library.json in a folder. Raises NotALibrary, LibraryTooNew."""
    try:
        config = json_file.load(f"{path}/{CONFIG_FILE}", LibraryConfig)
    except FileNotFoundError:
        raise NotALibrary(path=path, reason=f"there is no {CONFIG_FILE} in it") from None
    except OSError as error:
        raise NotALibrary(path=path, reason=error.strerror) from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise NotALibrary(path=path, reason=f"its {CONFIG_FILE} is damaged: {error}") from error
    if config.version > FORMAT_VERSION:
        raise LibraryTooNew(path=path, found=config.version, known=FORMAT_VERSION)
    return config


def create_folder(path: str, name: str) -> None:
    """Make the folder of a new library with its library.json, all of it or nothing. Raises
    LibraryExists, NotADirectory, DiskFull, StorageReadOnly."""
    now = datetime.now(UTC)
    try:
        os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise NotADirectory(path=os.path.dirname(path), pointer="/payload/path") from None
    except OSError as error:
        raise storage_error(os.path.dirname(path), error) from error
    try:
        os.mkdir(path, 0o700)
    except FileExistsError:
        raise LibraryExists(path=path) from None
    except OSError as error:
        raise storage_error(path, error) from error
    try:
        for part in ("sidecars", "logs"):
            os.mkdir(f"{path}/{part}", 0o700)
        json_file.store(f"{path}/{CONFIG_FILE}", LibraryConfig(uuid4(), name, now, now))
    except OSError as error:
        load("shutil:rmtree")(path, ignore_errors=True)
        raise storage_error(path, error) from error


def _take_lock(path: str) -> int:
    """An open descriptor that holds the library's lock."""
    try:
        fd = os.open(f"{path}/{LOCK_FILE}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise storage_error(path, error) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(fd, 100, 0).decode("utf-8", "replace").strip() or "unknown"
        os.close(fd)
        raise LibraryLocked(path=path, owner=owner) from None
    except OSError as error:  # some network filesystems have no locks
        os.close(fd)
        raise storage_error(path, error) from error
    try:
        os.ftruncate(fd, 0)
        os.pwrite(fd, f"process {os.getpid()}\n".encode(), 0)
    except OSError:
        pass  # only for the sentence another daemon shows; a full disk must not keep it shut
    return fd


def _open_databases(path: str) -> tuple[Database, JobStore, Database]:
    index, jobs, operations = (
        f"{path}/{name}" for name in (INDEX_FILE, JOBS_FILE, OPERATIONS_FILE)
    )
    try:
        migrate(index, "library")
        migrate(jobs, "jobs")
        migrate(operations, "operations")
        with contextlib.ExitStack() as opened:
            database = Database(index)
            opened.callback(database.close)
            store = JobStore(jobs)
            opened.callback(store.close)
            history = Database(operations, readers=1)
            opened.pop_all()
        return database, store, history
    except DatabaseFailure as failure:
        raise library_error(path, failure) from failure
