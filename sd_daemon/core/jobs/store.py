"""The jobs of one library on the disk: jobs.db beside library.db.

Every change is committed, and flushed through to the disk, before anyone is told of it. It is a
database of its own so that a worker which holds the index's write lock never delays it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from sd_daemon.core.db.access import Database
from sd_daemon.core.db.connection import DatabaseDamaged
from sd_daemon.core.jobs.job import ACTIVE, FINAL, Job
from sd_wire.types.jobs import ActionContext, GenericProgress, JobLimits, JobOutput, JobStatus

if TYPE_CHECKING:
    import sqlite3

KEPT_FINISHED = 1000  # finished jobs that a library remembers

_COLUMNS = (
    "id, name, status, params, progress, output, error, error_code, warnings, attempts,"
    " action_type, action_context, created_at, started_at, completed_at, limits, error_fields"
)
_MARKS = ",".join("?" * len(_COLUMNS.split(",")))
_ALL = tuple(str(status) for status in JobStatus)
_OVER = tuple(str(status) for status in FINAL)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_encode = msgspec.json.encode


def to_nanoseconds(time: datetime | None) -> int | None:
    """Nanoseconds since the epoch; exact to the microsecond."""
    return None if time is None else (time - _EPOCH) // timedelta(microseconds=1) * 1000


def from_nanoseconds(nanoseconds: int) -> datetime:
    """The time, cut to the microsecond."""
    return _EPOCH + timedelta(microseconds=nanoseconds // 1000)


def _decoded(text: str | None, shape: Any) -> Any:
    return None if text is None else msgspec.json.decode(text, type=shape)


def _text(value: object) -> str | None:
    return None if value is None else _encode(value).decode()


def _job(row: tuple[Any, ...]) -> Job:
    return Job(
        id=UUID(row[0]),
        name=row[1],
        status=JobStatus(row[2]),
        params=msgspec.json.decode(row[3]),
        progress=_decoded(row[4], GenericProgress),
        output=_decoded(row[5], JobOutput),
        error=row[6],
        error_code=row[7],
        warnings=msgspec.json.decode(row[8]),
        attempts=row[9],
        action_type=row[10],
        action_context=_decoded(row[11], ActionContext),
        created_at=from_nanoseconds(row[12]),
        started_at=None if row[13] is None else from_nanoseconds(row[13]),
        completed_at=None if row[14] is None else from_nanoseconds(row[14]),
        limits=msgspec.json.decode(row[15], type=JobLimits),
        error_fields=msgspec.json.decode(row[16], type=dict[str, str]),
    )


def _save(db: sqlite3.Connection, job: Job) -> None:
    db.execute(
        f"INSERT OR REPLACE INTO jobs ({_COLUMNS}) VALUES ({_MARKS})",
        (
            str(job.id),
            job.name,
            str(job.status),
            _text(job.params),
            _text(job.progress),
            _text(job.output),
            job.error,
            job.error_code,
            _text(job.warnings),
            job.attempts,
            job.action_type,
            _text(job.action_context),
            to_nanoseconds(job.created_at),
            to_nanoseconds(job.started_at),
            to_nanoseconds(job.completed_at),
            _text(job.limits),
            _text(job.error_fields),
        ),
    )


def _get(db: sqlite3.Connection, job_id: str) -> Job | None:
    row = db.execute(f"SELECT {_COLUMNS} FROM jobs WHERE id = ?", (job_id,)).fetchone()
    return None if row is None else _job(row)


def _listed(
    db: sqlite3.Connection, statuses: tuple[str, ...], limit: int | None = None
) -> list[Job]:
    """Jobs in these states, newest first; of those that are over not more than the limit."""
    marks, over = ",".join("?" * len(statuses)), ",".join("?" * len(_OVER))
    newest = f"SELECT id FROM jobs WHERE status IN ({marks}) AND status IN ({over})"
    rows = db.execute(
        f"SELECT {_COLUMNS} FROM jobs WHERE status IN ({marks}) AND (status NOT IN ({over})"
        f" OR id IN ({newest} ORDER BY created_at DESC, id DESC LIMIT ?))"
        " ORDER BY created_at DESC, id DESC",
        (*statuses, *_OVER, *statuses, *_OVER, -1 if limit is None else limit),
    )
    return [_job(row) for row in rows]


def _count(db: sqlite3.Connection, statuses: tuple[str, ...]) -> int:
    marks = ",".join("?" * len(statuses))
    found = db.execute(f"SELECT count(*) FROM jobs WHERE status IN ({marks})", statuses)
    return int(found.fetchone()[0])


def _readable(db: sqlite3.Connection, statuses: tuple[str, ...]) -> list[Job]:
    """The same, for a file that nobody has looked into yet."""
    try:
        return _listed(db, statuses)
    except (ValueError, TypeError, msgspec.MsgspecError) as error:
        (path,) = db.execute("SELECT file FROM pragma_database_list WHERE name = 'main'").fetchone()
        raise DatabaseDamaged(path, f"a job in it cannot be read: {error}") from error


def _requeue(db: sqlite3.Connection) -> None:
    db.execute("UPDATE jobs SET status = 'queued' WHERE status = 'running'")


def _forget_old(db: sqlite3.Connection) -> None:
    db.execute(
        "DELETE FROM jobs WHERE status IN ('completed', 'failed', 'cancelled') AND id IN ("
        " SELECT id FROM jobs WHERE status IN ('completed', 'failed', 'cancelled')"
        " ORDER BY created_at DESC LIMIT -1 OFFSET ?)",
        (KEPT_FINISHED,),
    )


class JobStore:
    """The stored jobs of one library."""

    def __init__(self, path: str) -> None:
        """Open a migrated jobs.db. Blocks; raises the failures of db.connection."""
        self.database = Database(path, durable=True, readers=1)

    def recover(self) -> list[Job]:
        """The jobs that are to run, oldest first: those that were queued, and those that the end
        of the last daemon interrupted. Blocks; raises the failures of db.connection."""
        self.database.write_now(_requeue)
        self.database.write_now(_forget_old)
        active = tuple(str(status) for status in ACTIVE)
        jobs = self.database.read_now(_readable, active)
        return [job for job in jobs if job.status is JobStatus.QUEUED][::-1]

    async def save(self, job: Job) -> None:
        """Make the job's present state durable."""
        await self.database.write(_save, job)

    async def get(self, job_id: UUID) -> Job | None:
        """One job."""
        return await self.database.read(_get, str(job_id))

    async def listed(self, status: JobStatus | None = None, limit: int | None = None) -> list[Job]:
        """Jobs, newest first, all of them or those in one state; of those that are over not more
        than the limit."""
        statuses = _ALL if status is None else (str(status),)
        return await self.database.read(_listed, statuses, limit)

    async def count(self, status: JobStatus | None = None) -> int:
        """How many jobs there are, all of them or those in one state."""
        return await self.database.read(_count, _ALL if status is None else (str(status),))

    async def active(self) -> list[Job]:
        """Jobs that are not over, newest first."""
        return await self.database.read(_listed, tuple(str(status) for status in ACTIVE))

    def close(self) -> None:
        """Close the database. Blocks."""
        self.database.close()
