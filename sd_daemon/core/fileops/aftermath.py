"""What follows when a job that changes files is over, however it ended.

The index learns of every folder that was touched, also where nothing watches it; which those are is
in the journal. What a cancelled job was in the middle of is brought to an end by a job of its own.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from sd_daemon.core import locations
from sd_daemon.core.db.connection import DatabaseFailure
from sd_daemon.core.fileops.journal import OperationKind
from sd_daemon.core.index.walk import Subtree, loose
from sd_daemon.core.indexing import INDEXER, index_params
from sd_daemon.core.log import get_log
from sd_wire.errors import SdError
from sd_wire.events import FileOperation, FileOperationCompleted
from sd_wire.types.jobs import JobStatus
from sd_wire.types.locations import IndexMode

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Awaitable, Callable
    from uuid import UUID

    from sd_daemon.core.bus import Bus
    from sd_daemon.core.jobs.job import Job
    from sd_daemon.core.library import Library
    from sd_daemon.core.locations import StoredLocation

log = get_log(__name__)

SETTLE = "settle_files"
MOST_REFRESHES = 5  # index jobs for one location
_STEPS = 20_000  # that are looked at for the folders they touched

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
            "SELECT target, source FROM steps WHERE operation = ?"
            " AND state IN ('doing', 'done', 'undone') LIMIT ?",
            (str(job), _STEPS),
        ).fetchall()
        # First where things went: there the index knows them again, as long as it has not met
        # that they are gone from where they were.
        self.folders = list(
            dict.fromkeys(
                os.path.dirname(loose(path))
                for paths in zip(*touched, strict=True)
                for path in paths
                if path is not None
            )
        )


async def after_file_job(
    library: Library,
    bus: Bus,
    job: Job,
    correlation: str | None,
    submit: Callable[[str, dict[str, Any]], Awaitable[Job]],
) -> None:
    """Tell of a file operation that has just ended, and let the index follow it."""
    try:
        outcome = await library.operations.read(Outcome, job.id)
        if outcome.kind is None:
            return
        if job.status is JobStatus.CANCELLED and outcome.unsettled:
            await submit(SETTLE, {"operation": str(job.id)})
        known = await library.database.read(locations.listed)
        for params in refreshes(library, known, outcome.folders):
            await submit(INDEXER, params)
        if job.status is JobStatus.COMPLETED and outcome.done:
            event = FileOperationCompleted(library.id, _EVENTS[outcome.kind], outcome.done, job.id)
            bus.publish(event, correlation)
    except (DatabaseFailure, SdError) as error:  # the next scan finds what was changed
        log.warning("the index does not follow a file operation", job_id=job.id, reason=error)


def refreshes(
    library: Library, known: list[StoredLocation], folders: list[str]
) -> list[dict[str, Any]]:
    """What the index jobs are given that read these folders again, in this order, as far as they
    are in a location. Of many in one location it is the folder that contains them all."""
    found: dict[str, tuple[StoredLocation, list[str]]] = {}
    for folder in folders:
        inside = [one for one in known if Subtree(one.path).contains(folder)]
        location = max(inside, key=lambda one: len(one.path), default=None)
        if location is not None and location.index_mode is not IndexMode.NONE:
            found.setdefault(location.path, (location, []))[1].append(folder)
    params = []
    for location, inside_it in found.values():
        there = [_existing(folder, location.path) for folder in inside_it]
        for folder in joined(list(dict.fromkeys(there))):
            params.append(index_params(location, library.config.settings, path=folder))
    return params


def joined(folders: list[str]) -> list[str]:
    """The folders without those inside others; all in one where they are too many."""
    outer = (
        [
            folder
            for folder in folders
            if not any(folder != other and Subtree(other).contains(folder) for other in folders)
        ]
        if len(folders) <= 100
        else folders
    )
    return outer if len(outer) <= MOST_REFRESHES else [os.path.commonpath(outer)]


def _existing(folder: str, location: str) -> str:
    """The folder, or the nearest above it that is there, up to the location."""
    while folder != location and not os.path.isdir(folder):
        folder = os.path.dirname(folder)
    return folder
