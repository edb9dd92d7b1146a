"""Libraries."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sd_daemon.core.current_state import library_now
from sd_daemon.core.export import export_library
from sd_daemon.core.paths import absolute
from sd_daemon.handlers.handler import Context, handles
from sd_wire.operations.libraries import (
    ClosedLibrary,
    CloseLibrary,
    CreateLibrary,
    DeletedLibrary,
    DeleteLibrary,
    ExportedLibrary,
    ExportLibrary,
    GetLibrary,
    ListLibraries,
    OpenedLibrary,
    OpenLibrary,
    RenamedLibrary,
    RenameLibrary,
)

if TYPE_CHECKING:
    from sd_wire.types.libraries import Library, LibraryInfo


@handles(ListLibraries)
async def list_libraries(context: Context, request: ListLibraries) -> list[LibraryInfo]:
    """The open libraries."""
    return await context.core.libraries.list(include_stats=request.include_stats)


@handles(GetLibrary)
async def get_library(context: Context, _request: GetLibrary) -> Library:
    """One library with its settings and statistics."""
    return await library_now(context.library)


@handles(CreateLibrary)
async def create_library(context: Context, request: CreateLibrary) -> OpenedLibrary:
    """Make a library."""
    libraries = context.core.libraries
    library = await libraries.create(request.name, request.path, context.correlation_id)
    return OpenedLibrary(library.id, library.name, library.path)


@handles(OpenLibrary)
async def open_library(context: Context, request: OpenLibrary) -> OpenedLibrary:
    """Open a library."""
    library = await context.core.libraries.open(request.path, context.correlation_id)
    return OpenedLibrary(library.id, library.name, library.path)


@handles(CloseLibrary)
async def close_library(context: Context, request: CloseLibrary) -> ClosedLibrary:
    """Close a library."""
    library = await context.core.libraries.close(request.library_id, context.correlation_id)
    return ClosedLibrary(library.id, library.name)


@handles(RenameLibrary)
async def rename_library(context: Context, request: RenameLibrary) -> RenamedLibrary:
    """Rename a library."""
    old = await context.core.libraries.rename(
        request.library_id, request.new_name, context.correlation_id
    )
    return RenamedLibrary(request.library_id, old, request.new_name.strip())


@handles(DeleteLibrary)
async def delete_library(context: Context, request: DeleteLibrary) -> DeletedLibrary:
    """Forget a library."""
    library = await context.core.libraries.delete(
        request.library_id, context.correlation_id, delete_data=request.delete_data
    )
    return DeletedLibrary(library.id, library.name)


@handles(ExportLibrary)
async def export(context: Context, request: ExportLibrary) -> ExportedLibrary:
    """Copy a library."""
    library = context.core.libraries.get(request.library_id)
    target = absolute(request.export_path, field="export_path")
    files = await asyncio.to_thread(export_library, library, target)
    return ExportedLibrary(library.id, library.name, target, files)
