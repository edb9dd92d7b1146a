"""A client for programs that do one thing at a time, such as the `sd` command.

One socket, one thread, no event loop: importing asyncio alone takes longer than the whole
conversation. Requests go out one by one; while a subscription is read, nothing else may be asked
on the same client.
"""

from __future__ import annotations

import itertools
import socket
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from sd_client.reaching import check_length, failure_in, unreachable
from sd_client.requests import (
    acknowledges,
    call_line,
    decode_result,
    result_of,
    subscribe_line,
    subscribe_logs_line,
    word_line,
)
from sd_wire.connection import ClientConnection
from sd_wire.errors import ConnectionLost

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from uuid import UUID

    from sd_wire.messages import EventFilter, LogFilter, Reply, RequestId
    from sd_wire.operation import Request

R = TypeVar("R")

READ_SIZE = 1 << 16


class BlockingClient:
    """A connection to the daemon behind a socket.

    `timeout` is in seconds and counts from one piece of an answer to the next; None waits for as
    long as it takes.
    """

    def __init__(self, socket_path: str, *, timeout: float | None = None) -> None:
        self.socket_path = socket_path
        self.timeout = timeout
        self._socket: socket.socket | None = None
        self._connection = ClientConnection()
        self._unread: list[Reply] = []
        self._ids = itertools.count(1)

    def __repr__(self) -> str:
        state = "connected" if self._socket else "closed"
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
        if self._socket is not None:
            return
        check_length(self.socket_path)
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            made.settimeout(self.timeout)
            made.connect(self.socket_path)
        except OSError as error:
            made.close()
            raise unreachable(error, self.socket_path) from error
        self._socket = made
        self._connection = ClientConnection()
        self._unread = []

    def close(self) -> None:
        """End the connection. Closing twice is allowed."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def call(self, request: Request[R], *, library_id: UUID | str | None = None) -> R:
        """Ask, and wait for the result."""
        method = type(request).operation.method
        return decode_result(request, self.call_raw(method, request, library_id))

    def call_raw(
        self, method: str, payload: Any = None, library_id: UUID | str | None = None
    ) -> msgspec.Raw:
        """Ask by the name on the wire. The result is the JSON as it came."""
        request_id = next(self._ids)
        return self._ask(call_line(method, payload, library_id, request_id), request_id)

    def ping(self) -> None:
        """Returns when the daemon answers."""
        request_id = next(self._ids)
        self._ask(word_line("Ping", request_id), request_id)

    def shutdown(self) -> None:
        """Tell the daemon to end. It has accepted that when this returns."""
        request_id = next(self._ids)
        self._ask(word_line("Shutdown", request_id), request_id)

    def subscribe(
        self, event_types: list[str] | None = None, event_filter: EventFilter | None = None
    ) -> Iterator[Reply]:
        """Events, from now on, until the connection ends. The subscription stands when this
        returns: what happens after that is not missed."""
        request_id = next(self._ids)
        return self._stream(subscribe_line(event_types or [], event_filter, request_id), request_id)

    def subscribe_logs(self, log_filter: LogFilter | None = None) -> Iterator[Reply]:
        """Log records, from now on, until the connection ends."""
        request_id = next(self._ids)
        return self._stream(subscribe_logs_line(log_filter, request_id), request_id)

    def _stream(self, request: bytes, request_id: RequestId) -> Iterator[Reply]:
        self._ask(request, request_id)
        return self._read_stream(request_id)

    def _read_stream(self, request_id: RequestId) -> Iterator[Reply]:
        while True:
            reply = self._next_reply()
            if reply.id != request_id:
                continue
            error = failure_in(reply)
            if error is not None:
                raise error
            if not acknowledges(reply):
                yield reply

    def _ask(self, request: bytes, request_id: RequestId) -> msgspec.Raw:
        self._send(request)
        while True:
            reply = self._next_reply()
            # A failure without an id is about the line as a whole, and only one is under way.
            if reply.id == request_id or reply.Error is not msgspec.UNSET:
                return result_of(reply)

    def _send(self, request: bytes) -> None:
        self.connect()
        assert self._socket is not None
        try:
            self._socket.sendall(request)
        except TimeoutError:
            self.close()
            raise
        except OSError as error:
            self.close()
            raise ConnectionLost from error

    def _next_reply(self) -> Reply:
        while not self._unread:
            self._unread = self._connection.receive(self._receive())
            self._unread.reverse()
        return self._unread.pop()

    def _receive(self) -> bytes:
        if self._socket is None:
            raise ConnectionLost
        try:
            data = self._socket.recv(READ_SIZE)
        except TimeoutError:
            self.close()
            raise
        except OSError as error:
            self.close()
            raise ConnectionLost from error
        if not data:
            self.close()
            raise ConnectionLost
        return data
