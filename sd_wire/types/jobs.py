"""Jobs: work that goes on after its request was answered, and survives the daemon."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import msgspec

from sd_wire.operation import Positive, doc, id_of
from sd_wire.types.locations import Duration
from sd_wire.types.paths import SdPath


class JobStatus(StrEnum):
    """Where a job stands. The last three are final."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class JobPriority(StrEnum):
    """Which of the waiting jobs begins first. Of those alike it is the one that came first."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    CRITICAL = "critical"


class DiskShare(StrEnum):
    """How a job stands behind other programs at the disk, where its scheduler heeds that."""

    BEST_EFFORT = "best_effort"
    IDLE = "idle"  # only while nobody else wants it


class JobLimits(msgspec.Struct, omit_defaults=True):
    """How much of the machine a job may have. Ours."""

    priority: Annotated[JobPriority, doc("which of the waiting jobs begins first")] = (
        JobPriority.NORMAL
    )
    disk: Annotated[DiskShare, doc("how it stands behind other programs at the disk")] = (
        DiskShare.BEST_EFFORT
    )
    bandwidth: Annotated[Positive | None, doc("at most so many bytes per second")] = None


class JobReceipt(msgspec.Struct):
    """What an action that starts a job answers."""

    id: Annotated[UUID, id_of("job", "that of the job")]
    job_name: str


class ActionContext(msgspec.Struct):
    """Which request started a job."""

    action_type: str
    initiated_at: datetime
    initiated_by: str | None
    action_input: Any
    context: Any


class JobListItem(msgspec.Struct):
    """A job in a list."""

    id: UUID
    name: str
    device_id: UUID
    status: JobStatus
    progress: Annotated[float, doc("0 to 1")]
    action_type: str | None
    action_context: ActionContext | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    message: Annotated[str, doc("what it is doing, or how it ended")] = ""  # ours


class Completion(msgspec.Struct):
    """How much of a phase is done."""

    completed: int
    total: int
    bytes_completed: int | None = None
    total_bytes: int | None = None


class Performance(msgspec.Struct):
    """How fast a phase goes."""

    rate: Annotated[float, doc("items per second")]
    estimated_remaining: Duration | None
    elapsed: Duration | None
    error_count: int
    warning_count: int
    bytes_per_second: Annotated[
        float | None, doc("the same in bytes, where those take the time")
    ] = None  # ours


class GenericProgress(msgspec.Struct):
    """How far a job is."""

    percentage: Annotated[float, doc("0 to 1")]
    phase: str
    current_path: SdPath | None
    message: str
    completion: Completion
    performance: Performance
    metadata: Any = None


class JobOutput(msgspec.Struct, omit_defaults=True):
    """What came out of a job: `Success` without data, `Indexed` with the statistics of an index
    job, `FileCopy`, `FileMove` and `FileDelete` with what file operations count,
    `DuplicateDetection`, `FileValidation`, and `Custom` with what another job counts."""

    type: str
    data: Any = None
