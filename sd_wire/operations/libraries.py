"""Libraries."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import msgspec

from sd_wire.errors import (
    DiskFull,
    InvalidValue,
    LibraryCopyOpen,
    LibraryDamaged,
    LibraryExists,
    LibraryLocked,
    LibraryNotFound,
    LibraryTooNew,
    NotADirectory,
    NotALibrary,
    StorageReadOnly,
)
from sd_wire.operation import Permission, Request, Scope, action, doc, query
from sd_wire.types.libraries import Library, LibraryInfo


@query("libraries.list", scope=Scope.CORE)
class ListLibraries(Request[list[LibraryInfo]]):
    """The open libraries."""

    include_stats: Annotated[bool, doc("with counts and sizes")] = False


@query("libraries.info")
class GetLibrary(Request[Library]):
    """Settings and statistics of a library."""


class OpenedLibrary(msgspec.Struct):
    """A library that is open now."""

    library_id: UUID
    name: str
    path: str


@action(
    "libraries.create",
    scope=Scope.CORE,
    errors=(InvalidValue, LibraryExists, NotADirectory, DiskFull, StorageReadOnly),
)
class CreateLibrary(Request[OpenedLibrary]):
    """Make an empty library and open it."""

    name: Annotated[str, doc("its name, 1 to 255 characters", min_length=1, max_length=255)]
    path: Annotated[str | None, doc("the folder to put it in; the daemon's own by default")] = None


@action(
    "libraries.open",
    scope=Scope.CORE,
    errors=(
        InvalidValue,
        NotALibrary,
        LibraryLocked,
        LibraryCopyOpen,
        LibraryDamaged,
        LibraryTooNew,
        DiskFull,
        StorageReadOnly,
    ),
)
class OpenLibrary(Request[OpenedLibrary]):
    """Open a library that exists. An open one is left as it is."""

    path: Annotated[str, doc("its folder, NAME.sdlibrary")]


class ClosedLibrary(msgspec.Struct):
    """A library that is no longer open."""

    library_id: UUID
    name: str


@action("libraries.close", scope=Scope.CORE, errors=(LibraryNotFound, DiskFull, StorageReadOnly))
class CloseLibrary(Request[ClosedLibrary]):
    """Close a library: its jobs pause at a safe point and go on when it is opened again. It stays
    closed when the daemon starts the next time."""

    library_id: Annotated[UUID, doc("the library")]


class RenamedLibrary(msgspec.Struct):
    """A library's old and new name."""

    library_id: UUID
    old_name: str
    new_name: str


@action("libraries.rename", errors=(LibraryNotFound, InvalidValue, DiskFull, StorageReadOnly))
class RenameLibrary(Request[RenamedLibrary]):
    """Give a library another name. Its folder stays where it is."""

    library_id: Annotated[UUID, doc("the library")]
    new_name: Annotated[str, doc("the new name", min_length=1, max_length=255)]


class DeletedLibrary(msgspec.Struct):
    """A library that the daemon has forgotten."""

    library_id: UUID
    name: str


@action(
    "libraries.delete",
    scope=Scope.CORE,
    permission=Permission.ADMIN,
    errors=(LibraryNotFound, StorageReadOnly),
)
class DeleteLibrary(Request[DeletedLibrary]):
    """Forget a library. The files it indexes are never touched."""

    library_id: Annotated[UUID, doc("the library")]
    delete_data: Annotated[bool, doc("remove its folder, index included, from the disk")] = False


class ExportedLibrary(msgspec.Struct):
    """A copy of a library."""

    library_id: UUID
    library_name: str
    export_path: str
    exported_files: Annotated[list[str], doc("relative to export_path")]


@action(
    "libraries.export",
    errors=(
        InvalidValue,
        LibraryNotFound,
        LibraryExists,
        LibraryDamaged,
        DiskFull,
        StorageReadOnly,
    ),
)
class ExportLibrary(Request[ExportedLibrary]):
    """Write a complete copy of a library, taken at one instant. It can be opened like any other."""

    library_id: Annotated[UUID, doc("the library")]
    export_path: Annotated[str, doc("a folder that does not exist yet")]
    include_thumbnails: Annotated[bool, doc("with thumbnails")] = True
    include_previews: Annotated[bool, doc("with previews")] = True
