"""A client for programs that do one thing at a time, such as the `sd` command.

    with BlockingClient(socket_path) as core:
        print(core.call(GetStatus()).version)
        with core.subscribe_events(["JobCompleted"], resume=True) as event_stream:
            for happened in event_stream:
                print(happened.event)

No event loop and no asyncio: importing that alone takes longer than the whole conversation. Calls
go out one by one on one connection. A subscription has a connection of its own, so that calls go on
while it is read.

A call whose connection is lost fails with ConnectionLost, and the next call connects again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from sd_client.blocking_link import BlockingLink
from sd_client.blocking_streams import BlockingSubscription
from sd_client.requests import (
    Wish,
    batch_message,
    batch_results,
    call_message,
    decode_result,
    result_of,
    word_message,
)
from sd_client.resuming import EventCourse, LogCourse
from sd_wire.encoding import JSON
from sd_wire.errors import DeadlineExceeded, SdError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from types import TracebackType
    from uuid import UUID

    from sd_client.occurrences import LogRecord, Occurrence, Position
    from sd_wire.encoding import Encoding
    from sd_wire.messages import EventFilter, LogFilter, Reply, RequestId
    from sd_wire.operation import Request

R = TypeVar("R")


class BlockingClient:
    """The daemon behind a socket.

    `timeout` is in seconds, for each answer and for each item of a subscription, and ends in
    TimeoutError; None waits for as long as it takes. What the daemon logs and publishes on behalf
    of the calls bears the `correlation_id`.
    """

    def __init__(
        self,
        socket_path: str,
        *,
        timeout: float | None = None,
        correlation_id: str | None = None,
    ) -> None:
        self.socket_path = socket_path
        self.timeout = timeout
        self.correlation_id = correlation_id
        self._link: BlockingLink | None = None

    def __repr__(self) -> str:
        state = "connected" if self._link is not None and self._link.is_open else "closed"
        return f"<BlockingClient {state} {self.socket_path!r}>"

    def __enter__(self) -> BlockingClient:
        self.connect()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def connect(self) -> None:
        """Raises DaemonNotRunning, SocketPermissionDenied or ConnectionRefused."""
        self._connected()

    def close(self) -> None:
        """End the connection. Closing twice is allowed."""
        if self._link is not None:
            self._link.close()
            self._link = None

    def call(
        self,
        request: Request[R],
        *,
        library_id: UUID | str | None = None,
        timeout: float | None = None,
    ) -> R:
        """Ask, and wait for the result; `timeout` where this call may take another time."""
        method = type(request).operation.method
        document = self.call_raw(method, request, library_id, timeout=timeout)
        return decode_result(JSON, request, document)

    def call_raw(
        self,
        method: str,
        payload: Any = None,
        library_id: UUID | str | None = None,
        *,
        timeout: float | None = None,
    ) -> msgspec.Raw:
        """Ask by the name on the wire. The result is the JSON as it came."""
        wish = self._wish(library_id, timeout)
        reply = self._ask(
            lambda encoding, n: call_message(encoding, n, method, payload, wish), timeout
        )
        document = result_of(reply)
        assert isinstance(document, msgspec.Raw)
        return document

    def batch(
        self,
        requests: Sequence[Request[R]],
        *,
        library_id: UUID | str | None = None,
        timeout: float | None = None,
    ) -> list[R | SdError]:
        """Several calls in one message, carried out one after the other. What comes back are their
        results in that order, and in the place of a call that failed its error."""
        wish = self._wish(library_id, timeout)
        reply = self._ask(lambda encoding, n: batch_message(encoding, n, requests, wish), timeout)
        return batch_results(JSON, requests, reply)

    def ping(self) -> None:
        """Returns when the daemon answers."""
        result_of(self._ask(lambda encoding, n: word_message(encoding, n, "Ping")))

    def shutdown(self) -> None:
        """Tell the daemon to end. It has accepted that when this returns."""
        result_of(self._ask(lambda encoding, n: word_message(encoding, n, "Shutdown")))

    def subscribe_events(
        self,
        event_types: list[str] | None = None,
        event_filter: EventFilter | None = None,
        *,
        after: Position | None = None,
        initial: bool = False,
        resume: bool = False,
    ) -> BlockingSubscription[Occurrence]:
        """Events of these types; without types, all that are not only sent by name. The
        subscription stands when this returns: what happens after that is not missed.

        `after`: first those that came after a position. `initial`: first the state as it is now.
        Either is followed by one CaughtUp. `resume`: after a lost connection, wait for the daemon
        and go on behind the last event; otherwise that is ConnectionLost.
        """
        course = EventCourse(event_types, event_filter, after, initial=initial)
        return BlockingSubscription(self.socket_path, course, self.timeout, resume=resume)

    def subscribe_logs(
        self,
        log_filter: LogFilter | None = None,
        *,
        last: int | None = None,
        since: datetime | None = None,
        resume: bool = False,
    ) -> BlockingSubscription[LogRecord]:
        """Records of the daemon's log. `last` and `since`: first so many of the past, or those
        from a time on, followed by one CaughtUp. `resume` as for events."""
        course = LogCourse(log_filter, last, since)
        return BlockingSubscription(self.socket_path, course, self.timeout, resume=resume)

    def _wish(self, library_id: object, timeout: float | None) -> Wish:
        limit = self.timeout if timeout is None else timeout
        return Wish(library_id, limit, self.correlation_id)

    def _connected(self) -> BlockingLink:
        if self._link is None or not self._link.is_open:
            self._link = BlockingLink(self.socket_path, self.timeout)
        return self._link

    def _ask(
        self, message: Callable[[Encoding, RequestId], bytes], timeout: float | None = None
    ) -> Reply:
        link = self._connected()
        request_id = link.send(message)
        limit = self.timeout if timeout is None else timeout
        try:
            while True:
                reply = link.receive(limit)
                # A failure without an id is about the message as a whole; only one is under way.
                if reply.id == request_id or reply.Error is not msgspec.UNSET:
                    return _in_time(reply)
        except TimeoutError:
            # Its answer must not be taken for that of the next one, and this way the daemon learns
            # that nobody waits any more.
            link.close()
            raise


def _in_time(reply: Reply) -> Reply:
    if reply.details is not msgspec.UNSET and reply.details.code == DeadlineExceeded.code:
        raise TimeoutError("the daemon did not answer in time")
    return reply
