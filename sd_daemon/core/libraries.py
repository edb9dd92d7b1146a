"""The libraries of one core: which are known, which are open.

Libraries in the core's own `libraries` folder are found by being there. Those elsewhere, and those
that were closed on purpose, are remembered in `libraries.json`.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import unicodedata
from functools import partial
from typing import TYPE_CHECKING
from uuid import uuid4

import msgspec

from sd_daemon.core import json_file
from sd_daemon.core.db.connection import DatabaseFailure
from sd_daemon.core.fileops.aftermath import after_file_job
from sd_daemon.core.files.announce import announce, announce_rest
from sd_daemon.core.index.job_names import PURGE
from sd_daemon.core.index.passes import abandon_followed
from sd_daemon.core.indexing import after_job, orphan_purges
from sd_daemon.core.jobs.line import Lane, lane_of
from sd_daemon.core.jobs.shelf import Shelf
from sd_daemon.core.late import load
from sd_daemon.core.library import (
    SUFFIX,
    Library,
    LibraryConfig,
    create_folder,
    read_config,
)
from sd_daemon.core.log import get_log
from sd_daemon.core.paths import absolute
from sd_daemon.core.statistics import statistics_of
from sd_daemon.core.storage import library_error, storage_error
from sd_wire.errors import (
    InvalidValue,
    LibraryCopyOpen,
    LibraryDamaged,
    LibraryNotFound,
    SdError,
)
from sd_wire.events import (
    ConfigChanged,
    LibraryClosed,
    LibraryCreated,
    LibraryDeleted,
    LibraryLoadFailed,
    LibraryOpened,
)
from sd_wire.types.jobs import JobStatus
from sd_wire.types.libraries import LibraryInfo, LibraryStatistics

if TYPE_CHECKING:
    import builtins
    from collections.abc import Callable, Sequence
    from uuid import UUID

    from sd_daemon.core.bus import Bus
    from sd_daemon.core.device import DeviceIdentity
    from sd_daemon.core.jobs.job import Job
    from sd_daemon.core.jobs.runner import JobRunner
    from sd_daemon.core.watch.watching import Watching

log = get_log(__name__)

FOLDER_BYTES = 200  # of a library's name in that of its folder; names may have 255 with endings
AGAIN_S = 30.0  # from a failure to open a library that may not last to the next try
_UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")


Infos = list[LibraryInfo]


class Remembered(msgspec.Struct):
    """The content of libraries.json."""

    elsewhere: list[str] = []
    closed: list[str] = []


class Libraries:
    """Opens, closes and keeps the libraries of a core."""

    def __init__(
        self,
        data_dir: str,
        device: DeviceIdentity,
        bus: Bus,
        runner: JobRunner,
        watching: Watching,
    ) -> None:
        self.folder = f"{data_dir}/libraries"
        self.open_libraries: dict[UUID, Library] = {}
        self.failed: dict[str, SdError] = {}  # by path, as of the last try
        self._memory_file = f"{data_dir}/libraries.json"
        self._device = device
        self._bus = bus
        self._runner = runner
        self._watching = watching
        self._listed: Infos | None = None  # what `list` answers without statistics
        self._again: dict[str, asyncio.Task[None]] = {}  # by path: to open it after a while
        self._changing = asyncio.Lock()  # one library is opened or closed at a time

    # --- all of them ---------------------------------------------------------------------------

    async def load(self) -> None:
        """Open everything that is known and was not closed on purpose. One that cannot be opened
        is reported and does not keep the others shut. Raises StorageReadOnly."""
        try:
            paths = await asyncio.to_thread(self._known_paths)
        except OSError as error:
            raise storage_error(self.folder, error) from error
        for path in paths:
            await self._load(path)

    async def _load(self, path: str) -> None:
        """Open a library, or note why not. What may be different in a while, such as a disk
        without room for its log, is tried again."""
        before = self.failed.get(path)
        try:
            await self.open(path)
        except SdError as error:
            self.failed[path] = error
            if before is None or before.text != error.text:
                log.error("library not opened", path=path, reason=error.text)
                self._bus.publish(LibraryLoadFailed(None, path, error.text, error.code))
            if error.retryable:
                self._again[path] = asyncio.get_running_loop().create_task(self._load_later(path))

    async def _load_later(self, path: str) -> None:
        await asyncio.sleep(AGAIN_S)
        try:
            wanted = path in await asyncio.to_thread(self._known_paths)
        except OSError:  # as long as this lasts, nothing can be opened there
            wanted = True
        if wanted:
            await self._load(path)
        else:  # it was closed on purpose meanwhile, or is not there any more
            self.failed.pop(path, None)

    async def close_all(self) -> None:
        """Close every library; their jobs must have been stopped before."""
        for task in self._again.values():
            task.cancel()
        libraries = list(self.open_libraries.values())
        self.open_libraries.clear()
        self._listed = None
        await asyncio.gather(*(asyncio.to_thread(library.close) for library in libraries))
        for library in libraries:
            self._bus.publish(LibraryClosed(library.id, library.name))

    async def list(self, *, include_stats: bool) -> Infos:
        """The open libraries, by name."""
        if self._listed is None:  # asked for by every client that starts
            found = self.open_libraries.values()
            ordered = sorted(found, key=lambda one: (one.name.casefold(), one.id))
            self._listed = [LibraryInfo(one.id, one.name, one.path) for one in ordered]
        if not include_stats:
            return self._listed
        return [
            msgspec.structs.replace(info, stats=await self._statistics(info.id))
            for info in self._listed
        ]

    async def _statistics(self, library_id: UUID) -> LibraryStatistics | None:
        """The statistics, or None where they cannot be read: the list still has the others."""
        try:
            library = self.get(library_id)
            return await statistics_of(library)
        except DatabaseFailure as failure:
            self.failed[library.path] = library_error(library.path, failure)
        except LibraryNotFound:
            pass  # it has just been closed
        return None

    def get(self, library_id: UUID) -> Library:
        """An open library. Raises LibraryNotFound."""
        library = self.open_libraries.get(library_id)
        if library is None:
            raise LibraryNotFound(library=library_id, pointer="/payload/library_id")
        return library

    def shelf(self, library: Library) -> Shelf:
        """The library as the job runner sees it."""

        async def announcing(correlation: str | None) -> None:
            await announce(library, self._bus, correlation)

        async def after(job: Job, correlation: str | None) -> None:
            await after_job(library, self._bus, job, correlation)
            if lane_of(job) is Lane.FILES and job.status is not JobStatus.QUEUED:
                submit = partial(self._runner.submit, shelf)
                look_at = partial(self._watching.look_at, library.id)
                await after_file_job(library, self._bus, job, correlation, submit, look_at)
            self._watching.job_ended(library.id, job)

        shelf = Shelf(
            library_id=library.id,
            library_dir=library.path,
            device_id=self._device.id,
            device_slug=self._device.slug,
            store=library.jobs,
            announce=announcing,
            after=after,
        )
        return shelf

    # --- one of them -----------------------------------------------------------------------------

    async def create(self, name: str, parent: str | None, correlation: str | None) -> Library:
        """Make a library and open it. Raises InvalidValue, LibraryExists, NotADirectory, DiskFull,
        StorageReadOnly."""
        name = _checked_name(name, "name")
        folder = self.folder if parent is None else absolute(parent)
        path = os.path.join(folder, _folder_name(name) + SUFFIX)
        await asyncio.to_thread(create_folder, path, name)
        try:
            return await self.open(path, correlation, created=True)
        except BaseException:
            await asyncio.to_thread(load("shutil:rmtree"), path, ignore_errors=True)
            raise

    async def open(
        self, path: str, correlation: str | None = None, *, created: bool = False
    ) -> Library:
        """Open the library in a folder, or return it when it is open already.

        Raises NotALibrary, LibraryLocked, LibraryCopyOpen, LibraryDamaged, LibraryTooNew,
        StorageReadOnly, DiskFull.
        """
        path = absolute(path)
        async with self._changing:
            config = await asyncio.to_thread(read_config, path)
            opened = self.open_libraries.get(config.id)
            if opened is not None and os.path.realpath(opened.path) == os.path.realpath(path):
                return opened
            if opened is not None:
                raise LibraryCopyOpen(path=path, name=opened.name, other=opened.path)
            library, jobs = await asyncio.to_thread(self._open, path)
            self.open_libraries[library.id] = library
            self._listed = None
            self.failed.pop(path, None)
        log.info("library open", library_id=library.id, name=library.name, path=path)
        if created:
            self._bus.publish(LibraryCreated(library.id, library.name, path), correlation)
        self._bus.publish(LibraryOpened(library.id, library.name, path), correlation)
        await announce_rest(library, self._bus, correlation, whole=True)  # of before a crash
        shelf = self.shelf(library)
        self._runner.adopt(shelf, jobs)
        await self._purge_orphans(library, shelf)
        await self._watching.opened(library, shelf)
        return library

    def _open(self, path: str) -> tuple[Library, builtins.list[Job]]:
        """Open a library, remember it, and find the jobs that are to go on. Blocks."""
        try:
            library = Library.open(path, self._device.slug)
        except (sqlite3.Error, OSError) as error:  # none of those that are expected
            raise LibraryDamaged(path=path, reason=error, database="library.db") from error
        try:
            jobs = library.jobs.recover()
            library.database.write_now(abandon_followed)
            self._remember(path, closed=False)
        except BaseException as error:
            library.close()
            if isinstance(error, DatabaseFailure):
                raise library_error(path, error) from error
            raise
        return library, jobs

    async def _purge_orphans(self, library: Library, shelf: Shelf) -> None:
        """Remove what a location left behind whose removal was interrupted."""
        try:
            known = [job.params for job in await library.jobs.active() if job.name == PURGE]
            for params in await library.database.read(orphan_purges):
                if params["entry"] not in [one["entry"] for one in known]:
                    await self._runner.submit(shelf, PURGE, params)
        except (DatabaseFailure, SdError) as error:  # there is another opening
            log.warning("nothing was purged", library_id=library.id, reason=error)

    async def close(self, library_id: UUID, correlation: str | None = None) -> Library:
        """Stop the library's jobs at a safe point and close it; it stays closed when the daemon
        starts again. Raises LibraryNotFound, DiskFull, StorageReadOnly."""
        async with self._changing:
            library = self.get(library_id)
            await asyncio.to_thread(self._remember, library.path, closed=True)
            await self._shut(library)
        self._bus.publish(LibraryClosed(library.id, library.name), correlation)
        return library

    async def _shut(self, library: Library) -> None:
        del self.open_libraries[library.id]  # nobody finds it from here on
        self._listed = None
        await self._watching.closed(library.id)
        await self._runner.withdraw(library.id)
        await asyncio.to_thread(library.close)
        log.info("library closed", library_id=library.id, name=library.name)

    async def delete(
        self, library_id: UUID, correlation: str | None = None, *, delete_data: bool
    ) -> Library:
        """Close a library and forget it, removing its folder if asked to. Raises LibraryNotFound,
        DiskFull, StorageReadOnly."""
        async with self._changing:
            library = self.get(library_id)
            # Remembered as closed until its folder is gone, so that no half of one is opened.
            await asyncio.to_thread(self._remember, library.path, closed=True)
            await self._shut(library)
            self._bus.publish(LibraryClosed(library.id, library.name), correlation)
            if delete_data:
                await asyncio.to_thread(_remove_folder, library.path)
                await asyncio.to_thread(self._forget, library.path)
        self._bus.publish(LibraryDeleted(library.id, library.name, delete_data), correlation)
        return library

    async def rename(self, library_id: UUID, name: str, correlation: str | None = None) -> str:
        """Give a library another name; its old one is returned. Raises LibraryNotFound,
        InvalidValue, DiskFull, StorageReadOnly."""
        name = _checked_name(name, "new_name")
        library = self.get(library_id)
        old = library.name
        await self.change_config(
            library,
            lambda config: msgspec.structs.replace(config, name=name),
            ["name"],
            correlation,
        )
        return old

    async def change_config(
        self,
        library: Library,
        change: Callable[[LibraryConfig], LibraryConfig],
        fields: Sequence[str],
        correlation: str | None,
    ) -> None:
        """Store another configuration of a library and announce which fields are different.
        Raises DiskFull, StorageReadOnly."""
        async with self._changing:  # two changes at once must not undo each other
            await asyncio.to_thread(library.save_config, change(library.config))
            self._listed = None
            self._watching.rules_changed(library)
        for field in fields:
            self._bus.publish(ConfigChanged(f"library.{field}"), correlation)

    # --- what is remembered ----------------------------------------------------------------------

    def _known_paths(self) -> Sequence[str]:
        memory = self._memory()
        try:
            own = [entry.path for entry in os.scandir(self.folder) if entry.name.endswith(SUFFIX)]
        except FileNotFoundError:
            own = []
        return [path for path in sorted(own) + memory.elsewhere if path not in memory.closed]

    def _memory(self) -> Remembered:
        try:
            return json_file.load(self._memory_file, Remembered)
        except FileNotFoundError:
            return Remembered()
        except OSError as error:
            raise storage_error(self._memory_file, error) from error
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            # Without it libraries elsewhere have to be opened again by hand: say so and go on,
            # and keep what is there for whoever can read it.
            aside = f"{self._memory_file}.damaged"
            log.error("libraries.json is damaged", moved_to=aside, reason=error)
            os.replace(self._memory_file, aside)
            return Remembered()

    def _remember(self, path: str, *, closed: bool) -> None:
        memory = self._memory()
        elsewhere = {*memory.elsewhere} | (set() if self._is_own(path) else {path})
        marked = {*memory.closed, path} if closed else {*memory.closed} - {path}
        self._store(memory, Remembered(sorted(elsewhere), sorted(marked)))

    def _is_own(self, path: str) -> bool:
        return os.path.dirname(path) == self.folder and path.endswith(SUFFIX)

    def _forget(self, path: str) -> None:
        memory = self._memory()
        left = Remembered(
            [one for one in memory.elsewhere if one != path],
            [one for one in memory.closed if one != path],
        )
        self._store(memory, left)

    def _store(self, before: Remembered, after: Remembered) -> None:
        if before == after:
            return
        try:
            json_file.store(self._memory_file, after)
        except OSError as error:
            raise storage_error(self._memory_file, error) from error


def _checked_name(name: str, field: str) -> str:
    """The name without what nobody sees. Raises InvalidValue for what cannot be one."""
    name = name.strip()
    if name.strip(". ") == "":
        reason = f"{name!r} cannot be the name of a library"
        raise InvalidValue(field=field, reason=reason, pointer=f"/payload/{field}")
    if any(unicodedata.category(c) in _UNPRINTABLE for c in name):
        reason = "a name cannot contain control characters"
        raise InvalidValue(field=field, reason=reason, pointer=f"/payload/{field}")
    return name


def _folder_name(name: str) -> str:
    """The folder of a library with this name: close to it, visible, and short enough."""
    shown = name.replace("/", "_").lstrip(".").strip()
    return shown.encode()[:FOLDER_BYTES].decode("utf-8", "ignore").strip()


def _remove_folder(path: str) -> None:
    """Remove a library's folder. It stops being a library at once, however long the rest takes.
    Blocks. Raises StorageReadOnly."""
    going = f"{path}.{uuid4().hex[:8]}.deleted"
    try:
        os.rename(path, going)
        load("shutil:rmtree")(going)
    except FileNotFoundError:
        pass  # somebody has removed it already
    except OSError as error:
        raise storage_error(path, error) from error
