"""Watching a job until it is over.

A watcher subscribes first and asks second, so that nothing falls between; and it asks again when
it has heard nothing for a while or the connection was lost, so that a daemon that was restarted is
met again. Watching never changes the job: Ctrl-C ends the watching, and the job goes on.
"""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, NoReturn

import click
import msgspec
from click.exceptions import Exit

from sd_client.cli.lazy import load
from sd_client.cli.text import number, span
from sd_wire.errors import (
    ConnectionLost,
    ConnectionRefused,
    DaemonNotRunning,
    ErrorDetails,
    ExitStatus,
    JobNotFound,
    SdError,
    ShuttingDown,
    from_wire,
)
from sd_wire.events import JobProgress
from sd_wire.messages import EventFilter
from sd_wire.operations.jobs import GetJob, JobInfo
from sd_wire.types.jobs import GenericProgress, JobStatus

if TYPE_CHECKING:
    from collections.abc import Iterator
    from uuid import UUID

    from sd_client.cli.output import Output
    from sd_client.cli.session import Session

FINAL = (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)
EVENTS = [
    "JobQueued",
    "JobStarted",
    "JobProgress",
    "JobPaused",
    "JobResumed",
    "JobCompleted",
    "JobFailed",
    "JobCancelled",
]
SILENCE = 5.0  # seconds without news after which the job is asked for
PATIENCE = 12  # attempts to meet a daemon again that went away
_BAR = "sd_client.cli.bars:Bar"
_LINES = "sd_client.cli.progress:Lines"
_AWAY = (ConnectionLost, ConnectionRefused, DaemonNotRunning, ShuttingDown, TimeoutError)


class View(msgspec.Struct, frozen=True):
    """A job at one moment."""

    name: str
    status: JobStatus
    progress: float  # 0 to 1
    phase: str = ""
    message: str = ""
    completed: int = 0
    total: int = 0
    rate: float = 0.0
    size: int = 0  # bytes done
    speed: float = 0.0  # bytes per second
    left: float | None = None  # seconds

    @property
    def line(self) -> str:
        """How far it is, in words."""
        parts = [f"{self.progress:4.0%}", self.phase]
        if self.total > 1:
            parts.append(f"{number(self.completed)} of {number(self.total)}")
        elif self.completed:
            parts.append(number(self.completed))
        if self.rate >= 1:
            parts.append(f"{number(int(self.rate))}/s")
        return "  ".join(part for part in parts if part)


def view_of(info: JobInfo) -> View:
    """The job as the daemon describes it."""
    base = View(info.name, info.status, info.progress, message=info.error_message or "")
    return _with(base, info.generic_progress)


def _with(view: View, progress: GenericProgress | None) -> View:
    if progress is None:
        return view
    left = progress.performance.estimated_remaining
    return msgspec.structs.replace(
        view,
        phase=progress.phase,
        message=view.message or progress.message,
        completed=progress.completion.completed,
        total=progress.completion.total,
        rate=progress.performance.rate,
        size=progress.completion.bytes_completed or 0,
        speed=progress.performance.bytes_per_second or 0.0,
        left=None if left is None else left.secs + left.nanos / 1e9,
    )


def views(session: Session, job: UUID) -> Iterator[View]:
    """The job now, and whenever it has moved, to its end."""
    failures = 0
    while True:
        try:
            for view in _until_silence(session, job):
                failures = 0
                yield view
                if view.status in FINAL:
                    return
        except _AWAY as reason:
            failures += not isinstance(reason, TimeoutError)
            if failures > PATIENCE:
                raise
            time.sleep(min(0.05 * 2**failures, 2.0) if failures else 0)


def _until_silence(session: Session, job: UUID) -> Iterator[View]:
    listener = session.connect(timeout=SILENCE)
    try:
        with listener.subscribe_events(EVENTS, EventFilter(job_id=str(job))) as event_stream:
            view = view_of(ask(session, job))
            yield view
            for happened in event_stream:
                event = happened.event
                if isinstance(event, JobProgress):
                    view = msgspec.structs.replace(
                        view, status=JobStatus.RUNNING, progress=event.progress
                    )
                    view = _with(view, event.generic_progress)
                else:
                    view = view_of(ask(session, job))
                yield view
    finally:
        listener.close()


def ask(session: Session, job: UUID) -> JobInfo:
    """The job, or JobNotFound."""
    info = session.call(GetJob(job))
    if info is None:
        raise JobNotFound(job=job)
    return info


def watch(session: Session, job: UUID) -> None:
    """Show a job until it is over; end the command with how it went."""
    last = _shown(session, job, load(_BAR if _has_bar(session) else _LINES)(session.output))
    _end(session, job, last)


def followed(session: Session, job: UUID) -> JobInfo:
    """The job when it is over. A person sees meanwhile how far it is, a program nothing."""
    _shown(session, job, load(_BAR)(session.output) if _has_bar(session) else None)
    return ask(session, job)


def _has_bar(session: Session) -> bool:
    output = session.output
    return output.remarks_to_terminal and not output.json and not output.quiet


def _shown(session: Session, job: UUID, display: Any) -> View | None:
    """Show a job until it is over; how it was seen last."""
    output = session.output
    short = str(job)[:8]
    last: View | None = None
    try:
        with display or nullcontext():
            for last in views(session, job):
                if display is not None:
                    display.show(last)
    except KeyboardInterrupt:
        output.remark(f"the job goes on: 'sd job watch {short}' shows it again,")
        output.remark(f"'sd job pause {short}' and 'sd job cancel {short}' stop it")
        click.get_current_context().exit(ExitStatus.INTERRUPTED)
    return last


def _end(session: Session, job: UUID, last: View | None) -> None:
    output = session.output
    info = ask(session, job)
    if output.json:
        output.document(info)
    else:
        output.line(output.safe(_summary(info, last)))
        for warning in info.warnings[:10]:
            output.remark(f"note: {warning}")
    if info.status is JobStatus.FAILED:
        fail(output, info)
    if info.status is not JobStatus.COMPLETED:
        raise Exit(ExitStatus.FAILED)


def fail(output: Output, info: JobInfo) -> NoReturn:
    """Say why a job did not succeed and what to do about it, and end the command as that error
    does."""
    text = info.error_message or f"the job was {info.status}"
    details = ErrorDetails(info.error_code or "", fields=info.error_fields)
    known = from_wire(SdError.kind, text, details)
    output.problem(known)
    raise Exit(known.exit_status)


def _summary(info: JobInfo, last: View | None) -> str:
    text = f"{info.name} {info.status}"
    if info.started_at and info.completed_at:
        text += f" in {span((info.completed_at - info.started_at).total_seconds())}"
    if info.status is JobStatus.FAILED:
        return text
    message = last.message if last else ""
    return f"{text}: {message}" if message else text
