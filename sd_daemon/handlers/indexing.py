"""Indexing."""

from __future__ import annotations

import asyncio
import os
import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from sd_daemon.core import locations
from sd_daemon.core.index.job_names import INDEXER, VERIFY
from sd_daemon.core.indexing import index_params, omissions_page, rules_report, settings_of
from sd_daemon.core.jobs.params import encoded_path
from sd_daemon.core.paths import absolute, shown
from sd_daemon.handlers.handler import Context, handles
from sd_wire.errors import (
    ErrorDetails,
    InvalidValue,
    JobFailed,
    NotADirectory,
    PathNotIndexed,
    UnknownFailure,
    from_wire,
)
from sd_wire.operations.indexing import (
    CatchUp,
    IndexPersistence,
    IndexRules,
    IndexScope,
    IntegrityReport,
    ListOmissions,
    ListRules,
    Omissions,
    StartIndexing,
    UpToDate,
    Verification,
    VerifyIndex,
)
from sd_wire.types.jobs import ActionContext, JobReceipt, JobStatus

if TYPE_CHECKING:
    from sd_daemon.core.jobs.job import Job
    from sd_daemon.core.library import Library
    from sd_wire.types.jobs import JobLimits


_NOT_DONE = {JobStatus.QUEUED: "it was interrupted, and goes on when its library is open again"}


def action_context(context: Context, request: msgspec.Struct) -> ActionContext:
    """What is kept with a job about the request that started it."""
    return ActionContext(
        action_type=context.operation.name,
        initiated_at=datetime.now(UTC),
        initiated_by=f"uid {context.peer.uid}",
        action_input=msgspec.to_builtins(request),
        context=None,
    )


async def submit(
    context: Context,
    library: Library,
    name: str,
    params: dict[str, Any],
    request: msgspec.Struct,
    limits: JobLimits | None = None,
) -> Job:
    """Start a job for a request."""
    return await context.core.runner.submit(
        context.core.libraries.shelf(library),
        name,
        params,
        action=action_context(context, request),
        limits=limits,
        correlation_id=context.correlation_id,
    )


async def finished(context: Context, job: Job) -> dict[str, Any]:
    """The result of a job, when it is done. Raises what it failed with, or JobFailed."""
    ended = await context.core.runner.wait(job)
    if ended.status is JobStatus.COMPLETED and ended.output is not None:
        result: dict[str, Any] = ended.output.data
        return result
    details = ErrorDetails(ended.error_code or "", fields=ended.error_fields)
    known = from_wire("", ended.error or "", details)
    if not isinstance(known, UnknownFailure):
        raise known
    reason = ended.error or _NOT_DONE.get(ended.status, f"it was {ended.status}")
    raise JobFailed(job_name=ended.name, reason=reason, job=ended.id)


async def _location_around(
    library: Library, path: str, field: str
) -> tuple[locations.StoredLocation, str]:
    clean = absolute(path, field=field)
    location = await library.database.read(locations.containing, clean)
    if location is None:
        pointer = f"/payload/{field.replace('.', '/')}"
        raise PathNotIndexed(path=shown(path), pointer=pointer)
    if await asyncio.to_thread(_is_something_else, clean):
        raise NotADirectory(path=shown(path), pointer=f"/payload/{field.replace('.', '/')}")
    return location, clean


def _is_something_else(path: str) -> bool:
    try:
        return not stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:  # what is not there, or may not be looked at, is for the job to tell
        return False


@handles(StartIndexing)
async def start_indexing(context: Context, request: StartIndexing) -> JobReceipt:
    """Read folders again. Several folders are several jobs; the first one is answered."""
    library = (
        context.core.libraries.get(request.library_id) if request.library_id else context.library
    )
    if request.persistence is IndexPersistence.EPHEMERAL:
        reason = "only Persistent is supported; 'sd ls' reads a folder without indexing it"
        raise InvalidValue(field="persistence", reason=reason, pointer="/payload/persistence")
    if not request.paths:
        raise InvalidValue(field="paths", reason="no folder is named", pointer="/payload/paths")
    orders = []
    for number, path in enumerate(request.paths):
        location, clean = await _location_around(library, path, f"paths.{number}")
        settings = msgspec.structs.replace(library.config.settings)
        if not request.include_hidden:
            settings.indexer = msgspec.structs.replace(settings.indexer, no_hidden=True)
        orders.append(
            index_params(
                location,
                settings,
                path=clean,
                full=True,
                recursive=request.scope is IndexScope.RECURSIVE,
                mode=request.mode,
            )
        )
    jobs = [await submit(context, library, INDEXER, params, request) for params in orders]
    return JobReceipt(jobs[0].id, INDEXER)


@handles(VerifyIndex)
async def verify_index(context: Context, request: VerifyIndex) -> Verification:
    """Compare index and disk."""
    library = context.library
    given = request.path if request.path_bytes is None else os.fsdecode(request.path_bytes)
    location, clean = await _location_around(library, given, "path")
    params = {
        **index_params(location, library.config.settings, path=clean, full=True),
        "content": request.verify_content,
        "fix": request.auto_fix,
        "detailed": request.detailed_report,
    }
    began = datetime.now(UTC)
    job = await submit(context, library, VERIFY, params, request)
    data = await finished(context, job)
    report = msgspec.convert(data["report"], IntegrityReport)
    seconds = (datetime.now(UTC) - began).total_seconds()
    return Verification(
        is_valid=report.total_differences == 0,
        report=report,
        path=encoded_path(clean)["path"],
        duration_secs=seconds,
        job_id=job.id,
    )


@handles(ListRules)
async def list_rules(context: Context, _request: ListRules) -> IndexRules:
    """The rules and what each left out."""
    library = context.library
    return await library.database.read(rules_report, settings_of(library))


@handles(CatchUp)
async def catch_up(context: Context, _request: CatchUp) -> UpToDate:
    """Wait until the index is not behind."""
    return UpToDate(await context.core.watching.catch_up(context.library.id))


@handles(ListOmissions)
async def list_omissions(context: Context, request: ListOmissions) -> Omissions:
    """What is left out, one by one."""
    library = context.library
    return await library.database.read(omissions_page, library.id, library.device_slug, request)
