"""Requests and replies as they stand on the wire.

A request is a bare word (`"Ping"`) or an object with one key that names it
(`{"Query": {"method": ..., "library_id": ..., "payload": ...}}`). Ours: an `"id"` beside that key
comes back beside the reply's key, and lets the reply carry what existing clients would stumble
over: error details, the number and time of an event, what a subscription has to say at its start.

How a message becomes bytes is the affair of `sd_wire.encoding`.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec

from sd_wire.errors import ErrorDetails
from sd_wire.operation import doc
from sd_wire.types.paths import SdPath
from sd_wire.types.peers import PeerInfo

PROTOCOL_VERSION = 1

MAX_LINE = 8 * 1024 * 1024
"""Bytes of a message, both ways. Swift clients give up at 10 MiB."""

MAX_DEPTH = 128
"""Arrays and objects inside each other in one request. The deepest real one has 12."""

MAX_VALUES = 262_144
"""Members of all arrays and objects in one request. A path of usual length costs four; so many
paths as fit into a message are half of it."""

MAX_PENDING = 1024
"""Requests of one connection that are not answered yet, its subscriptions, the operations in one
batch, and the event types in one subscription."""

RequestId = (
    Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
    | Annotated[str, msgspec.Meta(max_length=256)]
)
"""What both encodings can carry, and what an error can repeat whole."""
Id = RequestId | msgspec.UnsetType
Unset = msgspec.UnsetType

Milliseconds = Annotated[int, msgspec.Meta(ge=1, le=86_400_000)]
Version = Annotated[int, msgspec.Meta(ge=1)]
MAX_CORRELATION = 128  # characters
CorrelationId = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_CORRELATION)]
Sequence = Annotated[int, msgspec.Meta(ge=0)]
EncodingName = Literal["json", "messagepack"]


# --- requests ------------------------------------------------------------------------------------


class Call(msgspec.Struct, gc=False):
    """A query or an action. The method decides which; the envelope's word is not compared."""

    method: str
    library_id: Annotated[str | None, doc("any spelling of a UUID")] = None
    payload: msgspec.Raw | Unset = msgspec.UNSET


class EventFilter(msgspec.Struct):
    """Which events a subscription gets. Every field that is set must match."""

    library_id: UUID | None = None
    job_id: str | None = None
    device_id: UUID | None = None
    resource_type: str | None = None
    path_scope: SdPath | None = None
    include_descendants: bool | None = None


def uuid_named(text: str) -> str | None:
    """A UUID in the one spelling of the many it has that events and records have; None where the
    text is none."""
    try:
        return str(UUID(text))
    except ValueError:
        return None


class Subscribe(msgspec.Struct):
    """Send events from now on. No types means all that existing clients know."""

    event_types: Annotated[list[str], msgspec.Meta(max_length=MAX_PENDING)] = []
    filter: EventFilter | None = None
    after: Annotated[Sequence | None, doc("first those that came after this number")] = None  # ours
    stream: Annotated[UUID | None, doc("which numbering `after` is of")] = None  # ours
    initial: Annotated[bool, doc("first the state as it is now")] = False  # ours


class LogFilter(msgspec.Struct):
    """Which log records are sent: at least this level, this target or below it."""

    library_id: UUID | None = None
    job_id: str | None = None
    level: str | None = None
    target: str | None = None
    correlation_id: Annotated[str | None, doc("what one request caused")] = None  # ours


class SubscribeLogs(msgspec.Struct):
    """Send log records from now on."""

    filter: LogFilter | None = None
    last: Annotated[int, msgspec.Meta(ge=0, le=100_000)] | None = None  # ours: so many older ones
    since: Annotated[datetime, msgspec.Meta(tz=True)] | None = None  # ours: older ones from then on


class Hello(msgspec.Struct):
    """Who I am and how we shall speak. Another encoding than JSON has to be asked for first."""

    version: Version = PROTOCOL_VERSION
    encoding: EncodingName = "json"
    client: Annotated[str, msgspec.Meta(max_length=200)] = ""


class Cancel(msgspec.Struct):
    """Give up the request that has this id."""

    id: RequestId


class CallEnvelope(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """What is looked at of a request first: nearly all are one of these two, and nothing else."""

    Query: Call | Unset = msgspec.UNSET
    Action: Call | Unset = msgspec.UNSET
    id: Id = msgspec.UNSET
    timeout_ms: Milliseconds | Unset = msgspec.UNSET
    correlation_id: CorrelationId | Unset = msgspec.UNSET


class Envelope(msgspec.Struct, gc=False):
    """A request that is an object. Exactly one of the capitalised keys is there."""

    Query: Call | Unset = msgspec.UNSET
    Action: Call | Unset = msgspec.UNSET
    JsonQuery: Call | Unset = msgspec.UNSET
    JsonAction: Call | Unset = msgspec.UNSET
    Subscribe: Subscribe | Unset = msgspec.UNSET
    SubscribeLogs: SubscribeLogs | Unset = msgspec.UNSET
    Hello: Hello | Unset = msgspec.UNSET
    Cancel: Cancel | Unset = msgspec.UNSET
    Unsubscribe: Unset | None = msgspec.UNSET
    UnsubscribeLogs: Unset | None = msgspec.UNSET
    Ping: Unset | None = msgspec.UNSET
    Shutdown: Unset | None = msgspec.UNSET
    Batch: msgspec.Raw | Unset = msgspec.UNSET  # a list of these, read once its length is known
    id: Id = msgspec.UNSET
    timeout_ms: Milliseconds | Unset = msgspec.UNSET
    correlation_id: CorrelationId | Unset = msgspec.UNSET


class OnlyId(msgspec.Struct, gc=False):
    """What is wanted of a request that cannot be read otherwise."""

    id: Id = msgspec.UNSET


WORDS = frozenset({"Ping", "Shutdown", "Unsubscribe", "UnsubscribeLogs"})
"""Requests that may be a bare word."""


# --- replies -------------------------------------------------------------------------------------


class Done(msgspec.Struct, gc=False):
    """The result of a call, in JSON."""

    JsonOk: Any
    id: Id = msgspec.UNSET


class Packed(msgspec.Struct, gc=False):
    """The result of a call, in MessagePack: bytes that are a MessagePack document."""

    Ok: bytes
    id: Id = msgspec.UNSET


class Failed(msgspec.Struct):
    """An error: `{"Error": {"Kind": "text"}}`, with our details where the request had an id."""

    Error: dict[str, str]
    id: Id = msgspec.UNSET
    details: ErrorDetails | Unset = msgspec.UNSET


class Range(msgspec.Struct):
    """Numbers of events, both ends included."""

    first: int
    last: int


class Subscribed(msgspec.Struct):
    """How a subscription with an id begins."""

    stream: Annotated[
        UUID | None, doc("which numbering this is; another one after the data were replaced")
    ] = None
    sequence: Annotated[int, doc("the last event before this answer")] = 0
    gone: Annotated[Range | None, doc("what `after` asked for and is no longer kept")] = None
    warnings: Annotated[list[str], doc("names and filters that can never match")] = []


class CaughtUp(msgspec.Struct, gc=False):
    """What `after` and `initial` asked for was sent; what follows happens from now on."""

    sequence: int


class Lagged(msgspec.Struct, gc=False):
    """So many events of a subscription were dropped because its reader was too slow."""

    missed: int
    after: Annotated[
        int, doc("the last one before the gap: subscribe with it to get what is missing")
    ] = 0


class EventFacts(msgspec.Struct, omit_defaults=True):
    """What stands beside `"Event"` for a subscription that has an id."""

    sequence: Annotated[int, doc("grows with every event, also over restarts of the daemon")]
    time: datetime
    library_id: UUID | None
    device_id: Annotated[UUID | None, doc("the event's own, or else the daemon's")]
    correlation_id: Annotated[str | None, doc("the request that caused it")]
    initial: Annotated[bool, doc("the state when the subscription began, and not a change")] = False


class Limits(msgspec.Struct):
    """What one connection may do."""

    message_bytes: int = MAX_LINE
    depth: int = MAX_DEPTH
    values: int = MAX_VALUES
    pending: int = MAX_PENDING


class Welcome(msgspec.Struct):
    """The answer to Hello."""

    version: int
    daemon: Annotated[str, doc("its version")]
    instance: str | None
    encoding: EncodingName
    encodings: list[str]
    capabilities: list[str]
    limits: Limits
    peer: PeerInfo
    stream: UUID
    sequence: int


class Cancelled(msgspec.Struct, gc=False):
    """What became of a Cancel.

    `stopped`: the request is answered with the error `request-cancelled`. `carried-on`: an action
    that has begun is brought to its end and answered. `unknown`: no request with that id waits.
    """

    outcome: Literal["stopped", "carried-on", "unknown"]


CAPABILITIES = ("batch", "cancel", "correlation", "initial", "log-history", "resume", "timeout")


class Reply(msgspec.Struct, gc=False):
    """Any reply, as a client reads it. Exactly one of the capitalised keys is there."""

    JsonOk: msgspec.Raw | Unset = msgspec.UNSET
    Ok: list[int] | bytes | Unset = msgspec.UNSET
    Error: dict[str, str] | Unset = msgspec.UNSET
    Event: msgspec.Raw | Unset = msgspec.UNSET
    LogMessage: msgspec.Raw | Unset = msgspec.UNSET
    Lagged: Lagged | Unset = msgspec.UNSET
    CaughtUp: CaughtUp | Unset = msgspec.UNSET
    Hello: Welcome | Unset = msgspec.UNSET
    Cancelled: Cancelled | Unset | None = msgspec.UNSET
    Batch: list[Reply] | Unset = msgspec.UNSET
    Pong: Unset | None = msgspec.UNSET
    LogsSubscribed: Subscribed | Unset | None = msgspec.UNSET
    Subscribed: Subscribed | Unset | None = msgspec.UNSET
    Unsubscribed: Unset | None = msgspec.UNSET
    LogsUnsubscribed: Unset | None = msgspec.UNSET
    id: Id = msgspec.UNSET
    details: ErrorDetails | Unset = msgspec.UNSET
    sequence: int = 0
    time: datetime | None = None
    library_id: UUID | None = None
    device_id: UUID | None = None
    correlation_id: str | None = None
    initial: bool = False
