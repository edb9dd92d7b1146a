"""Duplicates: files with the same content, and what to do about them. Ours."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import msgspec

from sd_wire.errors import (
    InvalidValue,
    LocationNotFound,
    PathNotIndexed,
    UnsupportedPath,
)
from sd_wire.operation import Natural, PageSize, Request, action, doc, query
from sd_wire.paging import Cursor, ItemCursors, NextCursor, WithCursors
from sd_wire.types.files import ContentKind
from sd_wire.types.jobs import JobLimits, JobReceipt
from sd_wire.types.paths import PathInput, SdPath


class Duplicate(msgspec.Struct):
    """One of the files with the same content."""

    id: UUID
    sd_path: SdPath
    modified_at: datetime
    linked: Annotated[bool, doc("it is another name of one that is listed before it (hard link)")]


class DuplicateGroup(msgspec.Struct):
    """Files with the same content."""

    content_id: UUID
    content_hash: Annotated[str, doc("16 hexadecimal digits")]
    kind: ContentKind
    size: Annotated[int, doc("bytes of one of them")]
    count: Annotated[int, doc("files on the disk; hard links of one are one")]
    wasted_bytes: Annotated[int, doc("that all but one of them take")]
    files: Annotated[list[Duplicate], doc("the first hundred, oldest first")]


class DuplicateList(msgspec.Struct):
    """Groups of files with the same content, most wasted first, or one page of them."""

    groups: list[DuplicateGroup]
    total_groups: int
    total_wasted_bytes: int
    has_more: bool
    next_cursor: NextCursor = None
    cursors: ItemCursors = None


@query("duplicates.list", errors=(InvalidValue, LocationNotFound), pages="groups")
class ListDuplicates(Request[DuplicateList]):
    """Files with the same content identity, from the index. Of files above 100 KiB that is made of
    samples: 'duplicates.resolve' compares them byte for byte."""

    location_id: Annotated[UUID | None, doc("only among the files of one location")] = None
    min_size: Annotated[Natural, doc("only files of at least so many bytes")] = 1
    kind: Annotated[ContentKind | None, doc("only files of this kind")] = None
    limit: Annotated[PageSize | None, doc("how many groups at most; 100 by default")] = None
    cursor: Cursor = None
    cursors: WithCursors = False


class Keep(StrEnum):
    """Which of the files with the same content stays as it is."""

    OLDEST = "oldest"
    NEWEST = "newest"
    SHORTEST_PATH = "shortest_path"
    IN_FOLDER = "in_folder"  # every one in the folder; groups without one there are left alone
    NAMED = "named"  # those that are named; groups without one are left alone


class Resolution(StrEnum):
    """What happens to the others."""

    TRASH = "trash"
    HARDLINK = "hardlink"  # they become other names of the one that stays
    REFLINK = "reflink"  # they share its blocks until one of them is changed


@action(
    "duplicates.resolve",
    errors=(InvalidValue, PathNotIndexed, UnsupportedPath),
)
class ResolveDuplicates(Request[JobReceipt]):
    """Keep one of each group of files with the same content. Every file is compared byte for byte
    with the one that stays before anything is done to it, and the last one is never touched."""

    contents: Annotated[list[UUID], doc("the groups (content_id)")] = msgspec.field(
        default_factory=list
    )
    within: Annotated[
        PathInput | None, doc("a folder: all groups below it, and only its files")
    ] = None
    keep: Annotated[Keep, doc("which one stays")] = Keep.OLDEST
    keep_folder: Annotated[PathInput | None, doc("the folder of in_folder")] = None
    keep_files: Annotated[list[PathInput], doc("the files of named")] = msgspec.field(
        default_factory=list
    )
    action: Annotated[Resolution, doc("what happens to the others")] = Resolution.TRASH
    min_size: Annotated[Natural, doc("only files of at least so many bytes")] = 1
    dry_run: Annotated[bool, doc("compare and tell, and change nothing")] = False
    limits: Annotated[JobLimits | None, doc("how much of the machine it may have")] = None
