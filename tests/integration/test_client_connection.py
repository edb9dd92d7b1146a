"""CoreClient and BlockingClient against a peer that speaks the protocol and does as it is told.

A real daemon cannot be made to drop a connection between a request and its answer at will; this
peer can. What it reads and writes is the contract's own.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from sd_client.blocking import BlockingClient
from sd_client.client import Backoff, CoreClient
from sd_client.streams import Gap, Occurrence, UnknownEvent
from sd_wire.connection import ServerConnection
from sd_wire.encoding import JSON
from sd_wire.errors import (
    ConnectionLost,
    ConnectionRefused,
    DaemonNotRunning,
    LibraryNotFound,
    SocketPathTooLong,
    SocketPermissionDenied,
    UnknownFailure,
)
from sd_wire.events import CoreStarted, LibraryClosed
from sd_wire.messages import Call, Done, Subscribe
from sd_wire.operations.libraries import CreateLibrary, ListLibraries
from sd_wire.operations.test import Echo, Ping
from sd_wire.reading import Rejected
from sd_wire.reading import Request as Received

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

QUICK = Backoff(first=0.001, longest=0.01, attempts=20)


class Peer:
    """A server at a socket. `answer` is called with every request and the way to write."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.requests: list[Received] = []
        self.connections: list[asyncio.StreamWriter] = []
        self.seen = asyncio.Event()
        self.drop_next = 0  # so many calls end the connection instead of being answered
        self.hold = False  # calls are not answered
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_unix_server(self._serve, self.path)

    async def stop(self) -> None:
        """End all connections and the listening."""
        assert self._server is not None
        self._server.close()
        for connection in self.connections:
            connection.close()
        self.connections.clear()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(writer)
        wire = ServerConnection()
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                for request in wire.receive(data):
                    assert not isinstance(request, Rejected)
                    self.requests.append(request)
                    self.seen.set()
                    self._answer(request, writer)
        writer.close()

    def _answer(self, request: Received, writer: asyncio.StreamWriter) -> None:
        if isinstance(request.body, Subscribe):
            writer.write(JSON.word("Subscribed", request.id))
        elif isinstance(request.body, Call) and self.drop_next:
            self.drop_next -= 1
            writer.close()
        elif isinstance(request.body, Call) and not self.hold:
            writer.write(self._result(request, request.body))
        elif request.body == "Ping":
            writer.write(JSON.word("Pong", request.id))

    def _result(self, request: Received, call: Call) -> bytes:
        if call.method == "query:test.ping":
            payload = msgspec.json.decode(call.payload)
            return JSON.frame(Done(Echo(payload["message"], 1, extension_works=True), request.id))
        if call.method == "query:libraries.list":
            return JSON.failure(LibraryNotFound(library="x"), request.id)
        return JSON.frame({"Error": {"Odd": "from the future"}, "id": request.id})

    def calls(self, method: str) -> int:
        """How often a method was asked for."""
        bodies = (request.body for request in self.requests)
        return sum(isinstance(body, Call) and body.method == method for body in bodies)

    def happen(self, sequence: int, event: Any) -> None:
        """Send an event to the newest subscription."""
        subscribed = [one for one in self.requests if isinstance(one.body, Subscribe)]
        members = {"Event": event, "id": subscribed[-1].id, "sequence": sequence}
        self.connections[-1].write(JSON.frame({**members, "time": "2025-11-23T01:44:07Z"}))


@pytest.fixture
async def peer(tmp_path: Path) -> AsyncIterator[Peer]:
    """A peer that listens."""
    made = Peer(str(tmp_path / "peer.sock"))
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def client(peer: Peer) -> AsyncIterator[CoreClient]:
    """A client connected to it."""
    async with CoreClient(peer.path, backoff=QUICK) as made:
        yield made


# --- calls ---------------------------------------------------------------------------------------


async def test_a_call_is_answered_with_the_declared_type(client: CoreClient) -> None:
    answer = await client.call(Ping("hello"))
    assert answer == Echo("hello", 1, extension_works=True)


async def test_many_calls_share_a_connection(client: CoreClient, peer: Peer) -> None:
    answers = await asyncio.gather(*(client.call(Ping(str(n))) for n in range(200)))
    assert [answer.echo for answer in answers] == [str(n) for n in range(200)]
    assert len(peer.connections) == 1


async def test_an_error_comes_back_as_its_class(client: CoreClient) -> None:
    with pytest.raises(LibraryNotFound, match="Library not found: x") as caught:
        await client.call(ListLibraries())
    assert caught.value.advice


async def test_an_error_nobody_knows_keeps_its_words(client: CoreClient) -> None:
    with pytest.raises(UnknownFailure, match="from the future"):
        await client.call_raw("query:later.thing")


async def test_a_cancelled_call_leaves_the_connection_whole(client: CoreClient, peer: Peer) -> None:
    peer.hold = True
    waiting = asyncio.ensure_future(client.call(Ping("late")))
    await peer.seen.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    peer.hold = False
    assert (await client.call(Ping("next"))).echo == "next"


async def test_a_call_waits_no_longer_than_it_may(client: CoreClient, peer: Peer) -> None:
    peer.hold = True
    with pytest.raises(TimeoutError):
        await client.call(Ping("never"), timeout=0.01)


# --- a connection that is lost -------------------------------------------------------------------


async def test_a_query_is_asked_again(client: CoreClient, peer: Peer) -> None:
    peer.drop_next = 2
    assert (await client.call(Ping("again"))).echo == "again"
    assert peer.calls("query:test.ping") == 3


async def test_an_action_that_was_sent_is_not_done_twice(client: CoreClient, peer: Peer) -> None:
    peer.drop_next = 1
    with pytest.raises(ConnectionLost):
        await client.call(CreateLibrary("Home"))
    assert peer.calls("action:libraries.create.input") == 1


async def test_an_action_waits_for_a_daemon_that_restarts(client: CoreClient, peer: Peer) -> None:
    async with client.subscribe() as events:
        await peer.stop()
        await anext(events)  # the gap: it has noticed, and what is asked now was not sent before
    creating = asyncio.ensure_future(client.call(CreateLibrary("Home")))
    restarted = Peer(peer.path)
    await restarted.start()
    try:
        with pytest.raises(UnknownFailure):  # this peer makes no libraries, but it was asked
            await creating
    finally:
        await restarted.stop()
    assert restarted.calls("action:libraries.create.input") == 1
    await peer.start()


async def test_a_daemon_that_stays_away_is_given_up(client: CoreClient, peer: Peer) -> None:
    await peer.stop()
    with pytest.raises((DaemonNotRunning, ConnectionLost)):
        await client.call(Ping("nobody"))
    await peer.start()


# --- subscriptions -------------------------------------------------------------------------------


async def test_events_come_in_order_with_their_numbers(client: CoreClient, peer: Peer) -> None:
    async with client.subscribe() as events:
        peer.happen(1, "CoreStarted")
        peer.happen(2, {"Later": {"x": 1}})
        peer.happen(
            3, {"LibraryClosed": {"id": "5d6d3c5e-0000-4000-8000-000000000001", "name": "Home"}}
        )
        first, second, third = [await anext(events) for _ in range(3)]
    assert isinstance(first.event, CoreStarted)
    assert second.event == UnknownEvent("Later", {"x": 1})
    assert isinstance(third.event, LibraryClosed)
    assert [first.sequence, second.sequence, third.sequence] == [1, 2, 3]


async def test_a_daemon_that_dropped_events_says_how_many(client: CoreClient, peer: Peer) -> None:
    async with client.subscribe() as events:
        subscription = peer.requests[-1]
        peer.connections[-1].write(JSON.frame({"Lagged": {"missed": 7}, "id": subscription.id}))
        assert (await anext(events)).event == Gap("overrun", 7)


async def test_a_subscription_survives_the_connection_and_tells_of_the_gap(
    client: CoreClient, peer: Peer
) -> None:
    async with client.subscribe(["CoreStarted"]) as events:
        peer.happen(1, "CoreStarted")
        assert (await anext(events)).sequence == 1
        peer.seen.clear()
        peer.connections[-1].close()
        assert await anext(events) == Occurrence(Gap("reconnected"), 0, None)
        await peer.seen.wait()
        peer.happen(2, "CoreStarted")
        assert (await anext(events)).sequence == 2
    again = peer.requests[-1].body
    assert isinstance(again, Subscribe) or again == "Unsubscribe"


async def test_calls_go_on_beside_a_subscription(client: CoreClient, peer: Peer) -> None:
    async with client.subscribe() as events:
        assert (await client.call(Ping("beside"))).echo == "beside"
        peer.happen(1, "CoreStarted")
        assert (await anext(events)).sequence == 1
    assert len(peer.connections) == 1


async def test_a_subscription_ends_with_an_error_when_nobody_comes_back(
    client: CoreClient, peer: Peer
) -> None:
    async with client.subscribe() as events:
        await peer.stop()
        assert isinstance((await anext(events)).event, Gap)
        with pytest.raises((DaemonNotRunning, ConnectionLost)):
            await anext(events)
    await peer.start()


# --- three ways not to reach a daemon ------------------------------------------------------------


@pytest.fixture(params=["async", "blocking"])
def reach(request: pytest.FixtureRequest) -> Any:
    """Connect with either client."""

    async def connect(path: str) -> None:
        if request.param == "async":
            await CoreClient(path).connect()
        else:
            BlockingClient(path).connect()

    return connect


async def test_there_is_no_socket(reach: Any, tmp_path: Path) -> None:
    with pytest.raises(DaemonNotRunning, match="no daemon is running"):
        await reach(str(tmp_path / "none.sock"))


async def test_nobody_listens_behind_the_socket(reach: Any, peer: Peer) -> None:
    path = peer.path + ".dead"
    os.link(peer.path, path)
    await peer.stop()
    with pytest.raises(ConnectionRefused, match="does not accept"):
        await reach(path)
    await peer.start()


async def test_the_socket_is_somebody_elses(reach: Any, tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(0o000)
    with without_privileges(), pytest.raises(SocketPermissionDenied, match="permission denied"):
        await reach(str(folder / "daemon.sock"))


@contextlib.contextmanager
def without_privileges() -> Iterator[None]:
    """As a user who may not do everything, also where the tests run as root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


async def test_the_path_of_the_socket_is_too_long(reach: Any) -> None:
    with pytest.raises(SocketPathTooLong, match="120 bytes"):
        await reach("/" + "x" * 119)


# --- the blocking client -------------------------------------------------------------------------


@pytest.fixture
def blocking_peer(tmp_path: Path) -> Iterator[Peer]:
    """A peer on a loop of its own, for a client that blocks this one."""
    ready, done = threading.Event(), threading.Event()
    peers: list[Peer] = []

    async def live() -> None:
        peer = Peer(str(tmp_path / "peer.sock"))
        await peer.start()
        peers.append(peer)
        ready.set()
        await asyncio.to_thread(done.wait)
        await peer.stop()

    thread = threading.Thread(target=asyncio.run, args=(live(),))
    thread.start()
    ready.wait()
    yield peers[0]
    done.set()
    thread.join()


def test_a_program_that_does_one_thing_at_a_time(blocking_peer: Peer) -> None:
    with BlockingClient(blocking_peer.path) as client:
        client.ping()
        assert client.call(Ping("one")).echo == "one"
        with pytest.raises(LibraryNotFound):
            client.call(ListLibraries())
        assert client.call(Ping("two")).echo == "two"


def test_a_lost_answer_is_an_error_and_the_next_call_connects_again(blocking_peer: Peer) -> None:
    with BlockingClient(blocking_peer.path) as client:
        blocking_peer.drop_next = 1
        with pytest.raises(ConnectionLost):
            client.call(Ping("lost"))
        assert client.call(Ping("found")).echo == "found"
