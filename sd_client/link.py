"""One connection of the async client: lines out, replies handed to whoever waits for their id.

A link lives once. It is OPEN from `open_link` to the moment either side ends it; then everything
that waits gets ConnectionLost, every stream is told, and the client makes a new link.
"""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING

import msgspec

from sd_client.reaching import check_length, failure_in, unreachable
from sd_wire.connection import ClientConnection
from sd_wire.errors import ConnectionLost, SdError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sd_wire.messages import Reply, RequestId


class Link(asyncio.Protocol):
    """A connected socket."""

    def __init__(self, on_lost: Callable[[], None]) -> None:
        self._on_lost = on_lost
        self._connection = ClientConnection()
        self._transport: asyncio.Transport | None = None
        self._waiting: dict[RequestId, asyncio.Future[Reply]] = {}
        self._streams: dict[RequestId, Callable[[Reply], None]] = {}
        self._ids = itertools.count(1)
        self._writable = asyncio.Event()

    def __repr__(self) -> str:
        state = "open" if self.is_open else "closed"
        return f"<Link {state}, {len(self._waiting)} waiting, {len(self._streams)} streams>"

    @property
    def is_open(self) -> bool:
        """Whether something can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    def next_id(self) -> int:
        """An id that no other request of this link has."""
        return next(self._ids)

    async def request(self, request_id: RequestId, data: bytes) -> Reply:
        """Send a line and wait for the reply with this id. A cancelled wait leaves nothing behind:
        the reply, when it comes, is dropped."""
        await self._writable.wait()
        if not self.is_open or self._transport is None:
            raise ConnectionLost
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting[request_id] = answer
        try:
            self._transport.write(data)
            return await answer
        finally:
            self._waiting.pop(request_id, None)

    def open_stream(self, request_id: RequestId, receive: Callable[[Reply], None]) -> None:
        """Hand every later reply with this id, besides the first answer, to `receive`."""
        self._streams[request_id] = receive

    def close_stream(self, request_id: RequestId) -> None:
        """Drop what still comes for this id."""
        self._streams.pop(request_id, None)

    def send(self, data: bytes) -> None:
        """Send a line whose answer nobody waits for."""
        if self._transport is not None and self.is_open:
            self._transport.write(data)

    def close(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.close()

    # --- called by the event loop -------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        try:
            replies = self._connection.receive(data)
        except SdError as error:
            self._end(error)
            self.close()
            return
        for reply in replies:
            self._hand_out(reply)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._end(ConnectionLost())
        self._on_lost()

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def _hand_out(self, reply: Reply) -> None:
        if reply.id is msgspec.UNSET:
            self._without_id(reply)
            return
        answer = self._waiting.get(reply.id)
        if answer is not None and not answer.done():
            answer.set_result(reply)
        elif (receive := self._streams.get(reply.id)) is not None:
            receive(reply)

    def _without_id(self, reply: Reply) -> None:
        # Everything we send has an id, so this is about the connection as a whole: the daemon
        # could not read a line of ours, or is full. Whoever waits learns it.
        error = failure_in(reply)
        if error is not None:
            self._end(error)

    def _end(self, error: SdError) -> None:
        self._writable.set()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(error)


async def open_link(socket_path: str, on_lost: Callable[[], None]) -> Link:
    """Connect. Raises DaemonNotRunning, SocketPermissionDenied or ConnectionRefused."""
    check_length(socket_path)
    loop = asyncio.get_running_loop()
    try:
        _, link = await loop.create_unix_connection(lambda: Link(on_lost), socket_path)
    except OSError as error:
        raise unreachable(error, socket_path) from error
    return link
