"""Indexing: reading folders into a library, and proving that the library is right."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated
from uuid import UUID

import msgspec

from sd_wire.errors import (
    InvalidValue,
    JobFailed,
    LibraryNotFound,
    NotADirectory,
    PathNotIndexed,
)
from sd_wire.operation import PageSize, Request, action, doc, query
from sd_wire.paging import Cursor, ItemCursors, NextCursor, WithCursors
from sd_wire.types.jobs import JobReceipt
from sd_wire.types.locations import IndexMode
from sd_wire.types.paths import SdPath


class IndexScope(StrEnum):
    """How far down an index job reads."""

    CURRENT = "Current"  # one folder
    RECURSIVE = "Recursive"  # and everything below it


class IndexPersistence(StrEnum):
    """Where an index job stores what it finds."""

    PERSISTENT = "Persistent"
    EPHEMERAL = "Ephemeral"


@action("indexing.start", errors=(LibraryNotFound, InvalidValue, NotADirectory, PathNotIndexed))
class StartIndexing(Request[JobReceipt]):
    """Read folders that lie in locations again, as a job."""

    paths: Annotated[list[str], doc("the folders, absolute")]
    library_id: Annotated[UUID | None, doc("the library; the one of the request by default")] = None
    scope: Annotated[IndexScope, doc("how far down")] = IndexScope.RECURSIVE
    mode: Annotated[IndexMode, doc("how much is indexed")] = IndexMode.CONTENT
    include_hidden: Annotated[bool, doc("with names that begin with a dot")] = True
    persistence: Annotated[IndexPersistence, doc("only Persistent is supported")] = (
        IndexPersistence.PERSISTENT
    )


class IssueKind(StrEnum):
    """How index and disk can differ."""

    MISSING_FROM_INDEX = "MissingFromIndex"
    STALE_IN_INDEX = "StaleInIndex"
    SIZE_MISMATCH = "SizeMismatch"
    MODIFIED_TIME_MISMATCH = "ModifiedTimeMismatch"
    INODE_MISMATCH = "InodeMismatch"
    EXTENSION_MISMATCH = "ExtensionMismatch"
    PARENT_MISMATCH = "ParentMismatch"
    KIND_MISMATCH = "KindMismatch"
    CONTENT_MISMATCH = "ContentMismatch"  # ours


class IssueType(msgspec.Struct):
    """`{"type":"SizeMismatch"}`."""

    type: IssueKind


class Difference(msgspec.Struct):
    """One thing that index and disk disagree about."""

    path: str
    issue_type: IssueType
    expected: str | None
    actual: str | None
    description: str
    db_entry_id: int | msgspec.UnsetType = msgspec.UNSET
    db_entry_name: str | msgspec.UnsetType = msgspec.UNSET
    # ours
    path_bytes: Annotated[bytes | msgspec.UnsetType, doc("where they are not UTF-8")] = (
        msgspec.UNSET
    )


class IntegrityReport(msgspec.Struct):
    """What a verification found. The lists are capped; the totals are not."""

    filesystem_file_count: int
    database_file_count: int
    filesystem_dir_count: int
    database_dir_count: int
    missing_from_index: list[Difference]
    stale_in_index: list[Difference]
    metadata_mismatches: list[Difference]
    hierarchy_errors: list[Difference]
    summary: str
    total_differences: int = 0  # ours
    # ours
    fixed: Annotated[bool, doc("whether the index was brought up to date afterwards")] = False
    unreadable: Annotated[int, doc("entries that could not be read, and so not compared")] = 0


class Verification(msgspec.Struct):
    """Whether index and disk agree."""

    is_valid: bool
    report: IntegrityReport
    path: str
    duration_secs: float
    job_id: UUID | None = None  # ours


@action("indexing.verify", errors=(InvalidValue, NotADirectory, PathNotIndexed, JobFailed))
class VerifyIndex(Request[Verification]):
    """Compare the index of a folder with the disk, entry by entry, and answer when done."""

    path: Annotated[str, doc("the folder, absolute")]
    verify_content: Annotated[bool, doc("read every file and compare its content, too")] = False
    detailed_report: Annotated[bool, doc("list the differences, not only count them")] = True
    auto_fix: Annotated[bool, doc("bring the index up to date where it differs")] = False
    path_bytes: Annotated[bytes | None, doc("exact bytes of a path that is not UTF-8")] = None


class IndexRule(msgspec.Struct):
    """One rule about what is left out."""

    name: str
    setting: Annotated[str, doc("the field of the indexer settings that switches it")]
    enabled: bool
    description: str
    omitted: Annotated[int, doc("entries it left out of this library")]


class IndexRules(msgspec.Struct):
    """The rules of a library."""

    rules: list[IndexRule]
    unreadable: Annotated[int, doc("entries that could not be read")]


@query("indexing.rules")
class ListRules(Request[IndexRules]):
    """Which rules leave something out, and how much each left out."""


class Omission(msgspec.Struct):
    """Something that is on the disk and not in the index."""

    sd_path: SdPath
    reason: Annotated[str, doc("'rule', or an errno name such as EACCES")]
    detail: Annotated[str, doc("the rule's name, or a sentence")]


class Omissions(msgspec.Struct):
    """What is left out."""

    omissions: list[Omission]
    total_count: int
    has_more: bool
    next_cursor: NextCursor = None
    cursors: ItemCursors = None


class UpToDate(msgspec.Struct):
    """The index has what had happened when it was asked for."""

    complete: Annotated[
        bool, doc("false: something is only scanned now and then, and may be different")
    ]


@query("indexing.catch_up")
class CatchUp(Request[UpToDate]):
    """Answer when all is in the index that has happened on the disk until now: names, sizes,
    times. Contents are identified soon after."""


@query("indexing.omissions", errors=(InvalidValue,), pages="omissions")
class ListOmissions(Request[Omissions]):
    """What is on the disk and not in the index, one by one, with the reason."""

    rule: Annotated[str | None, doc("only what this rule left out")] = None
    errors_only: Annotated[bool, doc("only what could not be read")] = False
    limit: Annotated[PageSize, doc("how many at most")] = 1000
    cursor: Cursor = None
    cursors: WithCursors = False
