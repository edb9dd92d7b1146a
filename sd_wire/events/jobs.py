"""Jobs."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from sd_wire.events.event import Event, event
from sd_wire.operation import doc
from sd_wire.types.jobs import GenericProgress, JobOutput, JobStatus


@event()
class JobQueued(Event):
    """A job was accepted and is stored."""

    job_id: UUID
    job_type: str
    device_id: UUID
    library_id: UUID | None = None  # ours, on every job event


@event()
class JobStarted(Event):
    """A job runs, for the first time or again."""

    job_id: UUID
    job_type: str
    device_id: UUID
    library_id: UUID | None = None


@event(noisy=True)
class JobProgress(Event):
    """How far a job is; at most ten times a second, the last before the end included."""

    job_id: UUID
    job_type: str
    device_id: UUID
    progress: Annotated[float, doc("0 to 1")]
    message: str | None
    generic_progress: GenericProgress | None
    library_id: UUID | None = None


@event()
class JobCompleted(Event):
    """A job is done."""

    job_id: UUID
    job_type: str
    device_id: UUID
    output: JobOutput
    library_id: UUID | None = None


@event()
class JobFailed(Event):
    """A job could not go on. It can be resumed."""

    job_id: UUID
    job_type: str
    device_id: UUID
    error: str
    library_id: UUID | None = None


@event()
class JobCancelled(Event):
    """A job was stopped for good."""

    job_id: UUID
    job_type: str
    device_id: UUID
    library_id: UUID | None = None


@event()
class JobPaused(Event):
    """A job stopped at a safe point and keeps its place."""

    job_id: UUID
    device_id: UUID
    library_id: UUID | None = None


@event()
class JobResumed(Event):
    """A paused job goes on."""

    job_id: UUID
    device_id: UUID
    library_id: UUID | None = None


@event(noisy=True, asked_for=True)
class JobUpdate(Event):
    """Any change of a job, in one form; only for subscriptions that name it."""

    job_id: UUID
    job_type: str
    status: JobStatus
    progress: Annotated[float, doc("0 to 1")]
    message: str | None
    library_id: UUID | None
    device_id: UUID
