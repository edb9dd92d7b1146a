"""The libraries of one core: which are known, which are open.

Libraries in the core's own `libraries` folder are found by being there. Those elsewhere, and those
that were closed on purpose, are remembered in `libraries.json`.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import unicodedata
from typing import TYPE_CHECKING

import msgspec

from sd_daemon.core import json_file
from sd_daemon.core.indexing import after_job
from sd_daemon.core.jobs.runner import JobRunner, Shelf
from sd_daemon.core.library import (
    SUFFIX,
    Library,
    create_folder,
    read_config,
    storage_error,
)
from sd_daemon.core.log import get_log
from sd_daemon.core.statistics import statistics_of
from sd_wire.errors import InvalidValue, LibraryExists, LibraryNotFound, SdError
from sd_wire.events import (
    LibraryClosed,
    LibraryCreated,
    LibraryDeleted,
    LibraryLoadFailed,
    LibraryOpened,
)
from sd_wire.types.libraries import LibraryInfo

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from sd_daemon.core.bus import Bus
    from sd_daemon.core.device import DeviceIdentity
    from sd_daemon.core.jobs.job import Job

log = get_log(__name__)


class Remembered(msgspec.Struct):
    """The content of libraries.json."""

    elsewhere: list[str] = []
    closed: list[str] = []


class Libraries:
    """Opens, closes and keeps the libraries of a core."""

    def __init__(self, data_dir: str, device: DeviceIdentity, bus: Bus, runner: JobRunner) -> None:
        self.folder = f"{data_dir}/libraries"
        self.open_libraries: dict[UUID, Library] = {}
        self.failed: dict[str, SdError] = {}  # by path, as of the last try
        self._memory_file = f"{data_dir}/libraries.json"
        self._device = device
        self._bus = bus
        self._runner = runner
        self._changing = asyncio.Lock()  # one library is opened or closed at a time

    # --- all of them ---------------------------------------------------------------------------

    async def load(self) -> None:
        """Open everything that is known and was not closed on purpose. One that cannot be opened
        is reported and does not keep the others shut."""
        for path in await asyncio.to_thread(self._known_paths):
            try:
                await self.open(path)
            except SdError as error:
                self.failed[path] = error
                log.error("library not opened", path=path, reason=error.text)
                self._bus.publish(LibraryLoadFailed(None, path, error.text, error.code))

    async def close_all(self) -> None:
        """Close every library; their jobs must have been stopped before."""
        libraries = list(self.open_libraries.values())
        self.open_libraries.clear()
        await asyncio.gather(*(asyncio.to_thread(library.close) for library in libraries))
        for library in libraries:
            self._bus.publish(LibraryClosed(library.id, library.name))

    async def list(self, *, include_stats: bool) -> list[LibraryInfo]:
        """The open libraries, by name."""
        found = sorted(self.open_libraries.values(), key=lambda one: (one.name.casefold(), one.id))
        return [
            LibraryInfo(
                one.id, one.name, one.path, await statistics_of(one) if include_stats else None
            )
            for one in found
        ]

    def get(self, library_id: UUID) -> Library:
        """An open library. Raises LibraryNotFound."""
        library = self.open_libraries.get(library_id)
        if library is None:
            raise LibraryNotFound(library=library_id, pointer="/payload/library_id")
        return library

    def shelf(self, library: Library) -> Shelf:
        """The library as the job runner sees it."""

        async def after(job: Job) -> None:
            await after_job(library, self._bus, job)

        return Shelf(
            library.id, library.path, self._device.id, self._device.slug, library.jobs, after
        )

    # --- one of them -----------------------------------------------------------------------------

    async def create(self, name: str, parent: str | None, correlation: str | None) -> Library:
        """Make a library and open it. Raises InvalidValue, LibraryExists, DiskFull,
        StorageReadOnly."""
        name = name.strip()
        folder = _folder_name(name)
        path = os.path.join(os.path.abspath(parent or self.folder), folder + SUFFIX)
        await asyncio.to_thread(create_folder, path, name)
        try:
            library = await self.open(path)
        except SdError:
            await asyncio.to_thread(shutil.rmtree, path, ignore_errors=True)
            raise
        self._bus.publish(LibraryCreated(library.id, library.name, library.path), correlation)
        return library

    async def open(self, path: str) -> Library:
        """Open the library in a folder, or return it when it is open already.

        Raises NotALibrary, LibraryLocked, LibraryDamaged, LibraryTooNew, StorageReadOnly, DiskFull.
        """
        path = os.path.abspath(path)
        async with self._changing:
            config = await asyncio.to_thread(read_config, path)
            opened = self.open_libraries.get(config.id)
            if opened is not None and os.path.realpath(opened.path) == os.path.realpath(path):
                return opened
            if opened is not None:
                raise LibraryExists(path=f"a copy of this library at {opened.path}")
            library = await asyncio.to_thread(Library.open, path, self._device.slug)
            await asyncio.to_thread(self._remember, path, closed=False)
            jobs = await asyncio.to_thread(library.jobs.recover)
            self.open_libraries[library.id] = library
            self.failed.pop(path, None)
        log.info("library open", library_id=library.id, name=library.name, path=path)
        self._bus.publish(LibraryOpened(library.id, library.name, path))
        self._runner.adopt(self.shelf(library), jobs)
        return library

    async def close(self, library_id: UUID, *, remember: bool = True) -> Library:
        """Stop the library's jobs at a safe point and close it. Raises LibraryNotFound."""
        async with self._changing:
            library = self.get(library_id)
            del self.open_libraries[library_id]  # nobody finds it from here on
            await self._runner.withdraw(library_id)
            await asyncio.to_thread(library.close)
            if remember:
                await asyncio.to_thread(self._remember, library.path, closed=True)
        log.info("library closed", library_id=library.id, name=library.name)
        self._bus.publish(LibraryClosed(library.id, library.name))
        return library

    async def delete(self, library_id: UUID, *, delete_data: bool) -> Library:
        """Close a library and forget it, removing its folder if asked to. Raises LibraryNotFound,
        StorageReadOnly."""
        library = await self.close(library_id, remember=not delete_data)
        if delete_data:
            try:
                await asyncio.to_thread(shutil.rmtree, library.path)
            except OSError as error:
                raise storage_error(library.path, error) from error
            await asyncio.to_thread(self._forget, library.path)
        self._bus.publish(LibraryDeleted(library.id, library.name, delete_data))
        return library

    async def rename(self, library_id: UUID, name: str) -> str:
        """Give a library another name; its old one is returned. Raises LibraryNotFound,
        InvalidValue, DiskFull, StorageReadOnly."""
        library = self.get(library_id)
        _folder_name(name)
        old = library.name
        changed = msgspec.structs.replace(library.config, name=name.strip())
        await asyncio.to_thread(library.save_config, changed)
        return old

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
        except (OSError, msgspec.MsgspecError) as error:
            # Without it libraries elsewhere have to be opened again by hand: say so and go on.
            log.error("libraries.json is unreadable", path=self._memory_file, reason=error)
            return Remembered()

    def _remember(self, path: str, *, closed: bool) -> None:
        memory = self._memory()
        own = os.path.dirname(path) == self.folder
        elsewhere = {*memory.elsewhere} | (set() if own else {path})
        marked = {*memory.closed, path} if closed else {*memory.closed} - {path}
        self._store(memory, Remembered(sorted(elsewhere), sorted(marked)))

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


def _folder_name(name: str) -> str:
    """The folder of a library with this name. Raises InvalidValue where none could be made."""
    cleaned = "".join(
        "_" if c == "/" or unicodedata.category(c) in ("Cc", "Cs") else c for c in name.strip()
    )
    if cleaned.strip(". ") == "":
        raise InvalidValue(
            field="name",
            reason=f"{name!r} cannot be the name of a library",
            pointer="/payload/name",
        )
    if len((cleaned + SUFFIX).encode()) > 255:
        raise InvalidValue(
            field="name", reason="it is too long for the name of a folder", pointer="/payload/name"
        )
    return cleaned.lstrip(".") if cleaned.startswith(".") else cleaned
