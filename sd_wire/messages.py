"""Requests and replies as they stand on the wire.

A request is a bare word (`"Ping"`) or an object with one key that names it
(`{"Query": {"method": ..., "library_id": ..., "payload": ...}}`). Ours: an `"id"` beside that key
comes back beside the reply's key, and lets the reply carry what existing clients would stumble
over: error details, and the number and time of an event.

Everything that leaves is one line of ASCII JSON. Clients decode chunk by chunk, and a character
that is cut in two would be lost on them.
"""

from __future__ import annotations

import codecs
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from sd_wire.errors import ErrorDetails, SdError
from sd_wire.types.paths import SdPath

if TYPE_CHECKING:
    from collections.abc import Mapping

RequestId = int | str
NO_ID: msgspec.UnsetType = msgspec.UNSET

MAX_LINE = 8 * 1024 * 1024
"""Bytes of a line, both ways. Swift clients give up at 10 MiB."""


class Call(msgspec.Struct, gc=False):
    """A query or an action. The method decides which; the envelope's word is not compared."""

    method: str
    library_id: str | None = None  # any spelling of a UUID
    payload: msgspec.Raw = msgspec.Raw(b"null")


class EventFilter(msgspec.Struct):
    """Which events a subscription gets. Every field that is set must match."""

    library_id: UUID | None = None
    job_id: str | None = None
    device_id: UUID | None = None
    resource_type: str | None = None
    path_scope: SdPath | None = None
    include_descendants: bool | None = None


class Subscribe(msgspec.Struct):
    """Send events from now on. No types means all that existing clients know."""

    event_types: list[str] = []
    filter: EventFilter | None = None


class LogFilter(msgspec.Struct):
    """Which log records are sent: at least this level, this target or below it."""

    library_id: UUID | None = None
    job_id: str | None = None
    level: str | None = None
    target: str | None = None


class SubscribeLogs(msgspec.Struct):
    """Send log records from now on."""

    filter: LogFilter | None = None


class Envelope(msgspec.Struct, gc=False):
    """A request that is an object. Exactly one of the capitalised keys is there."""

    Query: Call | msgspec.UnsetType = msgspec.UNSET
    Action: Call | msgspec.UnsetType = msgspec.UNSET
    id: RequestId | msgspec.UnsetType = msgspec.UNSET
    JsonQuery: Call | msgspec.UnsetType = msgspec.UNSET
    JsonAction: Call | msgspec.UnsetType = msgspec.UNSET
    Subscribe: Subscribe | msgspec.UnsetType = msgspec.UNSET
    SubscribeLogs: SubscribeLogs | msgspec.UnsetType = msgspec.UNSET
    Unsubscribe: msgspec.UnsetType | None = msgspec.UNSET
    UnsubscribeLogs: msgspec.UnsetType | None = msgspec.UNSET
    Ping: msgspec.UnsetType | None = msgspec.UNSET
    Shutdown: msgspec.UnsetType | None = msgspec.UNSET


WORDS = frozenset({"Ping", "Shutdown", "Unsubscribe", "UnsubscribeLogs"})
"""Requests that may be a bare word."""


class Done(msgspec.Struct, gc=False):
    """The result of a call."""

    JsonOk: Any
    id: RequestId | msgspec.UnsetType = msgspec.UNSET


class Failed(msgspec.Struct):
    """An error: `{"Error": {"Kind": "text"}}`, with our details where the request had an id."""

    Error: dict[str, str]
    id: RequestId | msgspec.UnsetType = msgspec.UNSET
    details: ErrorDetails | msgspec.UnsetType = msgspec.UNSET


class Happened(msgspec.Struct):
    """An event for a subscription that has an id."""

    Event: Any
    id: RequestId
    sequence: int  # of this daemon process; grows by one with every event
    time: datetime
    library_id: UUID | None = None
    correlation_id: str | None = None  # the request that caused it


class Lagged(msgspec.Struct, gc=False):
    """So many events of a subscription were dropped because its reader was too slow."""

    missed: int


class Reply(msgspec.Struct, gc=False):
    """Any reply, as a client reads it. Exactly one of the capitalised keys is there."""

    JsonOk: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    Error: dict[str, str] | msgspec.UnsetType = msgspec.UNSET
    Event: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    LogMessage: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    Lagged: Lagged | msgspec.UnsetType = msgspec.UNSET
    Ok: list[int] | msgspec.UnsetType = msgspec.UNSET
    Pong: msgspec.UnsetType | None = msgspec.UNSET
    Subscribed: msgspec.UnsetType | None = msgspec.UNSET
    Unsubscribed: msgspec.UnsetType | None = msgspec.UNSET
    LogsSubscribed: msgspec.UnsetType | None = msgspec.UNSET
    LogsUnsubscribed: msgspec.UnsetType | None = msgspec.UNSET
    id: RequestId | msgspec.UnsetType = msgspec.UNSET
    details: ErrorDetails | msgspec.UnsetType = msgspec.UNSET
    sequence: int = 0
    time: datetime | None = None
    library_id: UUID | None = None
    correlation_id: str | None = None


def _escape(error: UnicodeError) -> tuple[str, int]:
    """What is not ASCII as JSON escapes, in UTF-16 code units as RFC 8259 has it."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4)), error.end


codecs.register_error("json-escape", _escape)

_encode = msgspec.json.Encoder().encode


def line(message: Any) -> bytes:
    """A message as one line of ASCII JSON with its LF."""
    text = _encode(message)
    if not text.isascii():
        text = text.decode().encode("ascii", "json-escape")
    return text + b"\n"


def word(name: str, request_id: RequestId | msgspec.UnsetType) -> bytes:
    """An acknowledgement: `"Pong"`, or `{"Pong":null,"id":7}` where the request had an id."""
    if request_id is msgspec.UNSET:
        return line(name)
    return line({name: None, "id": request_id})


def failure(error: SdError, request_id: RequestId | msgspec.UnsetType) -> bytes:
    """An error as a reply."""
    kind, text, details = error.to_wire()
    known = request_id is not msgspec.UNSET
    return line(Failed({kind: text}, request_id, details if known else msgspec.UNSET))


def payload_of(fields: Mapping[str, Any] | msgspec.Struct | None) -> msgspec.Raw:
    """A payload for `Call`."""
    return msgspec.Raw(_encode(fields))
