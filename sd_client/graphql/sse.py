"""GraphQL over server-sent events: one operation, one stream (graphql-sse, distinct connections).

    event: next          id: CURSOR          data: {"data":...}
    event: complete

An event's cursor is its `id:`; a browser that connects again sends it back as `Last-Event-ID`, and
the subscription goes on behind it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import HttpVersion11, web
from graphql import OperationType

from sd_client.graphql.answers import EVENTS
from sd_client.graphql.failures import refusal
from sd_client.graphql.streams import UNREAD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sd_client.graphql.engine import Asked, Engine, Prepared
    from sd_client.graphql.streams import Batch, Message, Streams

HEARTBEAT = 15.0
"""Seconds of silence after which a comment is sent: proxies and people see that it lives."""

_COMPLETE = b"event: complete\ndata: \n\n"
_HEADERS = {
    "Content-Type": f"{EVENTS}; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",
}


def next_event(body: bytes, cursor: str | None) -> bytes:
    """One execution result."""
    named = b"" if cursor is None else b"id: " + cursor.encode() + b"\n"
    return b"event: next\n" + named + b"data: " + body + b"\n\n"


class EventReader:
    """The client's end. What is written goes to the transport in one piece, as a chunk of HTTP."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.over = asyncio.Event()
        self._transport = transport
        self._held: list[bytes] | None = []  # until the head of the answer has been sent

    def open(self) -> None:
        """The head was sent: what came in the meantime follows."""
        held, self._held = self._held or [], None
        self._transport.writelines(held)

    def take(self, batch: Batch) -> None:
        """What happened."""
        if self.over.is_set():
            return
        if self._transport.get_write_buffer_size() > UNREAD:
            self.ended([TOO_SLOW])
            return
        self._write(batch.written(chunk_of))

    def ended(self, errors: Sequence[Any] | None) -> None:
        """Nothing follows."""
        if self.over.is_set():
            return
        if errors is not None:
            self._write(chunk(next_event(msgspec.json.encode({"errors": errors}), None)))
        self._write(chunk(_COMPLETE))
        self.over.set()

    def live(self) -> None:
        """Say that nothing happened."""
        self._write(chunk(b":\n\n"))

    def _write(self, data: bytes) -> None:
        if self._held is None:
            self._transport.write(data)
        else:
            self._held.append(data)


TOO_SLOW = refusal(
    "reader-too-slow",
    "this subscription was ended: its events were not read",
    "subscribe again with `after` and the last cursor",
).formatted


def chunk(data: bytes) -> bytes:
    """Data as HTTP/1.1 sends what has no length."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def chunk_of(messages: Sequence[Message]) -> bytes:
    """Messages as one chunk."""
    return chunk(b"".join(next_event(one.body, one.cursor) for one in messages))


async def stream(
    request: web.Request, streams: Streams, engine: Engine, prepared: Prepared, asked: Asked
) -> web.StreamResponse:
    """Answer with a stream. Raises Refused before anything is sent."""
    kind = prepared.operation(asked.operation_name).operation
    if kind is not OperationType.SUBSCRIPTION:
        body = next_event(await engine.answer(prepared, asked), None) + _COMPLETE
        return web.Response(body=body, headers=_HEADERS)
    if request.version < HttpVersion11:
        raise web.HTTPVersionNotSupported(text="a stream needs HTTP/1.1")
    assert request.transport is not None
    reader = EventReader(request.transport)
    resume = request.headers.get("Last-Event-ID") or None
    joined = await streams.join(prepared, asked, reader, resume)
    try:
        response = web.StreamResponse(headers=_HEADERS)
        response.enable_chunked_encoding()
        await response.prepare(request)
        reader.open()
        await _until_over(request.transport, reader)
    finally:
        streams.leave(joined, reader)
    await response.write_eof()
    return response


async def _until_over(transport: asyncio.Transport, reader: EventReader) -> None:
    """Wait for the end of the course. A client that goes cancels this handler."""
    while not reader.over.is_set():
        try:
            async with asyncio.timeout(HEARTBEAT):
                await reader.over.wait()
        except TimeoutError:
            if transport.is_closing():
                return
            reader.live()
