"""Watching the locations of all open libraries of a core.

What cannot be watched, because the kernel does not hear of it or will not watch more, is scanned
again and again by ordinary index jobs; each SCANS_TO_FULL of them looks at every entry.
"""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any

import msgspec

from sd_daemon.core import locations
from sd_daemon.core.db.connection import DatabaseFailure
from sd_daemon.core.index.distant import distant_points
from sd_daemon.core.index.follow.messages import Told
from sd_daemon.core.index.job_names import IMPORT, INDEXER, PURGE, VERIFY
from sd_daemon.core.index.walk import Subtree
from sd_daemon.core.indexing import index_params, publish_changed
from sd_daemon.core.log import get_log
from sd_daemon.core.watch.answers import Answers
from sd_daemon.core.watch.library_watcher import LibraryWatcher
from sd_daemon.core.watch.mounts import MountWatch
from sd_wire.errors import LibraryNotFound, SdError
from sd_wire.types.jobs import JobStatus
from sd_wire.types.locations import IndexMode

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable
    from uuid import UUID

    from sd_daemon.core.bus import Bus
    from sd_daemon.core.jobs.job import Job
    from sd_daemon.core.jobs.reports import Following
    from sd_daemon.core.jobs.runner import JobRunner
    from sd_daemon.core.jobs.shelf import Shelf
    from sd_daemon.core.library import Library

log = get_log(__name__)

SCANS_TO_FULL = 6
_OF_THE_INDEX = (INDEXER, PURGE, IMPORT, VERIFY)


class Watched:
    """An open library, and what watches it."""

    def __init__(self, library: Library, shelf: Shelf, watcher: LibraryWatcher) -> None:
        self.library = library
        self.shelf = shelf
        self.watcher = watcher
        self.timer: asyncio.TimerHandle | None = None
        self.scans = 0


class Watching:
    """Watches libraries while they are open."""

    def __init__(
        self,
        data_dir: str,
        bus: Bus,
        runner: JobRunner,
        *,
        enabled: bool,
        interval: int,
        patience: float,
    ) -> None:
        """`data_dir` is the daemon's own. `interval`: seconds between two scans of what cannot be
        watched; 0: it is not scanned. `patience`: seconds until a filesystem is gone on without.
        Where it is not `enabled`, nothing is watched or scanned, and `look_at` works all the same.
        """
        self._data_dir = data_dir
        self._bus = bus
        self._runner = runner
        self._enabled = enabled
        self._interval = interval
        self._patience = patience
        self._answers = Answers(patience)
        self._watched: dict[UUID, Watched] = {}
        self._mounts: MountWatch | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def problems(self) -> list[str]:
        """Sentences about what needs a person's attention."""
        troubles = [one.watcher.trouble for one in self._watched.values()]
        return [one for one in troubles if one is not None]

    async def opened(self, library: Library, shelf: Shelf) -> None:
        """Watch a library from now on."""

        async def changed(report: Following) -> None:
            await self._take_following(library, report)

        def stuck() -> None:
            self._begin(self.ask(library))

        own = [os.path.realpath(path) for path in (self._data_dir, library.path)]
        watcher = LibraryWatcher(
            library,
            self._bus,
            changed,
            stuck=stuck,
            enabled=self._enabled,
            patience=self._patience,
            own=own,
        )
        self._watched[library.id] = Watched(library, shelf, watcher)
        if not self._enabled:
            return
        if self._mounts is None:
            self._mounts = MountWatch(self._mounts_changed)
        try:
            known = await library.database.read(locations.listed)
        except (DatabaseFailure, LibraryNotFound) as failure:
            log.warning("a library is not watched", library_id=library.id, reason=failure)
            return
        if any(one.index_mode is not IndexMode.NONE for one in known):
            watcher.wake()
        self._begin(self.ask(library))

    async def closed(self, library_id: UUID) -> None:
        """Watch a library no more, before it is closed."""
        watched = self._watched.pop(library_id, None)
        if watched is None:
            return
        if watched.timer is not None:
            watched.timer.cancel()
        await watched.watcher.close()

    async def close(self) -> None:
        """Watch nothing more."""
        if self._mounts is not None:
            self._mounts.close()
        await asyncio.gather(*(self.closed(one) for one in list(self._watched)))
        for task in self._tasks:
            task.cancel()

    def look_at(self, library_id: UUID, paths: Iterable[str]) -> None:
        """Have folders of a library looked at now: see LibraryWatcher.look_at."""
        watched = self._watched.get(library_id)
        if watched is not None:
            watched.watcher.look_at(paths)

    async def catch_up(self, library_id: UUID) -> bool:
        """Return when the index of a library has all that has happened until now, as far as it is
        heard of: whether all of its locations are watched as it happens. Raises LibraryNotFound."""
        watched = self._watched.get(library_id)
        if watched is None:
            raise LibraryNotFound(library=library_id)
        scanned = await self._scans_ended(watched.library)
        await watched.watcher.catch_up()
        states = watched.library.watched.values()
        live = all(one.live and not one.periodic for one in states)
        return self._enabled and scanned and live

    async def _scans_ended(self, library: Library) -> bool:
        """Return when no index job is queued or runs, and what a job that has just ended has
        changed is known; whether none is left that is paused."""
        whole = True
        for job in self._runner.ending(library.id):
            await self._runner.wait(job)
        for job in await library.jobs.active():
            if job.name in _OF_THE_INDEX:
                ended = await self._runner.wait(job)
                whole = whole and ended.status is not JobStatus.PAUSED
        return whole

    def job_ended(self, library_id: UUID, job: Job) -> None:
        """An index job may have found folders, or taken some out of the index."""
        watched = self._watched.get(library_id)
        ended = job.status in (JobStatus.COMPLETED, JobStatus.CANCELLED, JobStatus.FAILED)
        if watched is not None and self._enabled and ended and job.name in _OF_THE_INDEX:
            watched.watcher.wake(Told(jobs=True))
            if job.status is JobStatus.FAILED:
                self._begin(self.ask(watched.library))

    def rules_changed(self, library: Library) -> None:
        """Other rules may hold for what is found from now on."""
        watched = self._watched.get(library.id)
        if watched is not None and watched.watcher.is_following:
            rules = msgspec.to_builtins(library.config.settings.indexer)
            watched.watcher.wake(Told(rules=rules))

    # --- mounts ----------------------------------------------------------------------------------

    async def _mounts_changed(self, points: set[bytes]) -> None:
        for watched in list(self._watched.values()):
            try:
                known = await watched.library.database.read(locations.listed)
            except (DatabaseFailure, LibraryNotFound):
                continue
            touched = [
                point
                for point in points
                if any(_touches(os.fsdecode(point), one.path) for one in known)
            ]
            if touched:
                watched.watcher.wake(Told(mounts=touched))

    # --- what cannot be watched ------------------------------------------------------------------

    async def _take_following(self, library: Library, report: Following) -> None:
        watched = self._watched.get(library.id)
        if watched is None or not self._enabled:
            return
        before, library.watched = library.watched, report.locations
        periodic = any(one.periodic for one in report.locations.values())
        library.scan_interval = self._interval if periodic and self._interval else None
        if periodic and self._interval and watched.timer is None:
            self._scan_later(watched)
        for location in await library.database.read(locations.listed):
            key = location.uuid.hex
            if before.get(key) != report.locations.get(key):
                await publish_changed(library, self._bus, location)
                if (now := report.locations.get(key)) is not None and now.reason is not None:
                    log.warning(
                        "a location is not watched live",
                        library_id=library.id,
                        location_id=location.uuid,
                        reason=now.reason,
                    )

    def _scan_later(self, watched: Watched) -> None:
        def due() -> None:
            self._begin(self._scan(watched))

        watched.timer = asyncio.get_running_loop().call_later(self._interval, due)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _scan(self, watched: Watched) -> None:
        """Scan what is not watched, and see to the next time if there is anything."""
        watched.timer = None
        library = watched.library
        try:
            await self._submit_scans(watched)
        except (DatabaseFailure, SdError) as error:
            log.warning("nothing was scanned", library_id=library.id, reason=error)
        is_open = self._watched.get(library.id) is watched
        if is_open and any(one.periodic for one in library.watched.values()):
            self._scan_later(watched)

    async def _submit_scans(self, watched: Watched) -> None:
        library = watched.library
        await self.ask(library)
        busy = {job.params.get("location_id") for job in await library.jobs.active()}
        watched.scans += 1
        full = watched.scans % SCANS_TO_FULL == 0
        for location in await library.database.read(locations.listed):
            how = library.watched.get(location.uuid.hex)
            waits = str(location.uuid) in busy or location.uuid.hex in library.silent
            if how is not None and how.periodic and not waits:
                params = index_params(location, library.config.settings, full=full)
                await self._runner.submit(watched.shelf, INDEXER, params)

    # --- what does not answer --------------------------------------------------------------------

    async def ask(self, library: Library) -> None:
        """See which locations of a library do not answer now, so that others go on without them,
        until they do. They are asked again before each scan of them, planned or asked for."""
        try:
            known = await library.database.read(locations.listed)
        except (DatabaseFailure, LibraryNotFound):
            return
        points = {one.uuid.hex: distant_points(one.path) for one in known}
        silent = await self._answers.silent({one for some in points.values() for one in some})
        before, library.silent = library.silent, {}
        for key, some in points.items():
            if dead := silent.intersection(some):
                point = os.fsdecode(min(dead))
                library.silent[key] = f"the filesystem at {point!a} does not answer"
        for location in known:
            key = location.uuid.hex
            now = library.silent.get(key)
            if before.get(key) == now or library.id not in self._watched:
                continue
            await publish_changed(library, self._bus, location)
            ids = {"library_id": library.id, "location_id": location.uuid}
            if now is None:
                log.info("a location answers again", **ids)
            else:
                log.warning("a location is not followed until it answers", reason=now, **ids)


def _touches(point: str, path: str) -> bool:
    return Subtree(path).contains(point) or Subtree(point).contains(path)
