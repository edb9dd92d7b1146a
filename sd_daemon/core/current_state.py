"""The state as it is now, as the events that would tell it.

For whoever begins to watch: what exists is a ResourceChanged for each library, location and volume,
and the jobs that are not over are a JobUpdate and a JobProgress each. Files are not told one by
one; listings answer them.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sd_daemon.core import locations
from sd_daemon.core.db.connection import DatabaseFailure
from sd_daemon.core.indexing import as_wire, jobs_by_location
from sd_daemon.core.jobs.news import progress_of, update_of
from sd_daemon.core.log import get_log
from sd_daemon.core.statistics import statistics_of
from sd_wire.errors import LibraryNotFound
from sd_wire.events import JobProgress, JobUpdate, ResourceChanged, ResourceMetadata
from sd_wire.types.libraries import Library as LibraryResource

if TYPE_CHECKING:
    from collections.abc import Container
    from uuid import UUID

    from sd_daemon.core.core import Core
    from sd_daemon.core.jobs.job import Job
    from sd_daemon.core.jobs.runner import JobRunner
    from sd_daemon.core.library import Library
    from sd_wire.events import Event
    from sd_wire.types.locations import Location

log = get_log(__name__)

_RESOURCES = ResourceChanged.__name__
_UPDATES = JobUpdate.__name__
_PROGRESS = JobProgress.__name__


async def library_now(library: Library) -> LibraryResource:
    """A library with its settings and statistics."""
    config = library.config
    return LibraryResource(
        config.id,
        config.name,
        config.description,
        library.path,
        config.created_at,
        config.updated_at,
        config.settings,
        await statistics_of(library),
    )


async def jobs_now(library: Library, runner: JobRunner) -> list[Job]:
    """The jobs of a library that are not over, newest first, as they are this instant."""
    return [runner.live(job.id) or job for job in await library.jobs.active()]


async def locations_now(library: Library, runner: JobRunner) -> list[Location]:
    """The locations of a library, and how their indexing stands."""
    stored = await library.database.read(locations.listed)
    omitted = await library.database.read(locations.omitted_counts)
    jobs = jobs_by_location(await jobs_now(library, runner))

    def build() -> list[Location]:  # asks the disk whether each root is there
        return [
            as_wire(library, one, jobs.get(one.uuid), omitted.get(one.number, 0)) for one in stored
        ]

    return await asyncio.to_thread(build)


async def current_state(
    core: Core, names: Container[str], library_id: UUID | None = None
) -> list[Event]:
    """The state in events of these names; of one library, where one is named."""
    found: list[Event] = []
    if _RESOURCES in names and library_id is None:
        found += [ResourceChanged("volume", one) for one in await core.volumes.list()]
    for library in list(core.libraries.open_libraries.values()):
        if library_id not in (None, library.id):
            continue
        try:
            found += await _state_of(core, library, names)
        except (DatabaseFailure, LibraryNotFound) as failure:  # it has just been closed, or fails
            log.warning("a library is left out", library_id=library.id, reason=failure)
    return found


async def _state_of(core: Core, library: Library, names: Container[str]) -> list[Event]:
    found: list[Event] = []
    if _RESOURCES in names:
        resource = await library_now(library)
        found.append(ResourceChanged("library", resource, None, library.id))
        for location in await locations_now(library, core.runner):
            metadata = ResourceMetadata(affected_paths=[location.sd_path])
            found.append(ResourceChanged("location", location, metadata, library.id))
    if _UPDATES in names or _PROGRESS in names:
        shelf = core.libraries.shelf(library)
        for job in await jobs_now(library, core.runner):
            if _UPDATES in names:
                found.append(update_of(job, shelf))
            if _PROGRESS in names:
                found.append(progress_of(job, shelf))
    return found
