"""What validations have found."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import msgspec

from sd_daemon.core.cursors import Cursors, Number
from sd_daemon.core.index.walk import loose
from sd_wire.errors import JobNotFound
from sd_wire.operations.validation import Severity, ValidationIssue, ValidationResults
from sd_wire.types.paths import physical

if TYPE_CHECKING:
    import sqlite3
    from uuid import UUID

    from sd_wire.operations.validation import GetValidationResults

DEFAULT_PAGE = 1000
SEVERITIES = tuple(Severity)  # by the number they are stored as


class Counts(msgspec.Struct):
    """What a validation has come to."""

    files: int = 0
    bytes: int = 0
    issues: list[int] = msgspec.field(default_factory=lambda: [0] * len(SEVERITIES))


def results(
    db: sqlite3.Connection, library: UUID, device_slug: str, request: GetValidationResults
) -> ValidationResults:
    """One page of what a validation has found. Raises JobNotFound, InvalidValue for a cursor of
    something else."""
    job = str(request.job_id)
    row = db.execute("SELECT counts FROM validations WHERE job = ?", (job,)).fetchone()
    if row is None:
        raise JobNotFound(job=job, pointer="/payload/job_id")
    counts = msgspec.json.decode(row[0], type=Counts)
    least = 0 if request.severity is None else SEVERITIES.index(request.severity)
    limit = request.limit or DEFAULT_PAGE
    cursors = Cursors(library, request, Number)
    rows = db.execute(
        "SELECT number, severity, path, sentence FROM issues"
        " WHERE job = ? AND number > ? AND severity >= ? ORDER BY number LIMIT ?",
        (job, cursors.read() or 0, least, limit + 1),
    ).fetchall()
    more = len(rows) > limit
    del rows[limit:]
    ends = cursors.ends(lambda number: rows[number][0], len(rows), more=more)
    info, warning, error, critical = counts.issues
    return ValidationResults(
        issues=[
            ValidationIssue(
                SEVERITIES[severity], physical(device_slug, os.fsencode(loose(path))), sentence
            )
            for _, severity, path, sentence in rows
        ],
        validated_count=counts.files,
        total_bytes=counts.bytes,
        info_count=info,
        warning_count=warning,
        error_count=error,
        critical_count=critical,
        has_more=more,
        next_cursor=ends.next_cursor,
        cursors=ends.cursors,
    )
