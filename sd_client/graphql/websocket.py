"""GraphQL over a WebSocket: the protocol graphql-transport-ws, many subscriptions on one socket.

The frames of events are made by hand: their payload is the same for every reader, and what happened
within a moment goes out in one write. Everything else is aiohttp's.
"""

from __future__ import annotations

import asyncio
import struct
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import WSMsgType, web
from graphql import OperationType

from sd_client.graphql.admission import NotAdmitted
from sd_client.graphql.engine import Asked, Refused
from sd_client.graphql.failures import formatted, refusal
from sd_client.graphql.sse import TOO_SLOW
from sd_client.graphql.streams import UNREAD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sd_client.graphql.admission import Admission
    from sd_client.graphql.engine import Engine
    from sd_client.graphql.streams import Batch, Stream, Streams

PROTOCOL = "graphql-transport-ws"
INIT_TIME = 3.0
"""Seconds in which a client has to say who it is."""

GREETING = 128
"""Sockets of which nobody knows yet whose they are."""

INVALID, UNAUTHORIZED, FORBIDDEN = 4400, 4401, 4403
UNKNOWN_PROTOCOL, TOO_LATE, TWICE, TOO_MANY_INITS = 4406, 4408, 4409, 4429

NOT_READ = refusal(
    "reader-too-slow",
    "nothing was done: earlier answers on this socket have not been read",
    "read them, and ask again",
)


class Frame(msgspec.Struct):
    """A message of the client."""

    type: str
    id: str | None = None
    payload: Any = None


class Closing(Exception):
    """The socket is closed with a code of the protocol."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class SocketReader:
    """One subscription on a socket."""

    def __init__(self, conversation: Conversation, name: str) -> None:
        self._conversation = conversation
        self._name = name
        quoted = msgspec.json.encode(name)
        self._head = b'{"id":' + quoted + b',"type":"next","payload":'
        self._over = False

    def take(self, batch: Batch) -> None:
        """What happened."""
        if self._over:
            return
        transport = self._conversation.transport
        if transport.get_write_buffer_size() > UNREAD:
            self.ended([TOO_SLOW])
            return
        transport.write(b"".join(framed(self._head + one.body + b"}") for one in batch.messages))

    def ended(self, errors: Sequence[Any] | None) -> None:
        """Nothing follows."""
        if not self._over:
            self._over = True
            self._conversation.over(self._name, errors)


def framed(payload: bytes) -> bytes:
    """A text frame of a server (RFC 6455, section 5.2)."""
    length = len(payload)
    if length < 126:
        return bytes((0x81, length)) + payload
    if length < 65_536:
        return struct.pack(">BBH", 0x81, 126, length) + payload
    return struct.pack(">BBQ", 0x81, 127, length) + payload


class Conversation:
    """One socket."""

    def __init__(
        self, request: web.Request, engine: Engine, streams: Streams, admission: Admission
    ) -> None:
        assert request.transport is not None
        self.transport = request.transport
        self.known = False  # who the client is
        self._request = request
        self._engine = engine
        self._streams = streams
        self._admission = admission
        self._socket = web.WebSocketResponse(
            protocols=(PROTOCOL,),
            compress=False,
            heartbeat=30.0,
            max_msg_size=engine.limits.body_bytes,
        )
        self._unread = 0  # bytes said while the client was behind
        self._joined: dict[str, tuple[Stream, SocketReader]] = {}
        self._working: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> web.WebSocketResponse:
        """Talk until one of the two ends it."""
        await self._socket.prepare(self._request)
        try:
            if self._socket.ws_protocol != PROTOCOL:
                raise Closing(UNKNOWN_PROTOCOL, "Subprotocol not acceptable")
            await self._greet()
            async for message in self._socket:
                await self._handle(self._read(message))
        except Closing as closing:
            await self._socket.close(code=closing.code, message=closing.reason.encode()[:120])
        finally:
            self._leave()
        return self._socket

    def over(self, name: str, errors: Sequence[Any] | None) -> None:
        """An operation has ended."""
        self._working.pop(name, None)
        joined = self._joined.pop(name, None)
        if joined is not None:
            self._streams.leave(*joined)
        if errors is None:
            self._say({"id": name, "type": "complete"})
        else:
            self._say({"id": name, "type": "error", "payload": errors})

    def _say(self, message: dict[str, Any]) -> None:
        """Send what is small, even to who does not read, who is hung up on where it grows."""
        if self._socket.closed or self.transport.is_closing():
            return
        frame = framed(msgspec.json.encode(message))
        self._unread = self._unread + len(frame) if self._is_behind() else 0
        if self._unread > UNREAD:
            self.transport.abort()
        else:
            self.transport.write(frame)

    def _is_behind(self) -> bool:
        return self.transport.get_write_buffer_size() > UNREAD

    async def _greet(self) -> None:
        try:
            async with asyncio.timeout(INIT_TIME):
                frame = self._read(await self._socket.receive())
                while frame.type == "ping":  # which does not buy time
                    self._say({"type": "pong"})
                    frame = self._read(await self._socket.receive())
        except TimeoutError:
            raise Closing(TOO_LATE, "Connection initialisation timeout") from None
        if frame.type != "connection_init":
            raise Closing(UNAUTHORIZED, "Unauthorized")
        self._check(frame.payload)
        self.known = True
        self._say({"type": "connection_ack"})

    def _check(self, payload: Any) -> None:
        """Browsers cannot send headers with a WebSocket, so the token may come here."""
        given = payload if isinstance(payload, dict) else {}
        header = next((str(v) for k, v in given.items() if k.lower() == "authorization"), None)
        try:
            if header is None:
                self._admission.check_caller(self._request)
            else:
                self._admission.check_authorization(header)
        except NotAdmitted:
            raise Closing(FORBIDDEN, "Forbidden") from None

    def _read(self, message: Any) -> Frame:
        if message.type in (WSMsgType.CLOSE, WSMsgType.CLOSING, WSMsgType.CLOSED):
            raise Closing(1000, "")
        if message.type is not WSMsgType.TEXT:
            raise Closing(INVALID, "Invalid message")
        try:
            return msgspec.json.decode(message.data, type=Frame)
        except (msgspec.DecodeError, RecursionError):
            raise Closing(INVALID, "Invalid message") from None

    async def _handle(self, frame: Frame) -> None:
        match frame:
            case Frame(type="subscribe", id=str(name)):
                self._begin(name, frame.payload)
            case Frame(type="complete", id=str(name)):
                self._end(name)
            case Frame(type="ping"):
                self._say({"type": "pong"})
            case Frame(type="pong"):
                pass
            case Frame(type="connection_init"):
                raise Closing(TOO_MANY_INITS, "Too many initialisation requests")
            case _:
                raise Closing(INVALID, "Invalid message")

    def _begin(self, name: str, payload: Any) -> None:
        if name in self._working or name in self._joined:
            raise Closing(TWICE, f"Subscriber for {name[:60]} already exists")
        if len(self._working) + len(self._joined) >= self._engine.limits.streams_per_socket:
            raise Closing(INVALID, "Too many operations on one socket")
        try:
            asked = msgspec.convert(payload, Asked)
        except msgspec.ValidationError:
            raise Closing(INVALID, "Invalid message") from None
        self._working[name] = asyncio.get_running_loop().create_task(self._work(name, asked))

    async def _work(self, name: str, asked: Asked) -> None:
        try:
            prepared = self._engine.prepare(asked)
            kind = self._engine.check(prepared, asked).operation
            if kind is OperationType.SUBSCRIPTION:
                reader = SocketReader(self, name)
                joined = await self._streams.join(prepared, asked, reader)
                self._joined[name] = (joined, reader)
                self._working.pop(name, None)
                return
            if self._is_behind():
                raise Refused([NOT_READ])
            body = await self._engine.answer(prepared, asked)
            head = b'{"id":' + msgspec.json.encode(name) + b',"type":"next","payload":'
            self.transport.write(framed(head + body + b"}"))
            self.over(name, None)
        except Refused as error:
            self.over(name, formatted(error.errors))

    def _end(self, name: str) -> None:
        working = self._working.pop(name, None)
        if working is not None:
            working.cancel()
        joined = self._joined.pop(name, None)
        if joined is not None:
            self._streams.leave(*joined)

    def _leave(self) -> None:
        for name in (*self._working, *self._joined):
            self._end(name)


def is_handshake(request: web.Request) -> bool:
    """Whether a request is one that becomes a WebSocket, and not one that only says so."""
    if request.method != "GET":
        return False
    return bool(web.WebSocketResponse(protocols=(PROTOCOL,)).can_prepare(request))
