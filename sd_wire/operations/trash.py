"""The trash: what was deleted and can come back. Ours."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

from sd_wire.errors import (
    FileConflict,
    InvalidValue,
    KindConflict,
    NotADirectory,
    PathNotFound,
    PathNotIndexed,
    PathNotWritable,
    PathProtected,
    PathUnusable,
    TrashItemNotFound,
    UnsupportedPath,
)
from sd_wire.operation import Natural, PageSize, Request, action, doc, query
from sd_wire.operations.files import ConflictResolution
from sd_wire.paging import Cursor, ItemCursors, NextCursor, WithCursors
from sd_wire.types.files import EntryKind
from sd_wire.types.jobs import JobLimits, JobReceipt
from sd_wire.types.paths import PathInput, SdPath


class TrashItem(msgspec.Struct):
    """A thing in the trash."""

    id: str
    name: Annotated[str, doc("as it was called")]
    original_path: Annotated[SdPath | None, doc("where it was; null where nothing says so")]
    deleted_at: datetime | None
    size: Annotated[int, doc("bytes; of a folder what it takes up on the disk")]
    kind: EntryKind
    path: Annotated[SdPath, doc("where it is now")]
    trash: Annotated[SdPath, doc("the trash that it is in: each filesystem has its own")]


class TrashList(msgspec.Struct):
    """Things in the trash, the latest first, or one page of them."""

    items: list[TrashItem]
    total_count: int
    has_more: bool
    next_cursor: NextCursor = None
    cursors: ItemCursors = None


@query("trash.list", errors=(InvalidValue,), pages="items")
class ListTrash(Request[TrashList]):
    """What is in the trashes of the daemon's user, on every mounted filesystem: also what other
    programs put there."""

    limit: Annotated[PageSize | None, doc("how many at most; 1000 by default")] = None
    cursor: Cursor = None
    cursors: WithCursors = False


@action(
    "trash.restore",
    errors=(
        FileConflict,
        InvalidValue,
        KindConflict,
        NotADirectory,
        PathNotFound,
        PathNotIndexed,
        PathNotWritable,
        PathProtected,
        PathUnusable,
        TrashItemNotFound,
        UnsupportedPath,
    ),
)
class RestoreTrash(Request[JobReceipt]):
    """Take things out of the trash, back to where they were. Folders that are gone meanwhile are
    made again."""

    items: Annotated[list[str], doc("their ids")]
    destination: Annotated[
        PathInput | None, doc("a folder to put them in instead, on the same filesystem")
    ] = None
    on_conflict: Annotated[
        ConflictResolution | None, doc("what happens where a name is taken; null: Abort")
    ] = None
    limits: Annotated[JobLimits | None, doc("how much of the machine it may have")] = None


@action("trash.empty", errors=(InvalidValue, TrashItemNotFound))
class EmptyTrash(Request[JobReceipt]):
    """Destroy what is in the trash. Name the things, or say how old, or all."""

    items: Annotated[list[str], doc("their ids")] = msgspec.field(default_factory=list)
    older_than_days: Annotated[
        Natural | None, doc("everything that went into the trash before so many days")
    ] = None
    all: Annotated[bool, doc("everything")] = False
    limits: Annotated[JobLimits | None, doc("how much of the machine it may have")] = None
