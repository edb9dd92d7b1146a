"""What follows when a job that changes files is over, however it ended.

The index learns of every folder that was touched, also where nothing watches it; which those are is
in the journal. What a cancelled job was in the middle of is brought to an end by a job of its own.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from sd_daemon.core.db.connection import DatabaseFailure
from sd_daemon.core.fileops.journal import OperationKind
from sd_daemon.core.fileops.names import SETTLE
from sd_daemon.core.index.walk import loose
from sd_daemon.core.log import get_log
from sd_wire.errors import SdError
from sd_wire.events import FileOperation, FileOperationCompleted
from sd_wire.types.jobs import JobStatus

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Awaitable, Callable, Iterable
    from uuid import UUID

    from sd_daemon.core.bus import Bus
    from sd_daemon.core.jobs.job import Job
    from sd_daemon.core.library import Library

log = get_log(__name__)


_EVENTS = {
    OperationKind.COPY: FileOperation.COPY,
    OperationKind.MOVE: FileOperation.MOVE,
    OperationKind.DELETE: FileOperation.DELETE,
    OperationKind.RENAME: FileOperation.RENAME,
    OperationKind.CREATE: FileOperation.CREATE,
    OperationKind.RESTORE: FileOperation.RESTORE,
    OperationKind.EMPTY: FileOperation.DELETE,
    OperationKind.RESOLVE: FileOperation.DELETE,
    OperationKind.UNDO: FileOperation.UNDO,
}


class Outcome:
    """What the journal says of a job."""

    def __init__(self, db: sqlite3.Connection, job: UUID) -> None:
        row = db.execute("SELECT kind, state FROM operations WHERE id = ?", (str(job),)).fetchone()
        self.kind = None if row is None else OperationKind(row[0])
        self.done, self.unsettled = 0, 0
        for state, count in db.execute(
            "SELECT state, count(*) FROM steps WHERE operation = ? GROUP BY state", (str(job),)
        ):
            self.done += count if state == "done" else 0
            self.unsettled += count if state == "doing" else 0
        touched = db.execute(
            "SELECT source, target FROM steps WHERE operation = ?"
            " AND state IN ('doing', 'done', 'undone')",
            (str(job),),
        )
        self.folders = {
            os.path.dirname(loose(path)) for row in touched for path in row if path is not None
        }


async def after_file_job(
    library: Library,
    bus: Bus,
    job: Job,
    correlation: str | None,
    submit: Callable[[str, dict[str, Any]], Awaitable[Job]],
    look_at: Callable[[Iterable[str]], None],
) -> None:
    """Tell of a file operation that has just ended, and have the index follow it: `look_at` is
    told which folders may be different."""
    try:
        outcome = await library.operations.read(Outcome, job.id)
        if outcome.kind is None:
            return
        if job.status is JobStatus.CANCELLED and outcome.unsettled:
            await submit(SETTLE, {"operation": str(job.id)})
        look_at(outcome.folders)
        if job.status is JobStatus.COMPLETED and outcome.done:
            event = FileOperationCompleted(library.id, _EVENTS[outcome.kind], outcome.done, job.id)
            bus.publish(event, correlation)
    except (DatabaseFailure, SdError) as error:  # the next scan finds what was changed
        log.warning("the index does not follow a file operation", job_id=job.id, reason=error)
