"""One connection of the async client: requests out, replies handed to whoever waits for their id.

A link lives once. It is OPEN from `open_link` to the moment either side ends it; then everything
that waits gets ConnectionLost, its owner is told, and makes a new link.
"""

from __future__ import annotations

import asyncio
import itertools
from typing import TYPE_CHECKING, cast

import msgspec

from sd_client.reaching import check_length, failure_in, unreachable
from sd_client.requests import cancel_message, hello_message, result_of, word_message
from sd_wire.connection import ClientConnection
from sd_wire.errors import ConnectionLost, SdError, UnknownFailure, UnknownRequest
from sd_wire.messages import MAX_PENDING

if TYPE_CHECKING:
    from collections.abc import Callable

    from sd_wire.encoding import Encoding
    from sd_wire.messages import Hello, Reply, RequestId, Welcome

    Message = Callable[[Encoding, RequestId], bytes]
    """What makes a request of its id."""

    Receive = Callable[[Reply, Encoding], None]


class Link(asyncio.Protocol):
    """A connected socket."""

    def __init__(self, on_lost: Callable[[], None]) -> None:
        self.welcome: Welcome | None = None  # who the daemon said it is
        self._on_lost = on_lost
        self._connection = ClientConnection()
        self._transport: asyncio.Transport | None = None
        self._waiting: dict[RequestId, asyncio.Future[Reply]] = {}
        self._streams: dict[RequestId, Receive] = {}
        self._ids = itertools.count(1)
        self._writable = asyncio.Event()
        # More than this the daemon refuses; whoever comes then waits here instead.
        self._room = asyncio.Semaphore(MAX_PENDING)
        self.pending = 0  # requests that wait for their answers, or for room

    def __repr__(self) -> str:
        state = "open" if self.is_open else "closed"
        return f"<Link {state}, {self.pending} waiting, {self.streams} streams>"

    @property
    def is_open(self) -> bool:
        """Whether something can be sent."""
        return self._transport is not None and not self._transport.is_closing()

    @property
    def encoding(self) -> Encoding:
        """How messages are written here."""
        return self._connection.encoding

    @property
    def streams(self) -> int:
        """How many subscriptions there are."""
        return len(self._streams)

    async def greet(self, hello: Hello) -> None:
        """Say who we are, and go on in the encoding that was agreed on. A daemon that does not
        know this request can be talked to all the same."""
        reply = await self.request(lambda encoding, n: hello_message(encoding, n, hello))
        error = failure_in(reply)
        if isinstance(error, UnknownRequest | UnknownFailure):
            return
        if error is not None:
            raise error
        if reply.Hello is not msgspec.UNSET:
            self.welcome = reply.Hello  # the connection has followed what it says already

    async def request(self, message: Message) -> Reply:
        """Send a request and wait for its reply. Whoever stops waiting gives the request up: the
        daemon is told, and the reply, when it comes, is dropped."""
        self.pending += 1
        try:
            async with self._room:
                return await self._send_and_wait(next(self._ids), message)
        finally:
            self.pending -= 1

    async def subscribe(self, message: Message, receive: Receive) -> RequestId:
        """Begin a subscription: its replies, the first one too, go to `receive` in their order."""
        request_id = next(self._ids)
        self._streams[request_id] = receive
        try:
            result_of(await self._send_and_wait(request_id, message))
        except BaseException:
            self._streams.pop(request_id, None)
            raise
        return request_id

    def unsubscribe(self, request_id: RequestId, word: str) -> None:
        """End a subscription, and drop what still comes of it."""
        if self._streams.pop(request_id, None) is not None:
            self._send(word_message(self.encoding, request_id, word))

    def close(self) -> None:
        """End the connection."""
        if self._transport is not None:
            self._transport.close()

    async def _send_and_wait(self, request_id: RequestId, message: Message) -> Reply:
        await self._writable.wait()
        if not self.is_open or self._transport is None:
            raise ConnectionLost
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        data = message(self.encoding, request_id)
        self._waiting[request_id] = answer
        try:
            self._transport.write(data)
            return await answer
        except asyncio.CancelledError:
            self._give_up(request_id)
            raise
        finally:
            self._waiting.pop(request_id, None)

    def _give_up(self, request_id: RequestId) -> None:
        if request_id in self._streams:
            self._send(word_message(self.encoding, request_id, "Unsubscribe"))
            self._send(word_message(self.encoding, request_id, "UnsubscribeLogs"))
        else:
            self._send(cancel_message(self.encoding, next(self._ids), request_id))

    def _send(self, data: bytes) -> None:
        """Send what nobody waits for an answer to."""
        if self._transport is not None and self.is_open:
            self._transport.write(data)

    # --- called by the event loop -------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of it
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
        refused = answer is not None and reply.Error is not msgspec.UNSET
        if (receive := self._streams.get(reply.id)) is not None and not refused:
            # In this turn, because the first events may have come with the acknowledgement.
            receive(reply, self.encoding)
        if answer is not None and not answer.done():
            answer.set_result(reply)

    def _without_id(self, reply: Reply) -> None:
        # Everything we send has an id, so this is about the connection as a whole: the daemon
        # could not read a message of ours, or is full. Whoever waits learns it.
        error = failure_in(reply)
        if error is not None:
            self._end(error)

    def _end(self, error: SdError) -> None:
        self._writable.set()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(error)


async def open_link(socket_path: str, on_lost: Callable[[], None], hello: Hello) -> Link:
    """Connect and greet. Raises DaemonNotRunning, SocketPermissionDenied or ConnectionRefused."""
    check_length(socket_path)
    loop = asyncio.get_running_loop()
    try:
        _, link = await loop.create_unix_connection(lambda: Link(on_lost), socket_path)
    except OSError as error:
        raise unreachable(error, socket_path) from error
    try:
        await link.greet(hello)
    except BaseException:
        link.close()
        raise
    return link
