"""CoreClient in MessagePack: the same calls and events, against a stand-in and a real daemon."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

import msgspec
import pytest
from peer import QUICK, STREAM, Peer

from sd_client.client import CoreClient
from sd_client.occurrences import Position
from sd_wire.errors import ConnectionLost, LibraryNotFound
from sd_wire.events import LibraryClosed
from sd_wire.messages import Call, Subscribe
from sd_wire.operations.core import GetStatus
from sd_wire.operations.files import GetFileByPath
from sd_wire.operations.libraries import CreateLibrary, ListLibraries
from sd_wire.operations.locations import AddLocation
from sd_wire.operations.test import Echo, Ping

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from running import Daemon


@pytest.fixture
async def peer(tmp_path: Path) -> AsyncIterator[Peer]:
    """A peer that listens."""
    made = Peer(str(tmp_path / "peer.sock"))
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def client(peer: Peer) -> AsyncIterator[CoreClient]:
    """A client connected to it that asked for MessagePack."""
    async with CoreClient(peer.path, encoding="messagepack", backoff=QUICK) as made:
        assert [one.encoding.name for one in peer.connections] == ["messagepack"]
        yield made


async def test_calls_and_batches_are_the_same(client: CoreClient) -> None:
    assert await client.call(Ping("hello")) == Echo("hello", 1, extension_works=True)
    with pytest.raises(LibraryNotFound, match="Library not found: x") as caught:
        await client.call(ListLibraries())
    assert caught.value.advice
    first, second = await client.batch([Ping("a"), ListLibraries()])
    assert first == Echo("a", 1, extension_works=True)
    assert isinstance(second, LibraryNotFound)
    await client.ping()


async def test_a_raw_call_takes_and_gives_documents(client: CoreClient) -> None:
    given = msgspec.Raw(msgspec.msgpack.encode({"message": "raw"}))
    for payload in (given, {"message": "raw"}, Ping("raw")):
        document = await client.call_raw("query:test.ping", payload)
        assert msgspec.msgpack.decode(document)["echo"] == "raw"


async def test_events_go_on_after_the_connection_was_lost(client: CoreClient, peer: Peer) -> None:
    async with client.subscribe_events() as events:
        peer.happen({"LibraryClosed": {"id": str(STREAM), "name": "Home"}})
        first = await anext(events)
        assert first.event == LibraryClosed(STREAM, "Home")
        assert first.time is not None
        peer.journal[2] = "Refresh"
        peer.drop_all()
        assert (await anext(events)).sequence == 2
        assert events.position == Position(2, STREAM)
    assert len(peer.of(Subscribe)) == 2
    assert [one.encoding.name for one in peer.connections] == ["messagepack"]


async def test_an_action_is_not_done_twice(client: CoreClient, peer: Peer) -> None:
    peer.drop_next = 1
    with pytest.raises(ConnectionLost):
        await client.call(CreateLibrary("Home"))
    assert len(peer.of(Call)) == 1


# --- the real daemon -----------------------------------------------------------------------------


async def test_both_encodings_say_the_same(daemon: Daemon, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    name = bytes(folder) + b"/not \xff utf-8"
    os.mkdir(name)
    socket = str(daemon.socket_path)
    async with CoreClient(socket) as plain, CoreClient(socket, encoding="messagepack") as packed:
        assert packed.daemon is not None
        assert packed.daemon.encoding == "messagepack"
        await packed.call(CreateLibrary("Home"))
        async with packed.subscribe_events(["JobCompleted"]) as events:
            await packed.call(AddLocation(str(folder)))
            async with asyncio.timeout(20):
                await anext(events)
        text = name.decode("utf-8", "replace")
        files = [await one.call(GetFileByPath(text, name)) for one in (plain, packed)]
        assert files[0] is not None
        assert files[0] == files[1]
        pair = [one.version for one in await packed.batch([GetStatus(), GetStatus()])]  # type: ignore[union-attr]
        assert pair == [(await plain.call(GetStatus())).version] * 2
