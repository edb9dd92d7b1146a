"""Core: one data folder with everything in it, while it is open.

Built lowest part first, closed in the opposite order:

    configuration, device -> bus -> job runner -> libraries
"""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from sd_daemon.core import device as devices
from sd_daemon.core.bus import Bus
from sd_daemon.core.config import Config, StoredConfig
from sd_daemon.core.jobs.runner import JobRunner
from sd_daemon.core.json_file import store
from sd_daemon.core.libraries import Libraries
from sd_daemon.core.library import storage_error
from sd_daemon.core.log import get_log
from sd_daemon.core.volumes import Volumes
from sd_wire.errors import DataFolderUnusable
from sd_wire.events import ConfigChanged, CoreShutdown, CoreStarted
from sd_wire.operations.core import JobCounts
from sd_wire.types.jobs import JobStatus

if TYPE_CHECKING:
    from sd_daemon.core.device import DeviceIdentity

log = get_log(__name__)

CONFIG_FILE = "spacedrive.json"
DEVICE_FILE = "device.json"


class Core:
    """The work of one instance. Made by `open`."""

    def __init__(
        self,
        data_dir: str,
        instance: str | None,
        config: Config,
        device: DeviceIdentity,
        *,
        networking: bool,
    ) -> None:
        self.data_dir = data_dir
        self.instance = instance
        self.config = config
        self.device = device
        self.networking = networking  # asked for; there is none to start yet
        self.started_at = datetime.now(UTC)
        self.bus = Bus()
        self.runner = JobRunner(self.bus)
        self.volumes = Volumes(device.id, self.bus)
        self.libraries = Libraries(data_dir, device, self.bus, self.runner)

    @classmethod
    async def open(
        cls, data_dir: str, *, instance: str | None = None, networking: bool = False
    ) -> Core:
        """Open everything that is in the data folder, making the folder if it is not there.

        Raises DataFolderUnusable. A library that cannot be opened is a problem in the status, not
        a failure here.
        """
        data_dir = os.path.abspath(data_dir)
        config, device = await asyncio.to_thread(_prepare, data_dir)
        core = cls(data_dir, instance, config, device, networking=networking)
        await core.libraries.load()
        core.bus.publish(CoreStarted())
        return core

    async def close(self) -> None:
        """Stop every job at a safe point, or kill it after 1.2 s; close every library."""
        await self.runner.close()
        await self.libraries.close_all()
        self.bus.publish(CoreShutdown())

    async def job_counts(self) -> JobCounts:
        """How many jobs of all open libraries are in which state."""
        queued, running = self.runner.counts()
        paused = 0
        for library in list(self.libraries.open_libraries.values()):
            paused += len(await library.jobs.listed(JobStatus.PAUSED))
        return JobCounts(queued, running, paused)

    @property
    def problems(self) -> list[str]:
        """Sentences about what needs a person's attention."""
        return [f"{error.text} ({error.advice})" for error in self.libraries.failed.values()]

    async def change_config(
        self, changed: StoredConfig, fields: list[str], correlation: str | None
    ) -> None:
        """Store another configuration and announce what is different. Raises DiskFull,
        StorageReadOnly."""
        try:
            await asyncio.to_thread(store, self.config.path, changed)
        except OSError as error:
            raise storage_error(self.config.path, error) from error
        self.config.stored = changed
        for field in fields:
            self.bus.publish(ConfigChanged(field), correlation)


def _prepare(data_dir: str) -> tuple[Config, DeviceIdentity]:
    try:
        os.makedirs(f"{data_dir}/libraries", mode=0o700, exist_ok=True)
        config = Config.load(f"{data_dir}/{CONFIG_FILE}", data_dir)
        return config, devices.load_identity(f"{data_dir}/{DEVICE_FILE}")
    except OSError as error:
        reason = f"{error.strerror} ({error.filename})" if error.filename else str(error)
        raise DataFolderUnusable(path=data_dir, reason=reason) from error
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DataFolderUnusable(
            path=data_dir, reason=f"{CONFIG_FILE} or {DEVICE_FILE} is damaged: {error}"
        ) from error
