"""Jobs."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

import msgspec

from sd_wire.errors import JobNotFound, JobStateConflict
from sd_wire.operation import Natural, PageSize, Request, action, doc, query
from sd_wire.operations.files import CopyMethod
from sd_wire.types.files import File
from sd_wire.types.jobs import (
    ActionContext,
    DiskShare,
    GenericProgress,
    JobLimits,
    JobListItem,
    JobOutput,
    JobPriority,
    JobStatus,
)
from sd_wire.types.paths import SdPath


class JobList(msgspec.Struct):
    """Jobs, newest first."""

    jobs: list[JobListItem]
    total_count: Annotated[int, doc("with those that are not listed")] = 0  # ours


@query("jobs.list")
class ListJobs(Request[JobList]):
    """The jobs of a library, finished ones included."""

    status: Annotated[JobStatus | None, doc("only jobs in this state")] = None
    limit: Annotated[  # ours
        PageSize | None, doc("how many of those that are over, the newest; null: all")
    ] = None


class ActiveJob(msgspec.Struct):
    """A job that runs or is paused."""

    id: UUID
    name: str
    status: JobStatus
    progress: Annotated[float, doc("0 to 1")]
    action_type: str | None
    action_context: ActionContext | None
    generic_progress: GenericProgress | None = None  # ours


class ActiveJobs(msgspec.Struct):
    """Jobs that are not over."""

    jobs: list[ActiveJob]
    running_count: int
    paused_count: int


@query("jobs.active")
class ListActiveJobs(Request[ActiveJobs]):
    """The jobs of a library that are queued, running or paused."""


class JobInfo(msgspec.Struct):
    """One job."""

    id: UUID
    name: str
    status: JobStatus
    progress: Annotated[float, doc("0 to 1")]
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    error_message: str | None
    generic_progress: GenericProgress | None = None  # ours, as is all that follows
    output: JobOutput | None = None
    warnings: list[str] = []
    attempts: Annotated[int, doc("how often a worker was started for it")] = 0
    limits: Annotated[JobLimits | None, doc("how much of the machine it may have")] = None
    error_code: Annotated[str | None, doc("of the error it failed with, where it has one")] = None
    error_fields: Annotated[dict[str, str], doc("what that error's sentence and hint name")] = {}


@query("jobs.info")
class GetJob(Request[JobInfo | None]):
    """One job by its id, or null."""

    job_id: Annotated[UUID, doc("the job")]


class JobChange(msgspec.Struct):
    """Whether a job did what it was told."""

    job_id: UUID
    success: bool


@action("jobs.pause", errors=(JobNotFound, JobStateConflict))
class PauseJob(Request[JobChange]):
    """Stop a job at its next safe point and keep its place. It stays paused until it is resumed,
    also when the daemon restarts."""

    job_id: Annotated[UUID, doc("the job")]


@action("jobs.resume", errors=(JobNotFound, JobStateConflict))
class ResumeJob(Request[JobChange]):
    """Let a paused or failed job go on where it stopped."""

    job_id: Annotated[UUID, doc("the job")]


@action("jobs.cancel", errors=(JobNotFound, JobStateConflict))
class CancelJob(Request[JobChange]):
    """Stop a job for good. What it has done stays done."""

    job_id: Annotated[UUID, doc("the job")]


@action("jobs.limit", errors=(JobNotFound, JobStateConflict))
class LimitJob(Request[JobChange]):
    """Give a job another share of the machine, also while it runs. What is not named stays."""

    job_id: Annotated[UUID, doc("the job")]
    priority: Annotated[JobPriority | None, doc("which of the waiting jobs begins first")] = None
    disk: Annotated[DiskShare | None, doc("how it stands behind others at the disk")] = None
    bandwidth: Annotated[Natural | None, doc("at most so many bytes per second; 0: any")] = None


class CopyFileStatus(StrEnum):
    """Where one thing that is copied stands."""

    PENDING = "pending"
    COPYING = "copying"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"


class CopyFileEntry(msgspec.Struct, omit_defaults=True):
    """One thing that is copied or moved: a file, or a folder with all that is in it."""

    source_path: SdPath
    dest_path: SdPath
    size_bytes: Annotated[int, doc("of the content; of a folder when it is done")]
    is_directory: bool
    status: CopyFileStatus
    error: str | None = None
    entry_id: UUID | None = None


class CopyStrategyMetadata(msgspec.Struct):
    """How it is done."""

    strategy_name: str
    strategy_description: str
    is_cross_device: Annotated[bool, doc("always false: both are on this device")]
    is_cross_volume: bool
    is_fast_operation: bool
    copy_method: CopyMethod


class CopyJobMetadata(msgspec.Struct, omit_defaults=True):
    """What a job copies or moves."""

    strategy: CopyStrategyMetadata | None
    files: Annotated[list[CopyFileEntry], doc("the first thousand")]
    total_bytes: Annotated[int, doc("of those")]
    total_file_count: Annotated[int, doc("things in all")]
    is_move_operation: bool
    file_objects: Annotated[list[File], doc("always empty: entries are found by their path")] = []


class CopyMetadata(msgspec.Struct):
    """What a job copies or moves, or why that cannot be said."""

    metadata: CopyJobMetadata | None
    error: str | None = None


@query("jobs.get_copy_metadata")
class GetCopyMetadata(Request[CopyMetadata]):
    """What a job that copies or moves is about, name by name."""

    job_id: Annotated[UUID, doc("the job")]
