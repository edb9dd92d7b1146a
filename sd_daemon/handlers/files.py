"""Files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sd_daemon.core.files import contents, directory, find
from sd_daemon.handlers.handler import Context, handles
from sd_wire.operations.files import (
    AlternateInstances,
    ContentKindStats,
    DirectoryListing,
    GetContentKindStats,
    GetFileById,
    GetFileByPath,
    ListAlternateInstances,
    ListDirectory,
    ListMedia,
    ListUniqueToLocation,
    MediaListing,
    UniqueFiles,
)

if TYPE_CHECKING:
    from sd_wire.types.files import File


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
