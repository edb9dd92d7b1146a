"""The history: what was done to files, and taking it back."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec

from sd_wire.errors import CannotUndo, InvalidValue, OperationNotFound
from sd_wire.operation import PageSize, Request, action, doc, id_of, query
from sd_wire.paging import Cursor, ItemCursors, NextCursor, WithCursors
from sd_wire.types.jobs import JobLimits, JobReceipt


class HistoryItem(msgspec.Struct):
    """One file operation."""

    id: Annotated[UUID, id_of("job", "that of its job")]
    kind: Annotated[str, doc("copy, move, delete, rename, create, restore, empty, resolve, undo")]
    title: Annotated[str, doc("what it is called: Copy of a.txt to /mnt")]
    state: Annotated[str, doc("doing, done, failed, cancelled")]
    done_count: Annotated[int, doc("steps that were taken")]
    failed_count: int
    skipped_count: int
    left_count: Annotated[int, doc("steps that were not taken")]
    created_at: datetime
    finished_at: datetime | None
    can_undo: bool
    why_not: Annotated[str | None, doc("why it cannot be undone")]
    undoes: Annotated[UUID | None, doc("what it took back")]
    undone_by: Annotated[UUID | None, doc("what took it back")]


class History(msgspec.Struct):
    """File operations, newest first."""

    operations: list[HistoryItem]
    total_count: int
    next_cursor: NextCursor = None
    cursors: ItemCursors = None


@query("history.list", errors=(InvalidValue,), pages="operations")
class ListHistory(Request[History]):
    """What was done to files in this library, newest first. The last thousand are kept."""

    limit: Annotated[PageSize | None, doc("how many at most; 100 by default")] = None
    cursor: Cursor = None
    cursors: WithCursors = False


@action("history.undo", errors=(OperationNotFound, CannotUndo))
class UndoOperation(Request[JobReceipt]):
    """Take a file operation back. What was copied goes into the trash, what was moved goes back,
    what was deleted returns; what was changed since is left alone. An undo can be undone, too."""

    operation_id: Annotated[
        UUID | None, doc("which; null: the newest that was not undone, and is no undo itself")
    ] = None
    limits: Annotated[JobLimits | None, doc("how much of the machine it may have")] = None
