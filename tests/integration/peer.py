"""A stand-in for the daemon that speaks the protocol and does as it is told.

A real daemon cannot be made to drop a connection between a request and its answer at will, or to
lose half of its journal; this peer can. What it reads and writes is the contract's own.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import Any
from uuid import UUID

import msgspec

from sd_client.backoff import Backoff
from sd_wire.connection import ServerConnection
from sd_wire.encoding import JSON, Encoding, failed
from sd_wire.errors import LibraryNotFound, ShuttingDown, UnknownRequest
from sd_wire.messages import (
    Call,
    Cancel,
    Hello,
    Limits,
    Subscribe,
    SubscribeLogs,
    Welcome,
)
from sd_wire.operations.test import Echo
from sd_wire.reading import Batch, Rejected
from sd_wire.reading import Request as Received
from sd_wire.types.peers import PeerInfo

QUICK = Backoff(first=0.001, longest=0.01, attempts=20)
STREAM = UUID("5d6d3c5e-0000-4000-8000-000000000001")
OTHER_STREAM = UUID("5d6d3c5e-0000-4000-8000-000000000002")
TIME = "2025-11-23T01:44:07Z"


class Connected:
    """One connection to the peer."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.wire = ServerConnection()
        self.requests: list[Received] = []

    @property
    def encoding(self) -> Encoding:
        """How this one is spoken to."""
        return self.wire.encoding

    def send(self, message: Any) -> None:
        """Send one message."""
        self.writer.write(self.encoding.frame(message))


class Peer:
    """A server at a socket, with a journal of events."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.requests: list[Received] = []
        self.connections: list[Connected] = []
        self.arrived = asyncio.Condition()
        self.greets = True  # knows Hello
        self.drop_next = 0  # so many calls end the connection instead of being answered
        self.refuse_next = 0  # so many calls are refused, because it is ending
        self.hold = False  # calls are not answered
        self.drop_next_subscription = False  # it is accepted, and the connection ends
        self.hold_subscriptions = False  # they are not accepted
        self.stream: UUID | None = STREAM
        self.first_kept = 1
        self.journal: dict[int, Any] = {}
        self.lost: dict[str, int] | None = None  # what is gone in the middle
        self.warnings: list[str] = []
        self.loop = asyncio.get_running_loop()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_unix_server(self._serve, self.path)

    async def stop(self) -> None:
        """End all connections and the listening."""
        assert self._server is not None
        self._server.close()
        self.drop_all()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)

    def drop_all(self) -> None:
        """End all connections, and take new ones."""
        for connected in self.connections:
            connected.writer.close()
        self.connections.clear()

    async def until(self, kind: type[Any] | str, count: int = 1) -> list[Received]:
        """Wait for so many requests of a kind: a word, or a class of bodies."""
        async with self.arrived:
            await self.arrived.wait_for(lambda: len(self.of(kind)) >= count)
        return self.of(kind)

    def of(self, kind: type[Any] | str) -> list[Received]:
        """The requests of a kind that came."""
        if isinstance(kind, str):
            return [one for one in self.requests if one.body == kind]
        return [one for one in self.requests if isinstance(one.body, kind)]

    def calls(self, method: str) -> int:
        """How often a method was asked for."""
        return sum(one.body.method == method for one in self.of(Call))

    @property
    def sequence(self) -> int:
        """The number of the latest event."""
        return max(self.journal, default=0)

    def happen(self, event: Any, sequence: int | None = None) -> None:
        """Publish an event to every subscription that stands."""
        number = self.sequence + 1 if sequence is None else sequence
        self.journal[number] = event
        for connected, request in self.standing():
            connected.send(self._event(number, request))

    def standing(self) -> list[tuple[Connected, Received]]:
        """The subscriptions to events."""
        return [
            (connected, one)
            for connected in self.connections
            for one in connected.requests
            if isinstance(one.body, Subscribe)
            and not any(r.body == "Unsubscribe" and r.id == one.id for r in connected.requests)
        ]

    def lag(self, missed: int, after: int) -> None:
        """Say that something was dropped."""
        for connected, request in self.standing():
            connected.send({"Lagged": {"missed": missed, "after": after}, "id": request.id})

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connected = Connected(writer)
        self.connections.append(connected)
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                encoding = connected.encoding
                received = connected.wire.receive(data)
                while connected.wire.has_more:
                    received += connected.wire.more()
                for request in received:
                    assert not isinstance(request, Rejected), request
                    self.requests.append(request)
                    connected.requests.append(request)
                    self._answer(request, connected, encoding)
                async with self.arrived:
                    self.arrived.notify_all()
        writer.close()

    def _answer(self, request: Received, connected: Connected, before: Encoding) -> None:
        body = request.body
        if isinstance(body, Hello):
            connected.writer.write(self._greeting(body, request))
            if not self.greets:
                connected.wire = ServerConnection()  # it has agreed to nothing
        elif isinstance(body, Call | Batch):
            self._answer_call(request, connected)
        elif isinstance(body, Subscribe) and not self.hold_subscriptions:
            self.subscribed(body, request, connected)
        elif isinstance(body, SubscribeLogs):
            connected.writer.write(connected.encoding.word("LogsSubscribed", request.id))
        elif isinstance(body, Cancel):
            connected.send({"Cancelled": {"outcome": "stopped"}, "id": request.id})
        elif body == "Ping":
            connected.writer.write(connected.encoding.word("Pong", request.id))

    def _greeting(self, hello: Hello, request: Received) -> bytes:
        if not self.greets:
            return JSON.failure(UnknownRequest(reason="no key names a request"), request.id)
        welcome = Welcome(
            version=1,
            daemon="1.2.3",
            instance=None,
            encoding=hello.encoding,
            encodings=["json", "messagepack"],
            capabilities=[],
            limits=Limits(),
            peer=PeerInfo(pid=1, uid=1, gid=1, permission="read", groups=[]),
            stream=self.stream or STREAM,
            sequence=self.sequence,
        )
        return JSON.word("Hello", request.id, welcome)

    def _answer_call(self, request: Received, connected: Connected) -> None:
        if self.drop_next:
            self.drop_next -= 1
            connected.writer.close()
        elif self.refuse_next:
            self.refuse_next -= 1
            connected.writer.write(connected.encoding.failure(ShuttingDown(), request.id))
        elif not self.hold:
            connected.send(self._result(request, connected.encoding))

    def _result(self, request: Received, encoding: Encoding) -> Any:
        body = request.body
        if isinstance(body, Batch):
            return {
                "Batch": [self._result(one, encoding) for one in body.requests],
                "id": request.id,
            }
        assert isinstance(body, Call)
        if body.method == "query:test.ping":
            assert body.payload is not msgspec.UNSET
            payload = encoding.document_reader(dict[str, Any])(body.payload)
            return encoding.done(Echo(payload["message"], 1, extension_works=True), request.id)
        if body.method == "query:libraries.list":
            return failed(LibraryNotFound(library="x"), request.id, detailed=True)
        return {"Error": {"Odd": "from the future"}, "id": request.id}

    def subscribed(self, wanted: Subscribe, request: Received, connected: Connected) -> None:
        """Begin a subscription."""
        if self.stream is None:
            connected.writer.write(connected.encoding.word("Subscribed", request.id))
            return
        after, gone = wanted.after, None
        if after is not None and wanted.stream not in (None, self.stream):
            gone, after = {"first": after + 1, "last": self.sequence}, self.sequence
        elif after is not None and after + 1 < self.first_kept:
            gone, after = {"first": after + 1, "last": self.first_kept - 1}, self.first_kept - 1
        elif after is not None:
            gone = self.lost
        said = {"stream": self.stream, "sequence": self.sequence, "gone": gone}
        # In one write, so that the first events come together with the acknowledgement.
        lines = [{"Subscribed": {**said, "warnings": self.warnings}, "id": request.id}]
        initial = wanted.initial and (wanted.after is None or gone is not None)
        if initial:
            state = self._event(self.sequence, request, event={"State": {}})
            lines.append({**state, "initial": True})
        if after is not None and not initial:
            lines += [self._event(n, request) for n in sorted(self.journal) if n > after]
        if after is not None or initial:
            lines.append({"CaughtUp": {"sequence": self.sequence}, "id": request.id})
        if self.drop_next_subscription:
            lines, self.drop_next_subscription = lines[:1], False
        connected.writer.write(b"".join(connected.encoding.frame(line) for line in lines))
        if len(lines) == 1 and after is not None:
            connected.writer.close()

    def _event(self, sequence: int, request: Received, event: Any = None) -> dict[str, Any]:
        return {
            "Event": self.journal.get(sequence) if event is None else event,
            "id": request.id,
            "sequence": sequence,
            "time": TIME,
            "library_id": STREAM,
            "device_id": None,
            "correlation_id": "cause",
        }
