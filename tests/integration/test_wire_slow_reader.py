"""A client that does not read harms nobody: not the daemon's memory, not the other clients.

The server runs in this process, so that events can be published as fast as a bus can.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from sd_daemon.server.instances import CoreInstanceManager
from sd_daemon.server.listen import claim
from sd_wire.events import FilesIndexed, JobProgress

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from sd_daemon.core.bus import Bus

LIBRARY = uuid4()
SUBSCRIBE = {"Subscribe": {"event_types": ["FilesIndexed", "JobProgress"], "filter": None}}


class Server:
    """A server and its bus."""

    def __init__(self, path: str, bus: Bus) -> None:
        self.path = path
        self.bus = bus
        self.clients: list[Client] = []

    def publish(self, number: int) -> None:
        self.bus.publish(FilesIndexed(LIBRARY, LIBRARY, number))

    async def connect(self) -> Client:
        self.clients.append(Client(*await asyncio.open_unix_connection(self.path)))
        return self.clients[-1]


class Client:
    """A connection that reads when it is told to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, message: Any) -> Any:
        self.writer.write(json.dumps(message).encode() + b"\n")
        return await self.read()

    async def read(self) -> Any:
        line = await self.reader.readline()
        if not line:
            raise EOFError
        return json.loads(line)

    async def read_count(self) -> int:
        return int((await self.read())["Event"]["FilesIndexed"]["count"])


class Sleeper:
    """A client that subscribes and then does not read at all."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_UNIX)

    async def subscribe(self, path: str, request: dict[str, Any]) -> None:
        """Read the acknowledgement, and from then on nothing."""
        self.socket.connect(path)
        self.socket.sendall(json.dumps(request).encode() + b"\n")
        said = await asyncio.to_thread(self.socket.recv, 4096)
        assert b"Subscribed" in said
        assert said.endswith(b"\n")

    async def wake_up(self) -> list[Any]:
        """Everything that comes until half a second of silence, or the end."""
        received = bytearray()
        self.socket.settimeout(0.5)
        try:
            while block := await asyncio.to_thread(self.socket.recv, 1 << 20):
                received += block
        except (TimeoutError, ConnectionResetError):
            pass
        self.socket.close()
        return [json.loads(line) for line in received.splitlines() if line.endswith(b"}")]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    """A server on a socket of its own."""
    instances = CoreInstanceManager(str(tmp_path))
    instance = await instances.serve(None, await claim(str(tmp_path / "daemon" / "daemon.sock")))
    core = await instances.open()
    made = Server(instance.path, core.bus)
    yield made
    for client in made.clients:
        client.writer.close()
    await instances.shutdown_all()


def resident() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


async def flood(server: Server, reader: Client, count: int) -> None:
    """Publish in bursts, each of which the reader gets whole before the next."""
    for burst in range(0, count, 100):
        for number in range(burst, burst + 100):
            server.publish(number)
        assert [await reader.read_count() for _ in range(100)] == list(range(burst, burst + 100))


async def test_others_get_every_event_while_one_sleeps(server: Server) -> None:
    awake = await server.connect()
    assert await awake.ask(SUBSCRIBE) == "Subscribed"
    sleeper = Sleeper()
    await sleeper.subscribe(server.path, {**SUBSCRIBE, "id": "slow"})
    before = resident()
    await flood(server, awake, 20_000)
    assert resident() - before < 8 * 1024 * 1024
    lines = await sleeper.wake_up()
    (gap,) = (line for line in lines if "Lagged" in line)
    events = [line for line in lines if "Event" in line]
    assert gap["id"] == "slow"
    assert len(events) + gap["Lagged"]["missed"] == 20_000
    numbers = [line["sequence"] for line in events]
    assert numbers == sorted(set(numbers))


async def test_who_cannot_be_told_of_a_gap_is_cut_off(server: Server) -> None:
    awake = await server.connect()
    assert await awake.ask(SUBSCRIBE) == "Subscribed"
    sleeper = Sleeper()
    await sleeper.subscribe(server.path, SUBSCRIBE)
    await flood(server, awake, 20_000)
    counts = [
        line["Event"]["FilesIndexed"]["count"]
        for line in await sleeper.wake_up()
        if isinstance(line, dict)
    ]
    assert counts == list(range(len(counts))), "a gap that nobody was told of"
    assert len(counts) < 20_000


async def test_progress_alone_never_makes_anybody_lag(server: Server) -> None:
    sleeper = Sleeper()
    await sleeper.subscribe(server.path, {**SUBSCRIBE, "id": 1})
    job = uuid4()
    for step in range(20_001):
        event = JobProgress(job, "index", LIBRARY, step / 20_000, None, None)
        server.bus.publish(event, transient=True)
        if step % 100 == 0:
            await asyncio.sleep(0)
    lines = await sleeper.wake_up()
    assert not [line for line in lines if "Lagged" in line]
    assert lines[-1]["Event"]["JobProgress"]["progress"] == 1.0
