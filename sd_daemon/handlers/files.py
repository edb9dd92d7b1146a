"""Files."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import msgspec

from sd_daemon.core import locations
from sd_daemon.core.fileops.copying.request import check, copy_order, move_into_order, rename_order
from sd_daemon.core.fileops.names import DELETE, PREVIEW_COPY, PREVIEW_DELETE
from sd_daemon.core.fileops.new_folder import new_folder
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
from sd_daemon.core.jobs.apart import done_apart
from sd_daemon.core.jobs.params import encoded_path
from sd_daemon.core.paths import ending, resolve
from sd_daemon.handlers.handler import Context, handles
from sd_daemon.handlers.indexing import submit
from sd_wire.errors import InvalidValue
from sd_wire.operations.files import (
    AlternateInstances,
    ContentKindStats,
    CopyFiles,
    CreatedFolder,
    CreateFolder,
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
    RenameFile,
    UniqueFiles,
)
from sd_wire.types.jobs import JobReceipt
from sd_wire.types.paths import physical

if TYPE_CHECKING:
    import sqlite3

    from sd_daemon.core.fileops.copying.order import CopyOrder
    from sd_daemon.core.library import Library
    from sd_wire.types.files import File
    from sd_wire.types.jobs import JobLimits
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


async def named_paths(library: Library, paths: list[PathInput], field: str) -> list[str]:
    """The same, each with its ending: see `core.paths.ending`."""
    clean = await paths_of(library, paths, field)
    return [one + ending(path) for one, path in zip(clean, paths, strict=True)]


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
    paths = await named_paths(context.library, request.targets.paths, "targets.paths")
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


async def _to_copy(context: Context, request: CopyFiles) -> CopyOrder:
    """The order that a request is for, when nothing but names that are taken speaks against it."""
    library = context.library
    sources = await named_paths(library, request.sources.paths, "sources.paths")
    (destination,) = await named_paths(library, [request.destination], "destination")
    places = [decision.target for decision in request.decisions]
    decided = await paths_of(library, places, "decisions")
    resolutions = [decision.resolution for decision in request.decisions]
    decisions = dict(zip(decided, resolutions, strict=True))
    protected = await protected_of(context)
    return await asyncio.to_thread(copy_order, request, sources, destination, decisions, protected)


async def _submit_order(
    context: Context, order: CopyOrder, request: msgspec.Struct, limits: JobLimits | None
) -> JobReceipt:
    await asyncio.to_thread(check, order)
    job = await submit(context, context.library, order.name, order.params(), request, limits)
    return JobReceipt(job.id, job.name)


@handles(CopyFiles)
async def copy_files(context: Context, request: CopyFiles) -> JobReceipt:
    """Copy or move files and folders."""
    order = await _to_copy(context, request)
    return await _submit_order(context, order, request, request.limits)


@handles(RenameFile)
async def rename_file(context: Context, request: RenameFile) -> JobReceipt:
    """Give a file or folder another name."""
    (target,) = await named_paths(context.library, [request.target], "target")
    protected = await protected_of(context)
    name = _name(request.new_name, request.new_name_bytes)
    order = await asyncio.to_thread(rename_order, target, name, request.on_conflict, protected)
    return await _submit_order(context, order, request, None)


def _name(text: str, exact: bytes | None) -> str:
    return text if exact is None else os.fsdecode(exact)


@handles(CreateFolder)
async def create_folder(context: Context, request: CreateFolder) -> CreatedFolder:
    """Make a folder, and move what is named into it."""
    library = context.library
    (parent,) = await paths_of(library, [request.parent], "parent")
    items = await paths_of(library, request.items, "items")
    protected = await protected_of(context)
    name = _name(request.name, request.name_bytes)
    path = await asyncio.to_thread(
        new_folder,
        parent,
        name,
        items,
        protected,
        library.path,
        parents=request.parents,
        mode=request.mode,
    )
    made = CreatedFolder(physical(library.device_slug, os.fsencode(path)))
    if items:
        order = await asyncio.to_thread(move_into_order, path, items, protected)
        made.job_receipt = await _submit_order(context, order, request, None)
    return made


@handles(PreviewFiles)
async def preview_files(context: Context, request: PreviewFiles) -> Preview:
    """What a file operation would do."""
    library = context.library
    common = {
        "device_slug": library.device_slug,
        "limit": request.limit or directory.DEFAULT_PAGE,
    }
    if request.copy is not None:
        order = await _to_copy(context, request.copy)
        found = await done_apart(library, PREVIEW_COPY, {"order": order.params(), **common})
        return msgspec.convert(found, Preview)
    if request.delete is None:
        reason = "either this or copy is needed"
        raise InvalidValue(field="delete", reason=reason, pointer="/payload/delete")
    deletion = request.delete
    targets = await _to_delete(context, deletion)
    params = {
        "targets": [encoded_path(target) for target in targets],
        "permanent": _is_permanent(deletion),
        "secure": deletion.secure,
    }
    return msgspec.convert(await done_apart(library, PREVIEW_DELETE, {**params, **common}), Preview)
