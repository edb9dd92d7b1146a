"""`sd verify` and `sd du`: whether files are what they were, and how much is where."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sd_client.cli.command import command
from sd_client.cli.names import local_path
from sd_client.cli.places import Places, expanded
from sd_client.cli.session import Session, pass_session
from sd_client.cli.text import number, size
from sd_client.cli.values import Choice, TypedPath
from sd_client.cli.waiting import job_options, waited
from sd_wire.errors import ExitStatus
from sd_wire.operations.files import GetDiskUsage
from sd_wire.operations.validation import (
    GetValidationResults,
    StartValidation,
    ValidationLevel,
    ValidationResults,
)

if TYPE_CHECKING:
    from uuid import UUID

    from sd_wire.operations.files import Usage
    from sd_wire.types.jobs import JobLimits


@command("verify", "sd verify ~/Pictures", "sd verify ~/Archive --level complete --idle")
@click.argument("paths", nargs=-1, required=True, type=TypedPath(), metavar="PATH...")
@click.option(
    "--level",
    type=Choice.of(ValidationLevel),
    default="sampled",
    help="how much of each file is read  [default: sampled]",
)
@job_options
@pass_session
def verify(
    session: Session,
    paths: tuple[str, ...],
    *,
    level: str,
    detach: bool,
    limits: JobLimits | None,
) -> None:
    """Read files and say which of them are damaged, cannot be read, or are gone. The first
    'complete' verification remembers what it read, and later ones compare. Ends with 1 where a file
    is damaged or cannot be read. What a job with --detach found is in 'sd validation results'."""
    places = Places(session)
    request = StartValidation(
        [places.one(path) for path in expanded(paths)], ValidationLevel(level), limits
    )
    job = session.call(request).id
    output = session.output
    as_json, output.json = output.json, output.json and detach
    try:
        info = waited(session, job, detach=detach)
    finally:
        output.json = as_json
    if info is None:
        return
    found = _results(session, job)
    if output.json:
        output.document(found)
    else:
        _show(session, found)
    if found.error_count or found.critical_count:
        click.get_current_context().exit(ExitStatus.FAILED)


def _results(session: Session, job: UUID) -> ValidationResults:
    request = GetValidationResults(job)
    found = session.call(request)
    while found.next_cursor:
        request.cursor = found.next_cursor
        page = session.call(request)
        found.issues += page.issues
        found.next_cursor, found.has_more = page.next_cursor, page.has_more
    return found


def _show(session: Session, found: ValidationResults) -> None:
    output = session.output
    for issue in found.issues:
        path = local_path(issue.path)
        output.line(output.safe(f"{issue.severity.lower()}: {path}: {issue.sentence}"))
    files = number(found.validated_count, "file")
    read = size(found.total_bytes)
    output.remark(f"{files}, {read} read, {number(len(found.issues), 'issue')}")


@command("du", "sd du ~/Pictures", "sd du -a -d 2 ~", "sd du -s ~/Documents")
@click.argument("paths", nargs=-1, type=TypedPath(), metavar="PATH...")
@click.option("-d", "--depth", type=click.IntRange(0), default=1, help="levels  [default: 1]")
@click.option("-s", "--summarize", is_flag=True, help="the total only")
@click.option("-a", "--all", "files", is_flag=True, help="single files, too")
@click.option("-b", "--bytes", "exact", is_flag=True, help="sizes in bytes, on a terminal as well")
@pass_session
def du(
    session: Session,
    paths: tuple[str, ...],
    *,
    depth: int,
    summarize: bool,
    files: bool,
    exact: bool,
) -> None:
    """How much is in folders, largest first, and the total at the end: bytes of content as the
    index knows them, which takes no reading of the disk."""
    places = Places(session)
    output = session.output
    for path in expanded(paths or ["."]):
        request = GetDiskUsage(places.one(path), 0 if summarize else depth, files)
        found = session.call(request)
        if output.json:
            output.document(found)
            continue
        in_bytes = exact or not output.terminal
        lines = [_usage_line(one, exact=in_bytes) for one in (*found.usages, found.total)]
        output.lines(output.safe(line) for line in lines)


def _usage_line(usage: Usage, *, exact: bool) -> str:
    amount = str(usage.size) if exact else f"{size(usage.size):>9}"
    return f"{amount}\t{local_path(usage.path)}"
