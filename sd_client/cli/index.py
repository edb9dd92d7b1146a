"""`sd index verify`: whether the index is what the disk says, and what differs."""

from __future__ import annotations

import os
from enum import IntEnum
from typing import TYPE_CHECKING

import click
import msgspec

from sd_client.cli.command import command
from sd_client.cli.session import Session, pass_session
from sd_client.cli.text import number, span
from sd_client.cli.values import AbsolutePath
from sd_wire.errors import SdError
from sd_wire.operations.indexing import Difference, Verification, VerifyIndex

if TYPE_CHECKING:
    from sd_client.cli.output import Output

LISTED = 20


class Verdict(IntEnum):
    """How `sd index verify` ends."""

    VALID = 0
    DIVERGED = 1
    ERROR = 2


@command("verify", "sd index verify ~/Pictures", "sd index verify ~/Pictures --fix")
@click.argument("path", type=AbsolutePath(folder=True), default=".")
@click.option("--fix", is_flag=True, help="bring the index up to date where it differs")
@click.option("--content", is_flag=True, help="read every file and compare its content, too")
@pass_session
def verify(session: Session, path: str, *, fix: bool, content: bool) -> None:
    """Compare the index of a folder with the disk, entry by entry. Ends with 0 where they agree,
    with 1 where they differ, with 2 where that could not be found out, for some of it or all. With
    --fix the index is brought up to date, and 0 means that it is right now."""
    exact = os.fsencode(path)
    request = VerifyIndex(
        exact.decode("utf-8", "replace"),
        verify_content=content,
        auto_fix=fix,
        path_bytes=exact,
    )
    context = click.get_current_context()
    try:
        raw = session.raw(VerifyIndex.operation, request)
    except SdError as error:
        session.output.problem(error)
        context.exit(Verdict.ERROR)
    found = msgspec.json.decode(raw, type=Verification)
    if session.output.json:
        session.output.document(raw)
    else:
        _show(session.output, found)
    context.exit(verdict_of(found))


def verdict_of(found: Verification) -> Verdict:
    """How the command ends. What could not be read is not known to agree."""
    if not (found.is_valid or found.report.fixed):
        return Verdict.DIVERGED
    return Verdict.ERROR if found.report.unreadable else Verdict.VALID


def _show(output: Output, found: Verification) -> None:
    report = found.report
    entries = report.filesystem_file_count + report.filesystem_dir_count
    took = span(found.duration_secs)
    if report.unreadable:
        what = number(report.unreadable, "entry", "entries")
        output.remark(f"{what} could not be read; 'sd index omissions --errors-only' lists them")
    if found.is_valid:
        output.line(
            output.safe(f"{found.path}: {number(entries)} entries, all as on the disk ({took})")
        )
        return
    kinds = {
        "missing from the index": report.missing_from_index,
        "no longer on the disk": report.stale_in_index,
        "different": report.metadata_mismatches,
        "in another folder": report.hierarchy_errors,
    }
    total = report.total_differences or sum(map(len, kinds.values()))
    output.line(
        output.safe(
            f"{found.path}: {number(total, 'difference')} in {number(entries)} entries ({took})"
        )
    )
    for kind, differences in kinds.items():
        _show_kind(output, kind, differences)
    output.line(
        "the index was brought up to date" if report.fixed else "--fix brings it up to date"
    )


def _show_kind(output: Output, kind: str, differences: list[Difference]) -> None:
    for difference in differences[:LISTED]:
        exact = difference.path_bytes
        path = os.fsdecode(exact) if isinstance(exact, bytes) else difference.path
        output.line(output.safe(f"  {kind}: {path}: {difference.description}"))
    if len(differences) > LISTED:
        output.line(f"  {kind}: {number(len(differences) - LISTED)} more")
