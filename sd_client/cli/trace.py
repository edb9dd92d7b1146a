"""`sd --trace COMMAND`: what the daemon did for a command, as it says itself.

All requests of the command bear one correlation id. When the command has ended, however it did, the
log records and the events that the daemon wrote under that id are put into one order, with the time
since the beginning: what the calls did, and what the jobs did that they started, to their end where
the command has waited for it. All of it goes to standard error.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

import msgspec

from sd_client.blocking import BlockingClient
from sd_client.cli.events import as_on_the_wire, gap_text, name_and_fields
from sd_client.occurrences import Gap
from sd_wire.errors import SdError
from sd_wire.events import Event as DeclaredEvent
from sd_wire.events import LogMessage, scope_of
from sd_wire.messages import CaughtUp, LogFilter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sd_client.cli.output import Output
    from sd_client.occurrences import Occurrence, Position

RECORDS = 10_000
"""Log records of one id that are shown at most."""

PATIENCE = 10.0
"""Seconds to wait for the daemon's next record."""


class Step(NamedTuple):
    """A log record or an event."""

    time: datetime
    text: str
    members: dict[str, Any]  # the same for --json


class Trace:
    """One command, followed."""

    def __init__(self, output: Output, socket_path: str) -> None:
        """Everything from here on belongs to it."""
        self.correlation_id = str(uuid4())
        self._output = output
        self._socket_path = socket_path
        self._began = datetime.now(UTC)
        with BlockingClient(socket_path, timeout=PATIENCE).subscribe_events() as events:
            self._position: Position | None = events.position
        output.aside(f"trace {self.correlation_id}", {"trace": self.correlation_id})

    def show(self) -> None:
        """What was done under its id."""
        try:
            events, jobs = self._events()
            steps = sorted([*events, *self._records(jobs)], key=lambda step: step.time)
        except (SdError, TimeoutError) as error:
            reason = str(error) or "the daemon does not answer"
            self._output.warn(f"the trace cannot be shown: {reason}")
            return
        for step in steps:
            seconds = (step.time - self._began).total_seconds()
            text = f"{seconds:+10.4f} s  {step.text}"
            self._output.aside(text, {"seconds": round(seconds, 6), **step.members})
        if not steps:
            self._output.warn("the daemon has neither logged nor published anything under this id")

    def _events(self) -> tuple[list[Step], set[str]]:
        """The events of the command and of the jobs that it started, and those jobs."""
        steps: list[Step] = []
        jobs: set[str] = set()
        for happened in self._history():
            job = _job_of(happened)
            if happened.correlation_id == self.correlation_id:
                jobs |= {job} if job else set()
            elif job not in jobs:
                continue
            name, fields = name_and_fields(happened)
            text = f"event  {name} {fields}".rstrip()
            steps.append(Step(happened.time or self._began, text, as_on_the_wire(happened)))
        return steps, jobs

    def _history(self) -> Iterator[Occurrence]:
        """The events since the beginning."""
        if self._position is None:
            return
        client = BlockingClient(self._socket_path, timeout=PATIENCE)
        with client.subscribe_events(after=self._position) as events:
            for happened in events:
                if isinstance(happened.event, CaughtUp):
                    return
                if isinstance(happened.event, Gap):
                    self._output.warn(gap_text(happened.event))
                else:
                    yield happened

    def _records(self, jobs: set[str]) -> list[Step]:
        wanted = [LogFilter(correlation_id=self.correlation_id)]
        wanted += [LogFilter(job_id=job) for job in sorted(jobs)]
        found = {raw: record for one in wanted for raw, record in self._log(one)}
        return [
            Step(record.timestamp, _record_text(record), {"LogMessage": msgspec.Raw(raw)})
            for raw, record in found.items()
        ]

    def _log(self, wanted: LogFilter) -> Iterator[tuple[bytes, LogMessage]]:
        client = BlockingClient(self._socket_path, timeout=PATIENCE)
        with client.subscribe_logs(wanted, last=RECORDS, since=self._began) as records:
            for one in records:
                if isinstance(one.record, CaughtUp):
                    return
                yield bytes(one.raw or b""), one.record


def _job_of(happened: Occurrence) -> str | None:
    return scope_of(happened.event).job_id if isinstance(happened.event, DeclaredEvent) else None


def _record_text(record: LogMessage) -> str:
    shown = {name: text for name, text in record.fields.items() if name != "correlation_id"}
    fields = " ".join(f"{name}={text}" for name, text in shown.items())
    return f"{record.level.lower():5}  {record.target}: {record.message} {fields}".rstrip()
