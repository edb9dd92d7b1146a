"""What a job is, and which state may follow which.

    queued ----> running ----> completed
      |  ^        |  |  \\----> failed --(resume)--> queued
      |  |        |  \\-------> cancelled
      |  \\--(resume)-- paused
      \\-----------------> paused, cancelled

A job that the end of the daemon interrupts is queued again, so that it goes on by itself at the
next start. A job that a person paused stays paused.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NoReturn
from uuid import UUID

import msgspec

from sd_wire.errors import JobStateConflict
from sd_wire.types.jobs import (
    ActionContext,
    GenericProgress,
    JobLimits,
    JobListItem,
    JobOutput,
    JobStatus,
)

FOLLOWS: dict[JobStatus, frozenset[JobStatus]] = {
    JobStatus.QUEUED: frozenset({JobStatus.RUNNING, JobStatus.PAUSED, JobStatus.CANCELLED}),
    JobStatus.RUNNING: frozenset(
        {
            JobStatus.QUEUED,  # the daemon ends
            JobStatus.PAUSED,
            JobStatus.COMPLETED,
            JobStatus.FAILED,
            JobStatus.CANCELLED,
        }
    ),
    JobStatus.PAUSED: frozenset({JobStatus.QUEUED, JobStatus.CANCELLED}),
    JobStatus.FAILED: frozenset({JobStatus.QUEUED, JobStatus.CANCELLED}),
    JobStatus.COMPLETED: frozenset(),
    JobStatus.CANCELLED: frozenset(),
}
"""Which states may follow a state."""

FINAL = frozenset({JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED})
ACTIVE = (JobStatus.QUEUED, JobStatus.RUNNING, JobStatus.PAUSED)

_WANTED = {
    JobStatus.PAUSED: "paused",
    JobStatus.QUEUED: "resumed",
    JobStatus.CANCELLED: "cancelled",
}


class Job(msgspec.Struct):
    """A job as it is stored."""

    id: UUID
    name: str
    params: dict[str, Any]
    created_at: datetime
    status: JobStatus = JobStatus.QUEUED
    progress: GenericProgress | None = None
    output: JobOutput | None = None
    error: str | None = None
    error_code: str | None = None
    error_fields: dict[str, str] = {}  # what the error's sentence is made of
    warnings: list[str] = []
    attempts: int = 0
    action_type: str | None = None
    action_context: ActionContext | None = None
    limits: JobLimits = msgspec.field(default_factory=JobLimits)
    started_at: datetime | None = None
    completed_at: datetime | None = None

    def may_become(self, status: JobStatus) -> bool:
        """Whether the table above allows it."""
        return status in FOLLOWS[self.status]

    def require(self, status: JobStatus) -> None:
        """Raise JobStateConflict unless the job may become that."""
        if not self.may_become(status):
            self.refuse(status)

    def refuse(self, status: JobStatus, wanted: str | None = None) -> NoReturn:
        """Raise JobStateConflict: the job cannot become that now."""
        wanted = wanted or _WANTED.get(status, str(status))
        raise JobStateConflict(job=self.id, status=self.status, wanted=wanted)

    @property
    def fraction(self) -> float:
        """How much is done, 0 to 1."""
        if self.status is JobStatus.COMPLETED:
            return 1.0
        return self.progress.percentage if self.progress else 0.0

    @property
    def message(self) -> str:
        """What it is doing, or how it ended."""
        if self.error:
            return self.error
        return self.progress.message if self.progress else ""

    def as_list_item(self, device_id: UUID) -> JobListItem:
        """The job as a row of a list."""
        return JobListItem(
            id=self.id,
            name=self.name,
            device_id=device_id,
            status=self.status,
            progress=self.fraction,
            action_type=self.action_type,
            action_context=self.action_context,
            created_at=self.created_at,
            started_at=self.started_at,
            completed_at=self.completed_at,
            message=self.message,
        )
