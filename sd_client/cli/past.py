"""`sd undo` and `sd history`: what was done to files, and taking it back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import msgspec

from sd_client.cli.command import command
from sd_client.cli.names import Named, choose, whole_id
from sd_client.cli.session import Session, pass_session
from sd_client.cli.tables import Column, table
from sd_client.cli.text import moment, number
from sd_client.cli.views import short
from sd_client.cli.waiting import job_options, waited
from sd_wire.errors import OperationNotFound
from sd_wire.operations.history import ListHistory, UndoOperation
from sd_wire.types.jobs import JobStatus

if TYPE_CHECKING:
    from typing import Any
    from uuid import UUID

    from sd_wire.operations.jobs import JobInfo
    from sd_wire.types.jobs import JobLimits

LATEST = 1000  # as many as are remembered


def _state(row: dict[str, Any]) -> str:
    if row["undone_by"]:
        return "undone"
    return str(row["state"]) if row["can_undo"] or row["state"] != "done" else "done, for good"


COLUMNS = [
    Column("ID", lambda row: short(row["id"])),
    Column("WHEN", lambda row: moment(row["created_at"])),
    Column("STATE", _state),
    Column("WHAT", lambda row: row["title"], gives_way=True),
]


@command("list", "sd history", "sd history list -n 5")
@click.option("-n", "--limit", type=click.IntRange(1), default=20, help="how many  [default: 20]")
@pass_session
def list_command(session: Session, *, limit: int) -> None:
    """List what was done to files, newest first, and whether 'sd undo' can take it back."""
    found = session.call(ListHistory(limit=limit))
    if session.output.json:
        session.output.document(found)
        return
    table(session.output, COLUMNS, msgspec.to_builtins(found.operations))
    if not found.operations:
        session.output.remark("nothing was done yet")
    elif found.total_count > len(found.operations):
        rest = found.total_count - len(found.operations)
        session.output.remark(f"and {number(rest)} more: -n says how many are listed")


@command("undo", "sd undo", "sd undo 3f2a")
@click.argument("operation", required=False)
@job_options
@pass_session
def undo(
    session: Session, operation: str | None, *, detach: bool, limits: JobLimits | None
) -> None:
    """Take a file operation back: the last one that was not undone, or OPERATION, which is its id
    as 'sd history' shows it, or the beginning of that. Says what was undone; where the last one
    cannot be, that is said, and nothing is done. What was copied goes into the trash, what was
    moved goes back, what was deleted returns; what was changed since is left alone."""
    chosen = None if operation is None else _operation(session, operation)
    job = session.call(UndoOperation(chosen, limits)).id
    waited(session, job, detach=detach, first=lambda info: _say_what(session, info))


def _say_what(session: Session, job: JobInfo) -> None:
    """One line about what was undone, or was not."""
    if session.output.json:
        return
    listed = session.call(ListHistory(limit=LATEST)).operations
    undoes = next((one.undoes for one in listed if one.id == job.id), None)
    title = next((one.title for one in listed if one.id == undoes), f"job {job.id}")
    if job.status is not JobStatus.COMPLETED:
        session.output.complain(f"not undone: {title}")
        return
    is_whole = job.output is not None and not job.output.data["failed_count"]
    line = f"undone: {title}" if is_whole else f"undone in part: {title}"
    session.output.line(session.output.safe(line))


def _operation(session: Session, text: str) -> UUID:
    known = whole_id(text)
    if known is not None:
        return known
    listed = session.call(ListHistory(limit=LATEST)).operations
    things = [Named(one.id, (), one.title) for one in listed]
    return choose(text, things, "operations", OperationNotFound(operation=text))
