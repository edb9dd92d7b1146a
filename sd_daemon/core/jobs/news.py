"""What the world is told of jobs, once it is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from sd_daemon.core.index.job_names import INDEXER
from sd_wire.events import (
    Event,
    IndexingProgress,
    JobCancelled,
    JobCompleted,
    JobFailed,
    JobPaused,
    JobProgress,
    JobQueued,
    JobResumed,
    JobStarted,
    JobUpdate,
)
from sd_wire.types.jobs import Completion, JobOutput, JobStatus

if TYPE_CHECKING:
    from sd_daemon.core.bus import Bus
    from sd_daemon.core.jobs.job import Job
    from sd_daemon.core.jobs.shelf import Shelf


class JobNews:
    """Publishes the events of jobs, each with the id of the request that the job came from."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._correlations: dict[UUID, str] = {}

    def queued(self, job: Job, shelf: Shelf, correlation_id: str | None) -> None:
        """A new job is stored."""
        if correlation_id is not None:
            self._correlations[job.id] = correlation_id
        self._publish(JobQueued(job.id, job.name, shelf.device_id, shelf.library_id), job)
        self.updated(job, shelf)

    def resumed(self, job: Job, shelf: Shelf) -> None:
        """A paused or failed job is queued again."""
        self._publish(JobResumed(job.id, shelf.device_id, shelf.library_id), job)

    def started(self, job: Job, shelf: Shelf) -> None:
        """A job gets its worker."""
        self._publish(JobStarted(job.id, job.name, shelf.device_id, shelf.library_id), job)

    def moved_on(self, job: Job, shelf: Shelf) -> None:
        """A job is further than before."""
        if self._bus.wanted(JobProgress):
            self._publish(progress_of(job, shelf), job, transient=True)
        if job.name == INDEXER and self._bus.wanted(IndexingProgress):
            self._publish(_indexing_progress(job, shelf), job, transient=True)
        if self._bus.wanted(JobUpdate):
            self._publish(update_of(job, shelf), job, transient=True)

    def stopped(self, job: Job, shelf: Shelf) -> None:
        """A job is over, or paused. One that waits for its turn again makes no news."""
        device, library = shelf.device_id, shelf.library_id
        if job.status is JobStatus.COMPLETED:
            output = job.output or JobOutput("Success")
            self._publish(JobCompleted(job.id, job.name, device, output, library), job)
        elif job.status is JobStatus.FAILED:
            self._publish(JobFailed(job.id, job.name, device, job.error or "", library), job)
        elif job.status is JobStatus.CANCELLED:
            self._publish(JobCancelled(job.id, job.name, device, library), job)
        elif job.status is JobStatus.PAUSED:
            self._publish(JobPaused(job.id, device, library), job)

    def updated(self, job: Job, shelf: Shelf) -> None:
        """Any change at all, for those who want all of it in one form."""
        self._publish(update_of(job, shelf), job)

    def cause_of(self, job: Job) -> str | None:
        """The id of the request that a job came from."""
        return self._correlations.get(job.id)

    def forget(self, job: Job) -> None:
        """Nothing more will be said of this job."""
        self._correlations.pop(job.id, None)

    def _publish(self, event: Event, job: Job, *, transient: bool = False) -> None:
        self._bus.publish(event, self.cause_of(job), transient=transient)


def update_of(job: Job, shelf: Shelf) -> JobUpdate:
    """A job as it is, in the form for all of its changes."""
    return JobUpdate(
        job.id,
        job.name,
        job.status,
        job.fraction,
        job.message,
        shelf.library_id,
        shelf.device_id,
    )


def progress_of(job: Job, shelf: Shelf) -> JobProgress:
    """How far a job is."""
    return JobProgress(
        job.id,
        job.name,
        shelf.device_id,
        job.fraction,
        job.message,
        job.progress,
        shelf.library_id,
    )


def _indexing_progress(job: Job, shelf: Shelf) -> IndexingProgress:
    done = job.progress.completion if job.progress else Completion(0, 0)
    return IndexingProgress(
        UUID(job.params["location_id"]), done.completed, done.total or None, shelf.library_id
    )
