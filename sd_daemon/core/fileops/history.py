"""The journal as the daemon reads it: what was done, and whether it can be taken back."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from sd_daemon.core.cursors import Cursors, Number
from sd_daemon.core.index.walk import exact, loose
from sd_daemon.core.jobs.store import from_nanoseconds
from sd_wire.errors import CannotUndo, OperationNotFound
from sd_wire.operations.files import CopyMethod
from sd_wire.operations.history import History, HistoryItem
from sd_wire.operations.jobs import (
    CopyFileEntry,
    CopyFileStatus,
    CopyJobMetadata,
    CopyStrategyMetadata,
)
from sd_wire.types.paths import physical

if TYPE_CHECKING:
    import sqlite3

    from sd_daemon.core.fileops.copying.order import CopyOrder
    from sd_wire.operations.history import ListHistory


DEFAULT_PAGE = 100
_COLUMNS = "id, kind, title, state, undoes, undone_by, lasting, created_at, finished_at"
_ENTRIES = 1000  # of a job that are listed
_STATUSES = {
    "planned": CopyFileStatus.PENDING,
    "doing": CopyFileStatus.COPYING,
    "done": CopyFileStatus.COMPLETED,
    "undone": CopyFileStatus.COMPLETED,
    "failed": CopyFileStatus.FAILED,
    "skipped": CopyFileStatus.SKIPPED,
}
_LEFT = ("planned", "doing")


def page(db: sqlite3.Connection, library: UUID, request: ListHistory) -> History:
    """One page of the history. Raises InvalidValue for a cursor of something else."""
    cursors = Cursors(library, request, tuple[Number, str])
    limit = request.limit or DEFAULT_PAGE
    place = cursors.read()
    where = "" if place is None else "WHERE (created_at, id) < (?, ?)"
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM operations {where} ORDER BY created_at DESC, id DESC LIMIT ?",
        (*(place or ()), limit + 1),
    ).fetchall()
    total = db.execute("SELECT count(*) FROM operations").fetchone()[0]
    shown = rows[:limit]
    ends = cursors.ends(
        lambda number: (shown[number][7], shown[number][0]), len(shown), more=len(rows) > limit
    )
    return History([_item(db, row) for row in shown], total, *ends)


def undoable(db: sqlite3.Connection, operation: UUID | None) -> HistoryItem:
    """The operation to undo: this one, or the newest that was not undone and is no undo itself.
    Raises OperationNotFound, CannotUndo.

    Where the newest cannot be undone, none that is older is taken instead: nobody has asked for
    that one."""
    if operation is None:
        row = db.execute(
            f"SELECT {_COLUMNS} FROM operations WHERE kind <> 'undo' AND undone_by IS NULL"
            " ORDER BY created_at DESC, id DESC LIMIT 1"
        ).fetchone()
        if row is None:
            raise OperationNotFound(operation="that could be undone")
    else:
        row = db.execute(
            f"SELECT {_COLUMNS} FROM operations WHERE id = ?", (str(operation),)
        ).fetchone()
        if row is None:
            raise OperationNotFound(operation=operation, pointer="/payload/operation_id")
    item = _item(db, row)
    if item.why_not is not None:
        raise CannotUndo(title=item.title, reason=item.why_not)
    return item


def undo_title(title: str) -> str:
    """What the undoing of an operation is called."""
    return f"Undoing: {title}"


def _item(db: sqlite3.Connection, row: tuple[Any, ...]) -> HistoryItem:
    job, kind, title, state, undoes, undone_by, lasting, created, finished = row
    counts: dict[str, int] = dict(
        db.execute(
            "SELECT state, count(*) FROM steps WHERE operation = ? GROUP BY state", (job,)
        ).fetchall()
    )
    done = counts.get("done", 0) + counts.get("undone", 0)
    reason = None
    if state == "doing":
        reason = "it is not over yet"
    elif undone_by is not None:
        reason = "it was undone already"
    elif lasting is not None:
        reason = lasting
    elif not done:
        reason = "it changed nothing"
    return HistoryItem(
        id=UUID(job),
        kind=kind,
        title=title,
        state=state,
        done_count=done,
        failed_count=counts.get("failed", 0),
        skipped_count=counts.get("skipped", 0),
        left_count=sum(counts.get(one, 0) for one in _LEFT),
        created_at=from_nanoseconds(created),
        finished_at=None if finished is None else from_nanoseconds(finished),
        can_undo=reason is None,
        why_not=reason,
        undoes=None if undoes is None else UUID(undoes),
        undone_by=None if undone_by is None else UUID(undone_by),
    )


def copy_metadata(
    db: sqlite3.Connection, job: str, order: CopyOrder, device_slug: str
) -> CopyJobMetadata:
    """What a job that copies or moves is about: as it was planned, or, while it waits for its
    turn, as it was ordered."""
    rows = db.execute(
        "SELECT source, target, state, detail, kind, size FROM steps WHERE operation = ?"
        " AND kind IN ('create', 'move') AND source IS NOT NULL ORDER BY number LIMIT ?",
        (job, _ENTRIES),
    ).fetchall()
    if not rows:
        rows = [
            (exact(pair.source), exact(pair.target), "planned", None, "", 0) for pair in order.pairs
        ]
    entries = [_entry(row, device_slug) for row in rows]
    count = db.execute(
        "SELECT count(*) FROM steps WHERE operation = ? AND kind IN ('create', 'move')"
        " AND source IS NOT NULL",
        (job,),
    ).fetchone()[0]
    across = any('"across":true' in (row[3] or "") for row in rows)
    return CopyJobMetadata(
        strategy=_strategy(order, across=across),
        files=entries,
        total_bytes=sum(one.size_bytes for one in entries),
        total_file_count=max(count, len(entries)),
        is_move_operation=order.move,
    )


def _entry(row: tuple[Any, ...], device_slug: str) -> CopyFileEntry:
    source, target, state, detail, _, size = row
    has_detail = detail is not None and detail.startswith("{")
    known = msgspec.json.decode(detail) if has_detail else {}
    path = loose(source)
    place = loose(target) if state == "done" else path
    return CopyFileEntry(
        source_path=physical(device_slug, os.fsencode(path)),
        dest_path=physical(device_slug, os.fsencode(loose(target))),
        size_bytes=int(known.get("bytes") or size or 0),
        is_directory=os.path.isdir(place) and not os.path.islink(place),
        status=_STATUSES[state],
        error=known.get("reason") if has_detail else detail,
    )


def _strategy(order: CopyOrder, *, across: bool) -> CopyStrategyMetadata:
    fast = order.move and not across
    if fast:
        name, description = "Rename", "the names change, and nothing is copied"
    elif order.method is CopyMethod.STREAMING:
        name, description = "Stream", "the contents are read and written"
    else:
        name, description = "Copy", "blocks are shared where they can be, else the kernel copies"
    return CopyStrategyMetadata(
        name,
        description,
        is_cross_device=False,
        is_cross_volume=across,
        is_fast_operation=fast,
        copy_method=order.method,
    )
