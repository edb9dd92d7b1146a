"""Jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sd_daemon.core.fileops.copying.order import CopyOrder
from sd_daemon.core.fileops.history import copy_metadata
from sd_daemon.core.fileops.names import COPY, MOVE
from sd_daemon.handlers.handler import Context, handles
from sd_wire.errors import JobNotFound
from sd_wire.operations.jobs import (
    ActiveJob,
    ActiveJobs,
    CancelJob,
    CopyMetadata,
    GetCopyMetadata,
    GetJob,
    JobChange,
    JobInfo,
    JobList,
    LimitJob,
    ListActiveJobs,
    ListJobs,
    PauseJob,
    ResumeJob,
)
from sd_wire.types.jobs import JobStatus

if TYPE_CHECKING:
    from uuid import UUID

    from sd_daemon.core.jobs.job import Job
    from sd_daemon.core.jobs.shelf import Shelf
    from sd_daemon.core.library import Library


def _newest(context: Context, jobs: list[Job]) -> list[Job]:
    """Stored jobs, each as it is this instant."""
    return [context.core.runner.live(job.id) or job for job in jobs]


@handles(ListJobs)
async def list_jobs(context: Context, request: ListJobs) -> JobList:
    """Jobs, newest first."""
    jobs = _newest(context, await context.library.jobs.listed(request.status, request.limit))
    wanted = [job for job in jobs if request.status in (None, job.status)]
    total = await context.library.jobs.count(request.status)
    return JobList([job.as_list_item(context.core.device.id) for job in wanted], total)


@handles(ListActiveJobs)
async def list_active_jobs(context: Context, _request: ListActiveJobs) -> ActiveJobs:
    """Jobs that are not over."""
    jobs = _newest(context, await context.library.jobs.active())
    return ActiveJobs(
        [
            ActiveJob(
                job.id,
                job.name,
                job.status,
                job.fraction,
                job.action_type,
                job.action_context,
                job.progress,
            )
            for job in jobs
        ],
        sum(job.status is JobStatus.RUNNING for job in jobs),
        sum(job.status is JobStatus.PAUSED for job in jobs),
    )


@handles(GetJob)
async def get_job(context: Context, request: GetJob) -> JobInfo | None:
    """One job."""
    library = await _library_of(context, request.job_id)
    if library is None:
        return None
    job = context.core.runner.live(request.job_id) or await library.jobs.get(request.job_id)
    if job is None:
        return None
    return JobInfo(
        id=job.id,
        name=job.name,
        status=job.status,
        progress=job.fraction,
        created_at=job.created_at,
        started_at=job.started_at,
        completed_at=job.completed_at,
        error_message=job.error,
        generic_progress=job.progress,
        output=job.output,
        warnings=job.warnings,
        attempts=job.attempts,
        limits=job.limits,
        error_code=job.error_code,
        error_fields=job.error_fields,
    )


async def _library_of(context: Context, job_id: UUID) -> Library | None:
    """The library that has the job: any open one, so that a job's id is enough to name it."""
    for library in list(context.core.libraries.open_libraries.values()):
        if await library.jobs.get(job_id) is not None:
            return library
    return None


async def _shelf_of(context: Context, job_id: UUID) -> Shelf:
    library = await _library_of(context, job_id)
    if library is None:
        raise JobNotFound(job=job_id, pointer="/payload/job_id")
    return context.core.libraries.shelf(library)


@handles(PauseJob)
async def pause_job(context: Context, request: PauseJob) -> JobChange:
    """Pause a job."""
    shelf = await _shelf_of(context, request.job_id)
    await context.core.runner.pause(shelf, request.job_id)
    return JobChange(request.job_id, success=True)


@handles(ResumeJob)
async def resume_job(context: Context, request: ResumeJob) -> JobChange:
    """Let a job go on."""
    shelf = await _shelf_of(context, request.job_id)
    await context.core.runner.resume(shelf, request.job_id)
    return JobChange(request.job_id, success=True)


@handles(CancelJob)
async def cancel_job(context: Context, request: CancelJob) -> JobChange:
    """Stop a job for good."""
    shelf = await _shelf_of(context, request.job_id)
    await context.core.runner.cancel(shelf, request.job_id)
    return JobChange(request.job_id, success=True)


@handles(LimitJob)
async def limit_job(context: Context, request: LimitJob) -> JobChange:
    """Give a job another share of the machine."""
    shelf = await _shelf_of(context, request.job_id)
    named: dict[str, Any] = {}
    if request.priority is not None:
        named["priority"] = request.priority
    if request.disk is not None:
        named["disk"] = request.disk
    if request.bandwidth is not None:
        named["bandwidth"] = request.bandwidth or None
    await context.core.runner.limit(shelf, request.job_id, named)
    return JobChange(request.job_id, success=True)


@handles(GetCopyMetadata)
async def get_copy_metadata(context: Context, request: GetCopyMetadata) -> CopyMetadata:
    """What a job copies or moves."""
    library = await _library_of(context, request.job_id)
    if library is None:
        return CopyMetadata(None, f"there is no job {request.job_id}")
    job = context.core.runner.live(request.job_id) or await library.jobs.get(request.job_id)
    if job is None or job.name not in (COPY, MOVE):
        return CopyMetadata(None, f"the job {request.job_id} neither copies nor moves")
    order = CopyOrder.of(job.params)
    found = await library.operations.read(copy_metadata, str(job.id), order, library.device_slug)
    return CopyMetadata(found)
