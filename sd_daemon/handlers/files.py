"""Files."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sd_daemon.core import locations
from sd_daemon.core.fileops.deleting import DELETE
from sd_daemon.core.fileops.preview_delete import preview_delete
from sd_daemon.core.fileops.protected import Protected
from sd_daemon.core.fileops.targets import (
    check_removable,
    check_trash,
    targets_to_delete,
    titled,
)
from sd_daemon.core.fileops.trashes import Trashes
from sd_daemon.core.files import contents, directory, find
from sd_daemon.core.files.usage import disk_usage
from sd_daemon.core.indexing import encoded_path
from sd_daemon.core.paths import resolve
from sd_daemon.handlers.handler import Context, handles
from sd_daemon.handlers.indexing import submit
from sd_wire.errors import InvalidValue
from sd_wire.operations.files import (
    AlternateInstances,
    ContentKindStats,
    DeleteFiles,
    DirectoryListing,
    DiskUsage,
    GetContentKindStats,
    GetDiskUsage,
    GetFileById,
    GetFileByPath,
    ListAlternateInstances,
    ListDirectory,
    ListMedia,
    ListUniqueToLocation,
    MediaListing,
    Preview,
    PreviewFiles,
    UniqueFiles,
)
from sd_wire.types.jobs import JobReceipt

if TYPE_CHECKING:
    import sqlite3

    from sd_daemon.core.library import Library
    from sd_wire.types.files import File
    from sd_wire.types.paths import PathInput


@handles(GetFileById)
async def get_by_id(context: Context, request: GetFileById) -> File | None:
    """One file by its id."""
    library = context.library
    return await library.database.read(
        find.by_id, library.ids, library.device_slug, request.file_id
    )


@handles(GetFileByPath)
async def get_by_path(context: Context, request: GetFileByPath) -> File | None:
    """One file by its path."""
    library = context.library
    return await library.database.read(
        find.by_path, library.ids, library.device_slug, request.path, request.path_bytes
    )


@handles(ListDirectory)
async def list_directory(context: Context, request: ListDirectory) -> DirectoryListing:
    """The children of a folder."""
    library = context.library
    return await library.database.read(
        directory.directory_listing, library.ids, library.device_slug, request
    )


@handles(ListMedia)
async def list_media(context: Context, request: ListMedia) -> MediaListing:
    """The pictures and videos in a folder."""
    library = context.library
    return await library.database.read(
        directory.media_listing, library.ids, library.device_slug, request
    )


@handles(ListAlternateInstances)
async def list_alternate_instances(
    context: Context, request: ListAlternateInstances
) -> AlternateInstances:
    """The files with the same content."""
    library = context.library
    return await library.database.read(
        find.alternate_instances, library.ids, library.device_slug, request.entry_uuid
    )


@handles(GetContentKindStats)
async def get_content_kind_stats(
    context: Context, request: GetContentKindStats
) -> ContentKindStats:
    """How many files are of which kind."""
    return await context.library.database.read(contents.content_kind_stats)


@handles(GetDiskUsage)
async def get_disk_usage(context: Context, request: GetDiskUsage) -> DiskUsage:
    """How much is where."""
    library = context.library
    return await library.database.read(disk_usage, library.device_slug, request)


@handles(ListUniqueToLocation)
async def list_unique_to_location(context: Context, request: ListUniqueToLocation) -> UniqueFiles:
    """What is in one location only."""
    library = context.library
    return await library.database.read(
        contents.unique_to_location,
        library.ids,
        library.device_slug,
        request.location_id,
        request.limit or directory.DEFAULT_PAGE,
    )


# --- what is done with them ----------------------------------------------------------------------


async def paths_of(library: Library, paths: list[PathInput], field: str) -> list[str]:
    """The paths on this device that a request names."""

    def read(db: sqlite3.Connection) -> list[str]:
        return [
            resolve(db, path, library.device_slug, field=f"{field}.{number}")
            for number, path in enumerate(paths)
        ]

    return await library.database.read(read)


async def protected_of(context: Context) -> Protected:
    """What may not be changed, as it is now."""
    libraries = list(context.core.libraries.open_libraries.values())
    roots: list[str] = []
    for library in libraries:
        roots += [one.path for one in await library.database.read(locations.listed)]
    own = [context.core.data_dir, *[library.path for library in libraries]]
    return await asyncio.to_thread(Protected, own, roots)


async def _to_delete(context: Context, request: DeleteFiles) -> list[str]:
    """The targets of a deletion, when nothing speaks against it."""
    paths = await paths_of(context.library, request.targets.paths, "targets.paths")
    protected = await protected_of(context)

    def check() -> list[str]:
        targets = targets_to_delete(paths, protected)
        if _is_permanent(request):
            check_removable(targets, recursive=request.recursive)
        else:
            check_trash(targets, Trashes(context.core.home_trash))
        return targets

    return await asyncio.to_thread(check)


def _is_permanent(request: DeleteFiles) -> bool:
    return request.permanent or request.secure


@handles(DeleteFiles)
async def delete_files(context: Context, request: DeleteFiles) -> JobReceipt:
    """Put things into the trash, or delete them for good."""
    targets = await _to_delete(context, request)
    params = {
        "title": titled("Deletion", targets),
        "targets": [encoded_path(target) for target in targets],
        "permanent": _is_permanent(request),
        "secure": request.secure,
    }
    job = await submit(context, context.library, DELETE, params, request, request.limits)
    return JobReceipt(job.id, DELETE)


@handles(PreviewFiles)
async def preview_files(context: Context, request: PreviewFiles) -> Preview:
    """What a file operation would do."""
    if request.delete is None:
        reason = "it is needed"
        raise InvalidValue(field="delete", reason=reason, pointer="/payload/delete")
    deletion = request.delete
    targets = await _to_delete(context, deletion)
    trashes = None if _is_permanent(deletion) else Trashes(context.core.home_trash)
    return await asyncio.to_thread(
        preview_delete,
        targets,
        trashes,
        secure=deletion.secure,
        device_slug=context.library.device_slug,
        limit=request.limit or directory.DEFAULT_PAGE,
    )
