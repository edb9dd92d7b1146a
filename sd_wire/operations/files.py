"""Files: questions about them, and what is done with them."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import msgspec

from sd_wire.errors import (
    DoubledTarget,
    FileConflict,
    FolderNotEmpty,
    InvalidValue,
    KindConflict,
    LocationNotFound,
    NameInvalid,
    NotADirectory,
    NotEnoughSpace,
    PathDenied,
    PathNotFound,
    PathNotIndexed,
    PathNotWritable,
    PathProtected,
    PathUnusable,
    SpecialFile,
    TargetInsideSource,
    TrashUnavailable,
    UnsupportedPath,
)
from sd_wire.operation import Natural, PageSize, Request, action, doc, query
from sd_wire.paging import Cursor, ItemCursors, NextCursor, WithCursors
from sd_wire.types.files import ContentKind, EntryKind, File
from sd_wire.types.jobs import JobLimits, JobReceipt
from sd_wire.types.paths import PathInput, SdPath, SdPathBatch


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
    next_cursor: NextCursor = None  # ours
    cursors: ItemCursors = None  # ours


@query(
    "files.directory_listing",
    errors=(PathNotIndexed, UnsupportedPath, InvalidValue),
    pages="files",
)
class ListDirectory(Request[DirectoryListing]):
    """The children of a folder."""

    path: Annotated[PathInput, doc("the folder")]
    limit: Annotated[PageSize | None, doc("how many at most; 1000 by default")] = None
    include_hidden: Annotated[bool | None, doc("with names that begin with a dot")] = None
    sort_by: Annotated[DirectorySort, doc("the order")] = DirectorySort.NAME
    folders_first: Annotated[bool | None, doc("folders before everything else")] = None
    cursor: Cursor = None
    cursors: WithCursors = False


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
    next_cursor: NextCursor = None  # ours
    cursors: ItemCursors = None  # ours


@query("files.media_listing", errors=(PathNotIndexed, UnsupportedPath, InvalidValue), pages="files")
class ListMedia(Request[MediaListing]):
    """The pictures and videos in a folder."""

    path: Annotated[PathInput, doc("the folder")]
    include_descendants: Annotated[bool | None, doc("with everything below it")] = None
    media_types: Annotated[
        list[ContentKind] | None, doc("which kinds; image and video by default")
    ] = None
    limit: Annotated[PageSize | None, doc("how many at most; 1000 by default")] = None
    sort_by: Annotated[MediaSort, doc("the order; times come newest first")] = MediaSort.MODIFIED
    cursor: Cursor = None
    cursors: WithCursors = False


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


# --- what changes files: each is a job, and goes into the history ---------------------------------


class ConflictResolution(StrEnum):
    """What happens where a name is taken."""

    OVERWRITE = "Overwrite"  # what was there goes to the trash
    AUTO_MODIFY_NAME = "AutoModifyName"  # the newcomer becomes `name (1).ext`
    SKIP = "Skip"  # what was there stays, and the newcomer where it is
    ABORT = "Abort"  # nothing at all is done


class Decision(msgspec.Struct):
    """What happens to one name that is taken."""

    target: Annotated[PathInput, doc("the path that is taken")]
    resolution: Annotated[ConflictResolution, doc("what happens")]


class CopyMethod(StrEnum):
    """How bytes go from one place to another."""

    AUTO = "Auto"  # the fastest that works between these two places
    ATOMIC = "Atomic"  # only at once: a rename, or blocks that both files share
    STREAMING = "Streaming"  # read and written, and checked on the way


_FILE_ERRORS = (
    FileConflict,
    InvalidValue,
    NotADirectory,
    NotEnoughSpace,
    PathDenied,
    PathNotFound,
    PathNotWritable,
    PathProtected,
    PathUnusable,
    UnsupportedPath,
)
_CARRYING = (KindConflict, DoubledTarget, NameInvalid, TargetInsideSource)


@action("files.copy", errors=(*_FILE_ERRORS, *_CARRYING, SpecialFile))
class CopyFiles(Request[JobReceipt]):
    """Copy or move files and folders. A source appears in its new place when it is whole. A path
    with a slash at its end is a folder: of what is copied also the one that a link leads to, and
    with /. at its end all that is in it."""

    sources: Annotated[SdPathBatch, doc("what to copy")]
    destination: Annotated[
        PathInput, doc("a folder that is there, or the new path of the only source")
    ]
    overwrite: Annotated[bool, doc("the same as on_conflict Overwrite")] = False
    verify_checksum: Annotated[
        bool, doc("read what was written from the disk again and compare")
    ] = False
    preserve_timestamps: Annotated[bool, doc("keep the times of files and folders")] = True
    move_files: Annotated[bool, doc("move instead of copying")] = False
    copy_method: Annotated[CopyMethod, doc("how")] = CopyMethod.AUTO
    on_conflict: Annotated[
        ConflictResolution | None,
        doc("what happens where a name is taken; null: Abort; folders are joined"),
    ] = None
    # ours
    decisions: Annotated[list[Decision], doc("exceptions from that, path by path")] = msgspec.field(
        default_factory=list
    )
    into_folder: Annotated[
        bool | None, doc("whether destination is the folder to put them in; null: if it is one")
    ] = None
    limits: Annotated[JobLimits | None, doc("how much of the machine it may have")] = None


@action("files.delete", errors=(*_FILE_ERRORS, FolderNotEmpty, TrashUnavailable))
class DeleteFiles(Request[JobReceipt]):
    """Put files and folders into the trash, or delete them for good."""

    targets: Annotated[SdPathBatch, doc("what to delete")]
    permanent: Annotated[bool, doc("for good, and not into the trash")] = False
    recursive: Annotated[bool, doc("for good: folders with all that is in them, too")] = False
    # ours
    secure: Annotated[
        bool, doc("for good: overwrite each file first, as far as its filesystem lets that matter")
    ] = False
    limits: Annotated[JobLimits | None, doc("how much of the machine it may have")] = None


@action("files.rename", errors=(*_FILE_ERRORS, *_CARRYING))
class RenameFile(Request[JobReceipt]):
    """Give a file or folder another name in the same folder."""

    target: Annotated[PathInput, doc("what to rename")]
    new_name: Annotated[str, doc("the name, without a folder")]
    # ours
    new_name_bytes: Annotated[bytes | None, doc("exact bytes of a name that is not UTF-8")] = None
    on_conflict: Annotated[
        ConflictResolution | None, doc("what happens if the name is taken; null: Abort")
    ] = None


Mode = Annotated[int, msgspec.Meta(ge=0, le=0o7777)]


class CreatedFolder(msgspec.Struct):
    """A folder that is there now."""

    folder_path: SdPath
    job_receipt: Annotated[JobReceipt | None, doc("the job that moves the items into it")] = None


@action("files.createFolder", errors=(*_FILE_ERRORS, *_CARRYING))
class CreateFolder(Request[CreatedFolder]):
    """Make a folder, and move what is named into it."""

    parent: Annotated[PathInput, doc("the folder to make it in")]
    name: Annotated[str, doc("its name")]
    items: Annotated[list[PathInput], doc("what to move into it")] = msgspec.field(
        default_factory=list
    )
    name_bytes: Annotated[bytes | None, doc("exact bytes of a name that is not UTF-8")] = None
    parents: Annotated[bool, doc("make the folders above it, too")] = False
    mode: Annotated[
        Mode | None, doc("its permissions, as chmod(2) has them (448 is 0700); null: the usual")
    ] = None


class PreviewItem(msgspec.Struct):
    """What would happen to one file or folder."""

    action: Annotated[str, doc("copy, move, overwrite, rename, skip, join, trash, delete")]
    source: SdPath
    target: SdPath | None
    kind: EntryKind
    size: Annotated[int, doc("bytes")]


class Conflict(msgspec.Struct):
    """A name that is taken."""

    source: SdPath
    target: SdPath
    source_size: int
    target_size: int
    source_modified_at: datetime
    target_modified_at: datetime
    source_kind: EntryKind
    target_kind: EntryKind
    resolution: Annotated[ConflictResolution | None, doc("what would happen; null: not decided")]


class Preview(msgspec.Struct):
    """What a file operation would do."""

    items: Annotated[list[PreviewItem], doc("the first of them")]
    truncated: Annotated[bool, doc("whether there are more than those")]
    file_count: int
    folder_count: int
    total_bytes: Annotated[int, doc("that would be written, or freed")]
    conflicts: Annotated[list[Conflict], doc("the first of them")]
    conflict_count: int
    available_bytes: Annotated[
        int | None, doc("free where it would be written; null: does not matter")
    ]
    enough_space: bool
    is_fast: Annotated[bool, doc("whether it is done by renaming, whatever the size")]
    problems: Annotated[list[str], doc("what would go wrong: what cannot be read, for one")]


@query(
    "files.preview",
    errors=(*_FILE_ERRORS, *_CARRYING, SpecialFile, FolderNotEmpty, TrashUnavailable),
)
class PreviewFiles(Request[Preview]):
    """What files.copy or files.delete would do, to the letter. Nothing is changed."""

    copy: Annotated[CopyFiles | None, doc("the input of files.copy")] = None
    delete: Annotated[DeleteFiles | None, doc("the input of files.delete")] = None
    limit: Annotated[PageSize | None, doc("how many items at most; 1000 by default")] = None


class Usage(msgspec.Struct):
    """What a folder or file takes up, with all that is in it."""

    path: SdPath
    size: Annotated[int, doc("bytes of content")]
    file_count: int
    folder_count: int


class DiskUsage(msgspec.Struct):
    """What is where, largest first."""

    usages: list[Usage]
    total: Usage


@query("files.disk_usage", errors=(PathNotIndexed, UnsupportedPath, InvalidValue))
class GetDiskUsage(Request[DiskUsage]):
    """How much is in a folder and in each folder below it, as the index knows it."""

    path: Annotated[PathInput, doc("the folder")]
    depth: Annotated[Natural, doc("how many levels below it are listed")] = 1
    include_files: Annotated[bool, doc("list single files, too")] = False
