"""CoreClient and BlockingClient against a peer that does as it is told: calls and connections."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from peer import QUICK, STREAM, Peer

from sd_client.blocking import BlockingClient
from sd_client.client import CoreClient
from sd_client.occurrences import Position
from sd_wire.errors import (
    ConnectionLost,
    ConnectionRefused,
    DaemonNotRunning,
    DeadlineExceeded,
    LibraryNotFound,
    ShuttingDown,
    SocketPathTooLong,
    SocketPermissionDenied,
    TooManyRequests,
    UnknownFailure,
)
from sd_wire.messages import MAX_PENDING, Call, Cancel, CaughtUp, Hello
from sd_wire.operations.libraries import CreateLibrary, ListLibraries
from sd_wire.operations.test import Echo, Ping
from sd_wire.reading import Batch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path


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


async def test_a_cancelled_call_is_given_up_in_the_daemon(client: CoreClient, peer: Peer) -> None:
    peer.hold = True
    waiting = asyncio.ensure_future(client.call(Ping("late")))
    (asked,) = await peer.until(Call)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    (given_up,) = await peer.until(Cancel)
    assert isinstance(given_up.body, Cancel)
    assert given_up.body.id == asked.id
    peer.hold = False
    assert (await client.call(Ping("next"))).echo == "next"


async def test_a_call_waits_no_longer_than_it_may(client: CoreClient, peer: Peer) -> None:
    peer.hold = True
    with pytest.raises(TimeoutError):
        await client.call(Ping("never"), timeout=0.01)
    assert peer.of(Call)[0].timeout_ms in range(1, 11)
    await peer.until(Cancel)


async def test_a_daemon_that_finds_the_time_over_is_a_timeout_too(
    client: CoreClient, peer: Peer
) -> None:
    peer.hold = True
    waiting = asyncio.ensure_future(client.call(Ping("never"), timeout=60))
    (asked,) = await peer.until(Call)
    over = DeadlineExceeded(milliseconds=60_000)
    peer.connections[0].writer.write(peer.connections[0].encoding.failure(over, asked.id))
    with pytest.raises(TimeoutError, match="60000 ms"):
        await waiting
    assert len(peer.of(Call)) == 1  # there is no time left to ask again


async def test_a_call_says_what_it_belongs_to(client: CoreClient, peer: Peer) -> None:
    await client.call(Ping("traced"), correlation_id="story")
    await client.batch([Ping("traced")], correlation_id="story")
    assert [one.correlation_id for one in peer.requests[1:]] == ["story", "story"]


async def test_more_calls_than_a_connection_may_have_wait_for_their_turn(
    client: CoreClient, peer: Peer
) -> None:
    peer.hold = True
    first = [asyncio.ensure_future(client.call(Ping("x"))) for _ in range(MAX_PENDING)]
    await peer.until(Call, MAX_PENDING)
    last = asyncio.ensure_future(client.call(Ping("last")))
    await asyncio.sleep(0)
    async with CoreClient(peer.path) as other:
        await other.ping()  # the peer has read all that was sent before
    assert len(peer.of(Call)) == MAX_PENDING
    peer.hold = False
    first[0].cancel()
    assert (await last).echo == "last"
    for one in first:
        one.cancel()
    await asyncio.gather(*first, return_exceptions=True)


# --- batches -------------------------------------------------------------------------------------


async def test_a_batch_has_its_results_and_errors_in_their_places(
    client: CoreClient, peer: Peer
) -> None:
    first, second, third = await client.batch([Ping("a"), ListLibraries(), Ping("b")])
    assert first == Echo("a", 1, extension_works=True)
    assert isinstance(second, LibraryNotFound)
    assert third == Echo("b", 1, extension_works=True)
    assert len(peer.of(Batch)) == 1


async def test_a_batch_of_queries_is_asked_again(client: CoreClient, peer: Peer) -> None:
    peer.drop_next = 1
    assert await client.batch([Ping("a")]) == [Echo("a", 1, extension_works=True)]
    peer.drop_next = 1
    with pytest.raises(ConnectionLost):
        await client.batch([Ping("a"), CreateLibrary("Home")])
    assert len(peer.of(Batch)) == 3


async def test_a_batch_that_is_too_long_is_not_sent(client: CoreClient, peer: Peer) -> None:
    with pytest.raises(TooManyRequests):
        await client.batch([Ping("x")] * (MAX_PENDING + 1))
    assert not peer.of(Batch)


# --- greetings -----------------------------------------------------------------------------------


async def test_a_client_says_who_it_is_and_learns_who_is_there(peer: Peer) -> None:
    async with CoreClient(peer.path, name="a test") as client:
        assert peer.requests[0].body == Hello(client="a test")
        assert client.daemon is not None
        assert client.daemon.daemon == "1.2.3"


@pytest.mark.parametrize("encoding", ["json", "messagepack"])
async def test_a_daemon_that_does_not_know_greetings_can_be_used(peer: Peer, encoding: Any) -> None:
    peer.greets = False
    async with CoreClient(peer.path, encoding=encoding) as client:
        assert client.daemon is None
        assert (await client.call(Ping("all the same"))).echo == "all the same"


async def test_a_daemon_that_is_ending_while_it_is_greeted_is_asked_again(
    client: CoreClient, peer: Peer
) -> None:
    peer.refuse_next = 2
    assert (await client.call(Ping("later"))).echo == "later"
    peer.refuse_next = 1
    with pytest.raises(ShuttingDown):
        await client.call(CreateLibrary("Home"))


# --- several connections -------------------------------------------------------------------------


async def test_calls_go_where_the_fewest_wait(peer: Peer) -> None:
    async with CoreClient(peer.path, connections=3, backoff=QUICK) as client:
        peer.hold = True
        waiting = [asyncio.ensure_future(client.call(Ping(str(n)))) for n in range(6)]
        await peer.until(Call, 6)
        sent = [sum(isinstance(r.body, Call) for r in one.requests) for one in peer.connections]
        assert sent == [2, 2, 2]
        for one in waiting:
            one.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_subscriptions_are_spread(peer: Peer) -> None:
    client = CoreClient(peer.path, connections=2, backoff=QUICK)
    async with client, client.subscribe_events(), client.subscribe_events():
        assert len({connected for connected, _ in peer.standing()}) == 2


async def test_one_of_several_connections_that_is_lost_is_made_again(peer: Peer) -> None:
    async with CoreClient(peer.path, connections=2, backoff=QUICK) as client:
        async with client.subscribe_events() as events:
            peer.happen("CoreStarted")
            await events.recv()
            peer.connections.pop(0).writer.close()
            peer.happen("CoreStarted")
            happened = await events.recv()
            assert happened is not None
            assert happened.sequence == 2
        assert (await client.call(Ping("both"))).echo == "both"


def test_no_connections_are_too_few() -> None:
    with pytest.raises(ValueError, match="too few"):
        CoreClient("x", connections=0)


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
    waiting = asyncio.ensure_future(client.call(CreateLibrary("Lost")))
    await asyncio.sleep(0)
    await peer.stop()
    with pytest.raises(ConnectionLost):
        await waiting  # it has noticed, and what is asked now was not sent before
    peer.requests.clear()
    creating = asyncio.ensure_future(client.call(CreateLibrary("Home")))
    await asyncio.sleep(0)
    await peer.start()
    with pytest.raises(UnknownFailure):  # this peer makes no libraries, but it was asked
        await creating
    assert peer.calls("action:libraries.create.input") == 1


async def test_a_daemon_that_stays_away_is_given_up(client: CoreClient, peer: Peer) -> None:
    await peer.stop()
    with pytest.raises((DaemonNotRunning, ConnectionLost)):
        await client.call(Ping("nobody"))
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
        first, second = client.batch([Ping("a"), ListLibraries()])
        assert first == Echo("a", 1, extension_works=True)
        assert isinstance(second, LibraryNotFound)


def test_a_lost_answer_is_an_error_and_the_next_call_connects_again(blocking_peer: Peer) -> None:
    with BlockingClient(blocking_peer.path) as client:
        blocking_peer.drop_next = 1
        with pytest.raises(ConnectionLost):
            client.call(Ping("lost"))
        assert client.call(Ping("found")).echo == "found"


def test_a_blocking_call_waits_no_longer_than_it_may(blocking_peer: Peer) -> None:
    with BlockingClient(blocking_peer.path, correlation_id="story") as client:
        blocking_peer.hold = True
        with pytest.raises(TimeoutError):
            client.call(Ping("never"), timeout=0.05)
        blocking_peer.hold = False
        assert client.call(Ping("next")).echo == "next"
    held, answered = blocking_peer.of(Call)
    assert len(blocking_peer.connections) == 2  # the peer was told by the end of the first
    assert held.timeout_ms == 50
    assert answered.timeout_ms is msgspec.UNSET
    assert answered.correlation_id == "story"


def test_calls_go_on_while_a_subscription_is_read(blocking_peer: Peer) -> None:
    blocking_peer.journal = {1: "CoreStarted"}
    client = BlockingClient(blocking_peer.path)
    with client, client.subscribe_events(after=Position(0)) as events:
        assert events.recv().sequence == 1
        assert client.call(Ping("beside")).echo == "beside"
        assert events.recv().event == CaughtUp(1)
        assert events.position == Position(1, STREAM)


def test_a_blocking_subscription_survives_its_connection_when_asked_to(
    blocking_peer: Peer,
) -> None:
    blocking_peer.journal = {1: "CoreStarted"}
    with BlockingClient(blocking_peer.path, timeout=20) as client:
        with client.subscribe_events(resume=True) as events:
            blocking_peer.journal[2] = "CoreShutdown"
            blocking_peer.loop.call_soon_threadsafe(blocking_peer.drop_all)
            assert events.recv().sequence == 2
        with client.subscribe_events() as events:
            blocking_peer.loop.call_soon_threadsafe(blocking_peer.drop_all)
            with pytest.raises(ConnectionLost):
                events.recv()


def test_a_blocking_subscription_that_lagged_gets_what_it_missed(blocking_peer: Peer) -> None:
    blocking_peer.journal = {1: "CoreStarted"}
    with BlockingClient(blocking_peer.path, timeout=20).subscribe_events() as events:
        blocking_peer.journal |= {2: "CoreShutdown", 3: "Refresh"}
        blocking_peer.loop.call_soon_threadsafe(blocking_peer.lag, 2, 1)
        assert [events.recv().sequence, events.recv().sequence] == [2, 3]


def test_silence_ends_a_wait_and_not_the_subscription(blocking_peer: Peer) -> None:
    with BlockingClient(blocking_peer.path, timeout=20).subscribe_events() as events:
        events.timeout = 0.01
        with pytest.raises(TimeoutError):
            events.recv()
        events.timeout = 20
        blocking_peer.loop.call_soon_threadsafe(blocking_peer.happen, "CoreStarted")
        assert events.recv().sequence == 1


def test_a_daemon_that_stays_away_ends_a_blocking_subscription(
    blocking_peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sd_client.blocking_streams.PATIENCE", QUICK)
    with BlockingClient(blocking_peer.path, timeout=20).subscribe_events(resume=True) as events:
        stopping = asyncio.run_coroutine_threadsafe(blocking_peer.stop(), blocking_peer.loop)
        stopping.result()
        with pytest.raises((DaemonNotRunning, ConnectionRefused)):
            events.recv()
        asyncio.run_coroutine_threadsafe(blocking_peer.start(), blocking_peer.loop).result()


def test_the_blocking_client_is_light() -> None:
    program = "import sd_client.blocking, sys; print('asyncio' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert ran.stdout == b"False\n"
