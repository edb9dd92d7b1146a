"""The lines that clients send, and what they read out of the replies.

Every request carries an id, also where only one is under way: the reply to a request with an id
brings the details of an error along, and an event its number and time.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from sd_client.reaching import failure_in
from sd_wire.encoding import JSON
from sd_wire.errors import UnknownRequest
from sd_wire.messages import (
    Call,
    Envelope,
    EventFilter,
    LogFilter,
    Reply,
    RequestId,
    Subscribe,
    SubscribeLogs,
)
from sd_wire.operation import METHODS, Kind, Request

R = TypeVar("R")

WORD_REPLIES = ("Pong", "Subscribed", "Unsubscribed", "LogsSubscribed", "LogsUnsubscribed")


def is_query(method: str) -> bool:
    """Whether calling this method twice is as good as calling it once."""
    operation = METHODS.get(method)
    return method.startswith("query:") if operation is None else operation.kind is Kind.QUERY


def call_line(method: str, payload: Any, library_id: object, request_id: RequestId) -> bytes:
    """A query or an action."""
    raw = payload if isinstance(payload, msgspec.Raw) else JSON.payload(payload)
    call = Call(method, None if library_id is None else str(library_id), raw)
    if is_query(method):
        return JSON.frame(Envelope(Query=call, id=request_id))
    return JSON.frame(Envelope(Action=call, id=request_id))


def subscribe_line(
    event_types: list[str], event_filter: EventFilter | None, request_id: RequestId
) -> bytes:
    """Send me events."""
    return JSON.frame(Envelope(Subscribe=Subscribe(event_types, event_filter), id=request_id))


def subscribe_logs_line(log_filter: LogFilter | None, request_id: RequestId) -> bytes:
    """Send me log records."""
    return JSON.frame(Envelope(SubscribeLogs=SubscribeLogs(log_filter), id=request_id))


def word_line(name: str, request_id: RequestId) -> bytes:
    """One of the requests without content, such as Ping."""
    return JSON.frame({name: None, "id": request_id})


def result_of(reply: Reply) -> msgspec.Raw:
    """The JSON of the result. Raises the error that came instead."""
    error = failure_in(reply)
    if error is not None:
        raise error
    if reply.JsonOk is msgspec.UNSET:
        if reply.Ok is not msgspec.UNSET or acknowledges(reply):
            return msgspec.Raw(b"null")
        raise UnknownRequest(reason="the reply is neither a result nor an error")
    return reply.JsonOk


def acknowledges(reply: Reply) -> bool:
    """Whether this is one of the bare words that a daemon says yes with."""
    return any(getattr(reply, name) is None for name in WORD_REPLIES)


def decode_result(request: Request[R], raw: msgspec.Raw) -> R:
    """The result as the type that the operation declares."""
    result: R = msgspec.json.decode(raw, type=type(request).operation.result)
    return result
