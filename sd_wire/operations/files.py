"""Questions about files."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated
from uuid import UUID

import msgspec

from sd_wire.errors import InvalidValue, LocationNotFound, PathNotIndexed, UnsupportedPath
from sd_wire.operation import PageSize, Request, doc, query
from sd_wire.types.files import ContentKind, File
from sd_wire.types.paths import PathInput


@query("files.by_id")
class GetFileById(Request[File | None]):
    """One file by its id, or null."""

    file_id: Annotated[UUID, doc("the id")]


@query("files.by_path")
class GetFileByPath(Request[File | None]):
    """One file by its path, or null when it is not indexed."""

    path: Annotated[str, doc("an absolute path on this device")]
    path_bytes: Annotated[bytes | None, doc("exact bytes of a path that is not UTF-8")] = None


class DirectorySort(StrEnum):
    """The order of a listing."""

    NAME = "name"
    MODIFIED = "modified"
    SIZE = "size"
    TYPE = "type"


class DirectoryListing(msgspec.Struct):
    """The children of a folder, or one page of them."""

    files: list[File]
    total_count: int
    has_more: bool
    next_cursor: Annotated[str | None, doc("give it back to go on")] = None  # ours


@query("files.directory_listing", errors=(PathNotIndexed, UnsupportedPath, InvalidValue))
class ListDirectory(Request[DirectoryListing]):
    """The children of a folder."""

    path: Annotated[PathInput, doc("the folder")]
    limit: Annotated[PageSize | None, doc("how many at most; 1000 by default")] = None
    include_hidden: Annotated[bool | None, doc("with names that begin with a dot")] = None
    sort_by: Annotated[DirectorySort, doc("the order")] = DirectorySort.NAME
    folders_first: Annotated[bool | None, doc("folders before everything else")] = None
    cursor: Annotated[str | None, doc("where an earlier page ended (its next_cursor)")] = None


class MediaSort(StrEnum):
    """The order of a listing of media."""

    MODIFIED = "modified"
    CREATED = "created"
    DATE_TAKEN = "datetaken"
    NAME = "name"
    SIZE = "size"


class MediaListing(msgspec.Struct):
    """Pictures and videos."""

    files: list[File]
    total_count: int
    has_more: bool
    next_cursor: Annotated[str | None, doc("give it back to go on")] = None  # ours


@query("files.media_listing", errors=(PathNotIndexed, UnsupportedPath, InvalidValue))
class ListMedia(Request[MediaListing]):
    """The pictures and videos in a folder."""

    path: Annotated[PathInput, doc("the folder")]
    include_descendants: Annotated[bool | None, doc("with everything below it")] = None
    media_types: Annotated[
        list[ContentKind] | None, doc("which kinds; image and video by default")
    ] = None
    limit: Annotated[PageSize | None, doc("how many at most; 1000 by default")] = None
    sort_by: Annotated[MediaSort, doc("the order; times come newest first")] = MediaSort.MODIFIED
    cursor: Annotated[str | None, doc("where an earlier page ended (its next_cursor)")] = None


class AlternateInstances(msgspec.Struct):
    """Files with the same content."""

    instances: list[File]
    total_count: int


@query("files.alternate_instances", errors=(InvalidValue,))
class ListAlternateInstances(Request[AlternateInstances]):
    """Every file with the same content as this one, itself included."""

    entry_uuid: Annotated[UUID, doc("the id of the file")]


class ContentKindStat(msgspec.Struct):
    """How many files are of one kind."""

    kind: ContentKind
    name: str
    file_count: int


class ContentKindStats(msgspec.Struct):
    """How many files are of which kind."""

    stats: list[ContentKindStat]
    total_files: int


@query("files.content_kind_stats")
class GetContentKindStats(Request[ContentKindStats]):
    """Count the identified files of the library by kind of content."""


class UniqueFiles(msgspec.Struct):
    """Files whose content is in one location only."""

    unique_files: list[File]
    total_count: int
    total_size: Annotated[int, doc("bytes")]


@query("files.unique_to_location", errors=(LocationNotFound,))
class ListUniqueToLocation(Request[UniqueFiles]):
    """The files of a location whose content is nowhere else in the library."""

    location_id: Annotated[UUID, doc("the location")]
    limit: Annotated[PageSize | None, doc("how many at most; 1000 by default")] = None
