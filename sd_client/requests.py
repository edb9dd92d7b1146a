"""The messages that clients send, and what they read out of the replies.

Every request carries an id, also where only one is under way: the reply to a request with an id
brings the details of an error along, and an event its number and time.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec

from sd_client.reaching import failure_in
from sd_wire.encoding import JSON, Encoding
from sd_wire.errors import SdError, TooManyRequests, UnknownRequest
from sd_wire.messages import (
    MAX_PENDING,
    Call,
    Cancel,
    Envelope,
    Hello,
    Reply,
    RequestId,
    Subscribe,
    SubscribeLogs,
)
from sd_wire.operation import METHODS, Kind, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

R = TypeVar("R")

Document = msgspec.Raw | bytes
"""A result as it came: JSON, or bytes that hold MessagePack."""

LONGEST_TIMEOUT = 86_400.0

WORD_REPLIES = ("Pong", "Subscribed", "Unsubscribed", "LogsSubscribed", "LogsUnsubscribed")


class Wish(NamedTuple):
    """What one may ask beside the request itself."""

    library_id: object = None
    timeout: float | None = None
    correlation_id: str | None = None

    def put_beside(self, request: Envelope) -> Envelope:
        """With the keys that stand beside the request's."""
        if self.timeout is not None:
            request.timeout_ms = max(1, int(min(self.timeout, LONGEST_TIMEOUT) * 1000))
        if self.correlation_id is not None:
            request.correlation_id = self.correlation_id
        return request


NO_WISH = Wish()


def is_query(method: str) -> bool:
    """Whether calling this method twice is as good as calling it once."""
    operation = METHODS.get(method)
    return method.startswith("query:") if operation is None else operation.kind is Kind.QUERY


def _envelope(
    encoding: Encoding, request_id: RequestId, method: str, payload: Any, library_id: object
) -> Envelope:
    if not isinstance(payload, msgspec.Raw):
        payload = encoding.payload(payload)
    elif encoding is not JSON:  # there a payload is bytes that hold the document
        payload = msgspec.Raw(encoding.body(bytes(payload)))
    call = Call(method, None if library_id is None else str(library_id), payload)
    if is_query(method):
        return Envelope(Query=call, id=request_id)
    return Envelope(Action=call, id=request_id)


def call_message(
    encoding: Encoding, request_id: RequestId, method: str, payload: Any, wish: Wish = NO_WISH
) -> bytes:
    """A query or an action."""
    request = _envelope(encoding, request_id, method, payload, wish.library_id)
    return encoding.frame(wish.put_beside(request))


def batch_message(
    encoding: Encoding,
    request_id: RequestId,
    requests: Sequence[Request[Any]],
    wish: Wish = NO_WISH,
) -> bytes:
    """Several of them in one message."""
    if len(requests) > MAX_PENDING:
        raise TooManyRequests(limit=MAX_PENDING, pointer="/Batch")
    members = [
        _envelope(encoding, place, type(one).operation.method, one, wish.library_id)
        for place, one in enumerate(requests)
    ]
    batch = Envelope(Batch=msgspec.Raw(encoding.body(members)), id=request_id)
    return encoding.frame(wish.put_beside(batch))


def subscribe_message(
    encoding: Encoding, request_id: RequestId, wanted: Subscribe | SubscribeLogs
) -> bytes:
    """Send me events, or log records."""
    if isinstance(wanted, Subscribe):
        return encoding.frame(Envelope(Subscribe=wanted, id=request_id))
    return encoding.frame(Envelope(SubscribeLogs=wanted, id=request_id))


def hello_message(encoding: Encoding, request_id: RequestId, hello: Hello) -> bytes:
    """Who I am."""
    return encoding.frame(Envelope(Hello=hello, id=request_id))


def cancel_message(encoding: Encoding, request_id: RequestId, given_up: RequestId) -> bytes:
    """Nobody waits for the answer to an earlier request any more."""
    return encoding.frame(Envelope(Cancel=Cancel(given_up), id=request_id))


def word_message(encoding: Encoding, request_id: RequestId, name: str) -> bytes:
    """One of the requests without content, such as Ping."""
    return encoding.word(name, request_id)


# --- replies -------------------------------------------------------------------------------------


def result_of(reply: Reply) -> Document:
    """The document of the result. Raises the error that came instead."""
    error = failure_in(reply)
    if error is not None:
        raise error
    if reply.JsonOk is not msgspec.UNSET:
        return reply.JsonOk
    if isinstance(reply.Ok, bytes):
        return reply.Ok
    if reply.Ok is not msgspec.UNSET or acknowledges(reply):
        return msgspec.Raw(b"null")
    raise UnknownRequest(reason="the reply is neither a result nor an error")


def acknowledges(reply: Reply) -> bool:
    """Whether this is one of the words that a daemon says yes with."""
    return any(getattr(reply, name) is not msgspec.UNSET for name in WORD_REPLIES)


def decode_result(encoding: Encoding, request: Request[R], document: Document) -> R:
    """The result as the type that the operation declares."""
    result: R = _reader(encoding, type(request))(document)
    return result


def batch_results(
    encoding: Encoding, requests: Sequence[Request[R]], reply: Reply
) -> list[R | SdError]:
    """Of each member its result, or the error that came instead."""
    error = failure_in(reply)
    if error is not None:
        raise error
    answers = [] if reply.Batch is msgspec.UNSET else reply.Batch
    if len(answers) != len(requests):
        raise UnknownRequest(reason="the reply does not answer the batch")
    return [
        failure_in(answer) or decode_result(encoding, request, result_of(answer))
        for request, answer in zip(requests, answers, strict=True)
    ]


@lru_cache(maxsize=512)
def _reader(encoding: Encoding, request: type[Request[Any]]) -> Callable[[Document], Any]:
    return encoding.document_reader(request.operation.result)
