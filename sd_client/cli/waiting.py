"""What the commands have in common that let the daemon change files: a job that they wait for.

A command says nothing when all went well, as its namesakes do; on a terminal it shows how far it
is meanwhile. With --detach it prints the id of the job instead.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from sd_client.cli.names import local_path
from sd_client.cli.text import number, shown, size
from sd_client.cli.values import Bytes, Choice
from sd_client.cli.watch import fail, followed
from sd_wire.errors import ExitStatus, SdError
from sd_wire.types.jobs import DiskShare, JobLimits, JobPriority, JobStatus

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from sd_client.cli.output import Output
    from sd_client.cli.session import Session
    from sd_wire.operations.files import Preview, PreviewItem
    from sd_wire.operations.jobs import JobInfo

_OPTIONS = (
    click.option(
        "--detach", "--no-wait", "detach", is_flag=True, help="do not wait; print the job's id"
    ),
    click.option("--priority", type=Choice.of(JobPriority), help="before or behind other jobs"),
    click.option("--bandwidth", type=Bytes(), metavar="SIZE", help="at most so much per second"),
    click.option("--idle", is_flag=True, help="use the disk only while nobody else does"),
)


def job_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a command that starts a job: they arrive as `detach` and `limits`."""

    def with_limits(
        *arguments: Any, priority: str | None, bandwidth: int | None, idle: bool, **rest: Any
    ) -> Any:
        return function(*arguments, limits=_limits(priority, bandwidth, idle=idle), **rest)

    with_limits.__doc__ = function.__doc__
    with_limits.__name__ = function.__name__
    with_limits.__click_params__ = getattr(function, "__click_params__", [])  # type: ignore[attr-defined]
    for option in _OPTIONS:
        with_limits = option(with_limits)
    return with_limits


def _limits(priority: str | None, bandwidth: int | None, *, idle: bool) -> JobLimits | None:
    if not (priority or bandwidth or idle):
        return None
    return JobLimits(
        JobPriority(priority or JobPriority.NORMAL),
        DiskShare.IDLE if idle else DiskShare.BEST_EFFORT,
        bandwidth or None,
    )


def waited(
    session: Session,
    job: UUID,
    *,
    detach: bool,
    first: Callable[[JobInfo], None] | None = None,
) -> JobInfo | None:
    """The job when it is over, with what went wrong said on standard error; None where nobody
    waits. Where the job failed the command ends as its error does; where single things did, as the
    error that all of these share, or with 1. `first` is called with the job before that."""
    output = session.output
    if detach:
        output.document({"job_id": str(job)}) if output.json else output.line(str(job))
        return None
    info = followed(session, job)
    if output.json:
        output.document(info)
    if first is not None:
        first(info)
    data = info.output.data if info.output and isinstance(info.output.data, dict) else {}
    for failure in data.get("failures", []):
        path, reason = failure["path"], failure["reason"]
        output.complain(f"sd: {reason}" if path in reason else f"sd: {path}: {reason}")
    for warning in info.warnings:
        output.remark(f"note: {warning}")
    if info.status is not JobStatus.COMPLETED:
        fail(output, info)
    if data.get("failed_count"):
        click.get_current_context().exit(status_of(data.get("failure_code")))
    return info


def status_of(code: str | None) -> ExitStatus:
    """How a command ends where everything that went wrong has this code."""
    return SdError.catalogue.get(code or "", SdError).exit_status


def is_asked(session: Session) -> bool:
    """Whether there is a person who can answer."""
    return session.output.remarks_to_terminal and os.isatty(0)


def ask_first(session: Session, question: str, *, confirmed: bool, option: str = "--yes") -> None:
    """Ask a person before something is destroyed; a script has to say so beforehand."""
    if confirmed:
        return
    if not is_asked(session):
        raise click.UsageError(f"this needs {option} where nobody can be asked")
    if not agrees(question):
        session.output.remark("nothing was done")
        click.get_current_context().exit(ExitStatus.FAILED)


def agrees(question: str) -> bool:
    """Whether a person says yes; anything else is no, also the end of what they type."""
    sys.stderr.write(f"{shown(question)} [y/N]: ")
    sys.stderr.flush()
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):
        sys.stderr.write("\n")
    return answer.strip().lower() in ("y", "yes")


def counted(preview: Preview) -> str:
    """How much a preview is about: `3 files and 2 folders (1.5 MiB)`."""
    parts = [number(preview.file_count, "file")] if preview.file_count else []
    parts += [number(preview.folder_count, "folder")] if preview.folder_count else []
    return f"{' and '.join(parts) or 'nothing'} ({size(preview.total_bytes)})"


def show_items(output: Output, items: list[PreviewItem]) -> None:
    """What is or would be done, line by line: `copy a -> b`."""
    output.lines(output.safe(_line(item)) for item in items)


def show_done(output: Output, preview: Preview) -> None:
    """What was done, as it had been foreseen."""
    show_items(output, preview.items)
    if preview.truncated:
        output.remark("and more, which is not listed")


def _line(item: PreviewItem) -> str:
    line = f"{item.action} {local_path(item.source)}"
    return line if item.target is None else f"{line} -> {local_path(item.target)}"


def show_preview(session: Session, preview: Preview) -> None:
    """A dry run: what would be done, and nothing is."""
    output = session.output
    if output.json:
        output.document(preview)
        return
    show_items(output, preview.items)
    for problem in preview.problems:
        output.complain(f"sd: {problem}")
    more = " (the first of them are listed)" if preview.truncated else ""
    output.remark(f"nothing was done; it would be {counted(preview)}{more}")
