"""Locations."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import msgspec

from sd_daemon.core import locations, suggestions, transfer
from sd_daemon.core.current_state import locations_now
from sd_daemon.core.index.distant import is_distant
from sd_daemon.core.index.job_names import EXPORT, IMPORT, INDEXER, PURGE
from sd_daemon.core.indexing import index_params, publish_changed, purge_params
from sd_daemon.core.jobs.params import encoded_path
from sd_daemon.core.paths import absolute, resolve, shown
from sd_daemon.handlers.handler import Context, handles
from sd_daemon.handlers.indexing import finished, submit
from sd_wire.errors import (
    InvalidValue,
    JobStateConflict,
    LocationExists,
    LocationOffline,
    NotADirectory,
    PathDenied,
    PathNotFound,
)
from sd_wire.events import IndexingStarted, LocationAdded, LocationRemoved, ResourceDeleted
from sd_wire.operations.locations import (
    AddedLocation,
    AddLocation,
    EnableIndexing,
    ExportedLocation,
    ExportLocation,
    ExportStats,
    ImportedLocation,
    ImportLocation,
    ImportStats,
    IndexingEnabled,
    ListLocations,
    LocationList,
    PathValidation,
    RemovedLocation,
    RemoveLocation,
    RescanLocation,
    RescanStarted,
    SuggestedLocations,
    SuggestLocations,
    UpdatedLocation,
    UpdateLocation,
    ValidatePath,
)
from sd_wire.types.locations import IndexMode, JobPolicies
from sd_wire.types.paths import physical

if TYPE_CHECKING:
    import sqlite3

    from sd_daemon.core.library import Library
    from sd_daemon.core.locations import StoredLocation


@handles(ListLocations)
async def list_locations(context: Context, _request: ListLocations) -> LocationList:
    """The locations and how their indexing stands."""
    return LocationList(await locations_now(context.library, context.core.runner))


def _folder_at(path: str) -> str:
    """The folder to index: the path itself, or what it leads to if it is a symbolic link, since
    the index follows none. Blocks. Raises what speaks against indexing it."""
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        return os.path.realpath(path) if os.path.islink(path) else path
    except FileNotFoundError:
        raise PathNotFound(path=shown(path), pointer="/payload/path") from None
    except NotADirectoryError:
        raise NotADirectory(path=shown(path), pointer="/payload/path") from None
    except OSError as error:
        raise PathDenied(
            path=shown(path), reason=error.strerror, user=os.geteuid(), pointer="/payload/path"
        ) from error


def _policies(given: Any) -> JobPolicies:
    try:
        return msgspec.convert(given or {}, JobPolicies)
    except msgspec.ValidationError as error:
        raise InvalidValue(
            field="job_policies", reason=str(error), pointer="/payload/job_policies"
        ) from error


@handles(AddLocation)
async def add_location(context: Context, request: AddLocation) -> AddedLocation:
    """Add a folder and start to index it."""
    library = context.library
    path = await library.database.read(resolve, request.path, library.device_slug)
    path = await asyncio.to_thread(_folder_at, path)
    policies = _policies(request.job_policies)
    location = await library.database.write(
        locations.add, path, request.name, request.mode, policies
    )
    bus, correlation = context.core.bus, context.correlation_id
    bus.publish(LocationAdded(library.id, location.uuid, shown(path)), correlation)
    await publish_changed(library, bus, location, correlation)
    job_id = None
    if request.mode is not IndexMode.NONE:
        params = index_params(location, library.config.settings, full=True)
        job_id = (await submit(context, library, INDEXER, params, request)).id
        bus.publish(IndexingStarted(location.uuid, library.id), correlation)
    sd_path = physical(library.device_slug, os.fsencode(path))
    return AddedLocation(location.uuid, sd_path, location.name, job_id)


async def _cancel_jobs_of(context: Context, library: Library, location: UUID) -> None:
    """Stop every job that reads a location."""
    shelf = context.core.libraries.shelf(library)
    for job in await library.jobs.active():
        if job.params.get("location_id") == str(location):
            try:
                await context.core.runner.cancel(shelf, job.id)
            except JobStateConflict:
                pass  # it has ended by itself


@handles(RemoveLocation)
async def remove_location(context: Context, request: RemoveLocation) -> RemovedLocation:
    """Take a folder out of the index. Its rows go in a job."""
    library = context.library
    location = await library.database.read(locations.get, request.location_id)
    await _cancel_jobs_of(context, library, location.uuid)
    await library.database.write(locations.forget, request.location_id)
    bus, correlation = context.core.bus, context.correlation_id
    bus.publish(LocationRemoved(library.id, location.uuid), correlation)
    bus.publish(ResourceDeleted("location", location.uuid, library.id), correlation)
    job = await submit(context, library, PURGE, purge_params(location), request)
    return RemovedLocation(location.uuid, shown(location.path), job.id)


async def _start_scan(
    context: Context,
    library: Library,
    location: StoredLocation,
    request: msgspec.Struct,
    *,
    full: bool,
) -> UUID:
    """Start an index job of a whole location; its id. Raises LocationOffline."""
    if location.uuid.hex in library.silent:
        await context.core.watching.ask(library)  # it may answer again by now
    silent = location.uuid.hex in library.silent
    if silent or not await asyncio.to_thread(_may_be_read, location.path):
        raise LocationOffline(path=shown(location.path))
    params = index_params(location, library.config.settings, full=full)
    job = await submit(context, library, INDEXER, params, request)
    context.core.bus.publish(IndexingStarted(location.uuid, library.id), context.correlation_id)
    return job.id


def _may_be_read(path: str) -> bool:
    """Whether a folder is there. Where that may take for ever to know, the job will see."""
    return is_distant(path) or os.path.isdir(path)


@handles(RescanLocation)
async def rescan_location(context: Context, request: RescanLocation) -> RescanStarted:
    """Read a location again."""
    library = context.library
    location = await library.database.read(locations.get, request.location_id)
    job = await _start_scan(context, library, location, request, full=request.full_rescan)
    return RescanStarted(location.uuid, shown(location.path), job, request.full_rescan)


@handles(UpdateLocation)
async def update_location(context: Context, request: UpdateLocation) -> UpdatedLocation:
    """Change a location's name or policies."""
    library = context.library

    def change(db: sqlite3.Connection) -> StoredLocation:
        return locations.update(db, request.id, name=request.name, policies=request.job_policies)

    location = await library.database.write(change)
    await publish_changed(library, context.core.bus, location, context.correlation_id)
    return UpdatedLocation(location.uuid)


@handles(EnableIndexing)
async def enable_indexing(context: Context, request: EnableIndexing) -> IndexingEnabled:
    """Index a location more deeply."""
    library = context.library

    def change(db: sqlite3.Connection) -> StoredLocation:
        return locations.update(db, request.id, mode=request.index_mode)

    location = await library.database.write(change)
    await publish_changed(library, context.core.bus, location, context.correlation_id)
    job = await _start_scan(context, library, location, request, full=True)
    return IndexingEnabled(location.uuid, str(job))


@handles(ValidatePath)
async def validate_path(context: Context, request: ValidatePath) -> PathValidation:
    """Say whether a folder is a good location."""
    library = context.library
    path = await library.database.read(resolve, request.path, library.device_slug)
    volumes = await context.core.volumes.list()
    return await asyncio.to_thread(suggestions.validate, path, volumes)


@handles(SuggestLocations)
async def suggest_locations(context: Context, _request: SuggestLocations) -> SuggestedLocations:
    """The usual folders that are not locations yet."""
    library = context.library
    known = {one.path for one in await library.database.read(locations.listed)}
    found = await asyncio.to_thread(suggestions.suggest, library.device_slug, known)
    return SuggestedLocations(found)


@handles(ExportLocation)
async def export_location(context: Context, request: ExportLocation) -> ExportedLocation:
    """Write a location's index into a file; answered when it is there."""
    library = context.library
    location = await library.database.read(
        locations.get, request.location_uuid, "/payload/location_uuid"
    )
    target = absolute(request.export_path, field="export_path")
    await asyncio.to_thread(transfer.require_replaceable, target)
    params = {
        "location": str(location.uuid),
        "target": encoded_path(target),
        "contents": request.include_content_identities,
    }
    data = await finished(context, await submit(context, library, EXPORT, params, request))
    stats = ExportStats(data["entries"], data["content_identities"])
    size = data["file_size_bytes"]
    return ExportedLocation(location.uuid, location.name, shown(target), size, stats)


@handles(ImportLocation)
async def import_location(context: Context, request: ImportLocation) -> ImportedLocation:
    """Read a location's index from a file; answered when it is in the library."""
    library = context.library
    source = absolute(request.import_path, field="import_path")
    try:
        header = await asyncio.to_thread(transfer.read_header, source)
    except FileNotFoundError:
        raise PathNotFound(path=source, pointer="/payload/import_path") from None
    except OSError as error:
        raise PathDenied(path=source, reason=error.strerror, user=os.geteuid()) from error
    path = header.folder
    existing = [one for one in await library.database.read(locations.listed) if one.path == path]
    if existing and request.skip_existing:
        stats = ImportStats(entries_skipped=existing[0].file_count + existing[0].directory_count)
        return ImportedLocation(existing[0].uuid, existing[0].name, source, stats)
    if existing:
        raise LocationExists(path=shown(path), location=existing[0].uuid)
    uuid = uuid4()
    params = {"source": encoded_path(source), "name": request.new_name, "location": str(uuid)}
    data = await finished(context, await submit(context, library, IMPORT, params, request))
    location = await library.database.read(locations.get, uuid)
    bus, correlation = context.core.bus, context.correlation_id
    bus.publish(LocationAdded(library.id, uuid, shown(path)), correlation)
    await publish_changed(library, bus, location, correlation)
    stats = ImportStats(data["entries"], content_identities=data["content_identities"])
    return ImportedLocation(uuid, location.name, source, stats)
