"""What a subscription brings: events, log records, and where something is missing.

Both clients yield these. `position` is what a program stores to go on after its own restart.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar
from uuid import UUID

import msgspec

from sd_wire.events import EVENTS, Event, LogMessage, VolumeAdded
from sd_wire.types.volumes import Volume

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sd_wire.encoding import Encoding
    from sd_wire.messages import CaughtUp, Reply


class Position(msgspec.Struct, frozen=True):
    """A place in the order of all events: everything up to and with this number was seen."""

    sequence: int
    stream: UUID | None = None  # which numbering it is of; None where that is not known


class Gap(msgspec.Struct, frozen=True):
    """Events that cannot be had any more, both ends included. What follows is complete again;
    whoever keeps a copy of the daemon's state asks for it anew here."""

    first: int
    last: int
    # gone: the daemon keeps only so much; replaced: its data are others now, with numbers of their
    # own; unknown: a daemon that does not number its subscriptions.
    reason: Literal["gone", "replaced", "unknown"] = "gone"


class UnknownEvent(msgspec.Struct, frozen=True):
    """An event that this version of the client does not know."""

    name: str
    fields: Any


class Occurrence(NamedTuple):
    """What a subscription to events yields. `raw` is the event as it came, in JSON or, where that
    was agreed on, in MessagePack."""

    event: Event | UnknownEvent | Gap | CaughtUp
    sequence: int = 0
    time: datetime | None = None
    library_id: UUID | None = None
    device_id: UUID | None = None
    correlation_id: str | None = None  # the request that caused it
    initial: bool = False  # the state as it was at the beginning, and not a change
    raw: msgspec.Raw | None = None


class LogRecord(NamedTuple):
    """What a subscription to log records yields."""

    record: LogMessage | CaughtUp
    raw: msgspec.Raw | None = None


def event_in(raw: msgspec.Raw, encoding: Encoding) -> Event | UnknownEvent:
    """The event behind an `"Event"` key."""
    found = _reader(encoding)(bytes(raw))
    name, fields = (found, {}) if isinstance(found, str) else next(iter(found.items()))
    declared = EVENTS.get(name)
    if declared is None:
        return UnknownEvent(name, fields)
    try:
        if declared is VolumeAdded:  # the one whose body is not its fields
            return VolumeAdded(msgspec.convert(fields, Volume))
        return msgspec.convert(fields, declared)
    except msgspec.ValidationError:  # of a daemon whose event of that name is another one
        return UnknownEvent(name, fields)


def occurrence(raw: msgspec.Raw, reply: Reply, encoding: Encoding) -> Occurrence:
    """The event that a reply brings."""
    return Occurrence(
        event_in(raw, encoding),
        reply.sequence,
        reply.time,
        reply.library_id,
        reply.device_id,
        reply.correlation_id,
        reply.initial,
        raw,
    )


def log_record(raw: msgspec.Raw, encoding: Encoding) -> LogRecord:
    """The log record that a reply brings."""
    return LogRecord(msgspec.convert(_reader(encoding)(bytes(raw)), LogMessage), raw)


Item = TypeVar("Item", Occurrence, LogRecord)


@cache
def _reader(encoding: Encoding) -> Callable[[bytes], Any]:
    return encoding.document_reader(Any)
