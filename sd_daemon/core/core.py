"""Core: one data folder with everything in it, while it is open.

Built lowest part first, closed in the opposite order:

    configuration, device -> event journal, bus -> job runner -> watching -> libraries
"""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

import msgspec

from sd_daemon.core import device as devices
from sd_daemon.core.access import Access
from sd_daemon.core.bus import Bus
from sd_daemon.core.config import Config, StoredConfig
from sd_daemon.core.event_journal import EventJournal
from sd_daemon.core.jobs.runner import JobRunner
from sd_daemon.core.libraries import Libraries
from sd_daemon.core.log import get_log
from sd_daemon.core.storage import storage_error
from sd_daemon.core.volumes import Volumes
from sd_daemon.core.watch.watching import Watching
from sd_wire.errors import DataFolderUnusable, FileDamaged
from sd_wire.events import ConfigChanged, CoreShutdown
from sd_wire.operations.core import JobCounts
from sd_wire.types.jobs import JobStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from sd_daemon.core.device import DeviceIdentity
    from sd_wire.operations.config import UpdateAppConfig

log = get_log(__name__)

T = TypeVar("T")

CONFIG_FILE = "spacedrive.json"
DEVICE_FILE = "device.json"
EVENTS_FOLDER = "events"


class Core:
    """The work of one instance. Made by `open`."""

    def __init__(
        self,
        data_dir: str,
        instance: str | None,
        config: Config,
        device: DeviceIdentity,
        journal: EventJournal,
        *,
        networking: bool,
    ) -> None:
        self.data_dir = data_dir
        self.instance = instance
        self.config = config
        self.access = Access()
        self.device = device
        self.networking = networking  # asked for; there is none to start yet
        self.started_at = datetime.now(UTC)
        self.journal = journal
        self.bus = Bus(journal, device.id)
        self.services = services = config.stored.services  # until the next start
        self.runner = JobRunner(
            self.bus,
            file_operations=lambda: self.config.stored.limits.file_operations,
            patience=services.fs_answer_seconds,
        )
        self.volumes = Volumes(device.id, self.bus)
        self.watching = Watching(
            data_dir,
            self.bus,
            self.runner,
            enabled=services.fs_watcher_enabled,
            interval=services.fs_scan_seconds,
            patience=services.fs_answer_seconds,
        )
        self.libraries = Libraries(data_dir, device, self.bus, self.runner, self.watching)
        self.log_file: str | None = None  # where the host writes its log, if it does
        self.home_trash: str | None = None  # of the user it runs as, where the host knows one
        self.host_problems: Callable[[], list[str]] = list  # what is wrong around the core
        self.reloading: Callable[[], None] | None = None  # what the host does at the same time
        self._configuring = asyncio.Lock()
        self._refused: FileDamaged | None = None  # why what the file says now is not in force

    @classmethod
    async def open(
        cls,
        data_dir: str,
        *,
        instance: str | None = None,
        networking: bool = False,
        boot: str | None = None,
    ) -> Core:
        """Open everything that is in the data folder, making the folder if it is not there.

        `boot` is the kernel's name for this boot, where it was told; see `event_journal.this_boot`.
        Raises DataFolderUnusable, FileDamaged. A library that cannot be opened is a problem in the
        status, not a failure here.
        """
        data_dir = os.path.abspath(data_dir)
        config, device = await asyncio.to_thread(_prepare, data_dir)
        journal = await asyncio.to_thread(EventJournal.open, f"{data_dir}/{EVENTS_FOLDER}", boot)
        core = cls(data_dir, instance, config, device, journal, networking=networking)
        try:
            await core.access.follow(config.stored.access)
            await core.libraries.load()
        except BaseException:
            await core.end_events()
            raise
        return core  # whoever serves it says CoreStarted: nobody listens yet

    async def close(self) -> None:
        """Stop every job at a safe point, or kill it after 1.2 s; close every library."""
        await self.watching.close()
        await self.runner.close()
        await self.libraries.close_all()
        self.bus.publish(CoreShutdown())
        await self.end_events()

    async def end_events(self) -> None:
        """Tell and keep nothing more."""
        self.bus.close()
        await asyncio.to_thread(self.journal.close, self.bus.sequence)

    async def job_counts(self) -> JobCounts:
        """How many jobs of all open libraries are in which state."""
        queued, running = self.runner.counts()
        paused = 0
        for library in list(self.libraries.open_libraries.values()):
            paused += await library.jobs.count(JobStatus.PAUSED)
        return JobCounts(queued, running, paused)

    @property
    def problems(self) -> list[str]:
        """Sentences about what needs a person's attention."""
        failed = [f"{error.text} ({error.advice})" for error in self.libraries.failed.values()]
        refused = [] if self._refused is None else [self._refused.text]
        return (
            self.host_problems()
            + refused
            + self.config.problems
            + failed
            + self.access.problems
            + self.watching.problems
        )

    async def change_config(
        self, request: UpdateAppConfig, correlation: str | None
    ) -> tuple[list[str], bool]:
        """Change what the request names and announce what is different; which fields are, and
        whether a restart is needed for that. What was edited in the file meanwhile stays, and
        counts from now on. Raises InvalidValue, FileDamaged, DataFolderUnusable, DiskFull,
        StorageReadOnly."""
        async with self._configuring:  # two changes at once must not undo each other
            read = await self._read_config()
            edits, restart = self.config.compared_with(read)
            edited = Config(self.config.path, self.data_dir, read)
            changed, asked, needed = edited.changed_by(request)
            fields = list(dict.fromkeys([*edits, *asked]))
            restart = restart or needed
            if not asked:
                return [], False
            try:
                await asyncio.to_thread(self.config.store, changed)
            except OSError as error:
                raise storage_error(self.config.path, error) from error
            self._refused = None  # the file is as it should be again
            if changed.access != self.config.stored.access:
                await self.access.follow(changed.access)
            self.config.stored = changed
        for field in fields:
            self.bus.publish(ConfigChanged(field), correlation)
        return fields, restart

    async def forget_pages(self) -> None:
        """Give back memory that only makes things faster."""
        for library in tuple(self.libraries.open_libraries.values()):
            for database in library.databases:
                await database.forget_pages()

    async def reload_config(self, correlation: str | None = None) -> tuple[list[str], bool]:
        """Do as the configuration's file says now, all of it or, where it is damaged, nothing;
        which fields are different, and whether a restart is needed for that. Raises FileDamaged,
        DataFolderUnusable."""
        if self.reloading is not None:
            self.reloading()
        async with self._configuring:
            read = await self._read_config()
            self._refused = None
            fields, restart = self.config.compared_with(read)
            if read.access != self.config.stored.access:
                await self.access.follow(read.access)
            self.config.stored = read
        for field in fields:
            self.bus.publish(ConfigChanged(field), correlation)
        return fields, restart

    async def _read_config(self) -> StoredConfig:
        """What the file says now. Raises FileDamaged, DataFolderUnusable."""
        try:
            return await asyncio.to_thread(
                _undamaged, self.data_dir, self.config.path, self.config.read_again
            )
        except FileDamaged as error:
            self._refused = error
            raise


def _prepare(data_dir: str) -> tuple[Config, DeviceIdentity]:
    """What has to be readable for anything to work. What is damaged is never replaced."""
    try:
        os.makedirs(f"{data_dir}/libraries", mode=0o700, exist_ok=True)
    except OSError as error:
        raise _unusable(data_dir, error) from error
    path = f"{data_dir}/{DEVICE_FILE}"
    identity = _undamaged(data_dir, path, lambda: devices.load_identity(path))
    place = f"{data_dir}/{CONFIG_FILE}"
    return _undamaged(data_dir, place, lambda: Config.load(place, data_dir)), identity


def _undamaged(data_dir: str, path: str, load: Callable[[], T]) -> T:
    try:
        return load()
    except OSError as error:
        raise _unusable(data_dir, error) from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise FileDamaged(path=path, reason=error) from error


def _unusable(data_dir: str, error: OSError) -> DataFolderUnusable:
    reason = os.strerror(error.errno) if error.errno else str(error)
    place = f" ({error.filename})" if error.filename else ""
    return DataFolderUnusable(path=data_dir, reason=reason + place)
