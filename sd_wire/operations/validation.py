"""Validation: whether files can be read, and are what they were. Ours."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated
from uuid import UUID

import msgspec

from sd_wire.errors import InvalidValue, JobNotFound, PathNotIndexed, UnsupportedPath
from sd_wire.operation import PageSize, Request, action, doc, query
from sd_wire.paging import Cursor, ItemCursors, NextCursor, WithCursors
from sd_wire.types.jobs import JobLimits, JobReceipt
from sd_wire.types.paths import PathInput, SdPath


class ValidationLevel(StrEnum):
    """How much of each file is read."""

    READABLE = "readable"  # its ends: can it be read at all
    SAMPLED = "sampled"  # what its content identity is made of
    COMPLETE = "complete"  # all of it, compared with what an earlier complete validation read


class Severity(StrEnum):
    """How bad an issue is."""

    INFO = "Info"  # it was changed since it was indexed
    WARNING = "Warning"  # it is gone, or what was known of its content does not fit
    ERROR = "Error"  # it cannot be read
    CRITICAL = "Critical"  # it is damaged: its bytes changed although nobody changed it


@action("validation.start", errors=(InvalidValue, PathNotIndexed, UnsupportedPath))
class StartValidation(Request[JobReceipt]):
    """Read the indexed files below these paths, and report what is wrong with them. The first
    complete validation remembers what it read, later ones compare."""

    paths: Annotated[list[PathInput], doc("folders or files")]
    level: Annotated[ValidationLevel, doc("how much of each file is read")] = (
        ValidationLevel.SAMPLED
    )
    limits: Annotated[JobLimits | None, doc("how much of the machine it may have")] = None


class ValidationIssue(msgspec.Struct):
    """What is wrong with one file."""

    severity: Severity
    path: SdPath
    sentence: str


class ValidationResults(msgspec.Struct):
    """What a validation has found, in the order in which it did, or one page of that."""

    issues: list[ValidationIssue]
    validated_count: Annotated[int, doc("files, so far")]
    total_bytes: Annotated[int, doc("that were read, so far")]
    info_count: int
    warning_count: int
    error_count: int
    critical_count: int
    has_more: bool
    next_cursor: NextCursor = None
    cursors: ItemCursors = None


@query("validation.results", errors=(InvalidValue, JobNotFound), pages="issues")
class GetValidationResults(Request[ValidationResults]):
    """What a validation has found, also while it runs."""

    job_id: Annotated[UUID, doc("the job")]
    severity: Annotated[Severity | None, doc("only issues at least as bad")] = None
    limit: Annotated[PageSize | None, doc("how many at most; 1000 by default")] = None
    cursor: Cursor = None
    cursors: WithCursors = False
