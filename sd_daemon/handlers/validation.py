"""Validation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sd_daemon.core.fileops.names import VALIDATE
from sd_daemon.core.files import validation
from sd_daemon.core.files.find import entry_at
from sd_daemon.core.jobs.params import encoded_path
from sd_daemon.core.paths import resolve, shown
from sd_daemon.handlers.handler import Context, handles
from sd_daemon.handlers.indexing import submit
from sd_wire.errors import InvalidValue, PathNotIndexed
from sd_wire.operations.validation import (
    GetValidationResults,
    StartValidation,
    ValidationResults,
)
from sd_wire.types.jobs import JobReceipt

if TYPE_CHECKING:
    import sqlite3


@handles(StartValidation)
async def start_validation(context: Context, request: StartValidation) -> JobReceipt:
    """Read files and report what is wrong with them."""
    library = context.library
    if not request.paths:
        raise InvalidValue(field="paths", reason="nothing is named", pointer="/payload/paths")

    def read(db: sqlite3.Connection) -> list[str]:
        found = []
        for number, path in enumerate(request.paths):
            known = resolve(db, path, library.device_slug, field=f"paths.{number}")
            if entry_at(db, known) is None:
                raise PathNotIndexed(path=shown(known), pointer=f"/payload/paths/{number}")
            found.append(known)
        return found

    paths = await library.database.read(read)
    params = {"paths": [encoded_path(path) for path in paths], "level": request.level}
    job = await submit(context, library, VALIDATE, params, request, request.limits)
    return JobReceipt(job.id, VALIDATE)


@handles(GetValidationResults)
async def get_validation_results(
    context: Context, request: GetValidationResults
) -> ValidationResults:
    """What a validation has found."""
    library = context.library
    return await library.operations.read(
        validation.results, library.id, library.device_slug, request
    )
