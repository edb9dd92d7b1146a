"""Subscriptions over HTTP: nothing is lost, nobody waits for a slow reader, and a daemon that goes
away comes back."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from graphql_feed import Feed
from graphql_server import GraphQLServer
from publishing import PublishingDaemon

from sd_client.graphql.websocket import GREETING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

CHANGES = """subscription($after: String) {
  events(types: [ConfigChanged], after: $after) {
    sequence cursor event { type ... on ConfigChanged { field } }
  }
}"""
LIVE = """subscription {
  events(types: [ConfigChanged]) { event { ... on ConfigChanged { field } } }
}"""
LARGE = CHANGES.replace("sequence", " ".join(f"c{number}: cursor" for number in range(90)))
"""What takes four kilobytes for each event."""


@pytest.fixture
def publisher(tmp_path: Path) -> Iterator[PublishingDaemon]:
    """A daemon that publishes as many events as it is told to."""
    made = PublishingDaemon(tmp_path / "data").launch()
    yield made
    made.end()


@pytest.fixture
def graphql(publisher: PublishingDaemon) -> Iterator[GraphQLServer]:
    """A server beside it."""
    made = GraphQLServer(publisher)
    yield made
    assert made.stop() == 0


def fields(told: list[Any]) -> list[int]:
    """The numbers of what was published."""
    return [int(one.data["data"]["events"]["event"]["field"]) for one in told]


@pytest.mark.parametrize("way", ["Last-Event-ID", "after"])
def test_whoever_was_away_goes_on_where_it_was(
    publisher: PublishingDaemon, graphql: GraphQLServer, way: str
) -> None:
    with Feed(graphql, CHANGES) as feed:
        publisher.publish(1, 10)
        seen = feed.take(10)
        assert fields(seen) == list(range(1, 11))
        cursor = seen[4].id
        assert cursor == seen[4].data["data"]["events"]["cursor"]
    publisher.publish(11, 10)
    with (
        Feed(graphql, CHANGES, after=cursor)
        if way == "after"
        else Feed(graphql, CHANGES, resume=cursor)
    ) as feed:
        assert fields(feed.take(15)) == list(range(6, 21))
        caught_up = feed.next().data["data"]["events"]["event"]
        assert caught_up == {"type": "CaughtUp"}
        publisher.publish(21, 1)
        assert fields([feed.next()]) == [21]


def test_a_cursor_that_is_none_is_refused(graphql: GraphQLServer) -> None:
    answer = graphql.post(CHANGES, accept="text/event-stream", after="yesterday")
    assert (answer.status, answer.code) == (400, "invalid-cursor")


def test_those_who_ask_the_same_share_one_subscription_and_get_everything(
    publisher: PublishingDaemon, graphql: GraphQLServer
) -> None:
    feeds = [Feed(graphql, LIVE) for _ in range(40)]
    assert graphql.gauge("subscriptions") == 40
    assert graphql.gauge("daemon_subscriptions") == 1
    publisher.publish(1, 500)
    for feed in feeds:
        assert fields(feed.take(500)) == list(range(1, 501))
        feed.close()
    with Feed(graphql, LIVE) as feed:  # the subscription is a new one once all have gone
        publisher.publish(501, 1)
        assert fields([feed.next()]) == [501]


def test_nobody_waits_for_who_does_not_read(
    publisher: PublishingDaemon, graphql: GraphQLServer
) -> None:
    """The reader that sleeps is told, by its own stream, and the cursor brings it on."""
    before = None
    with Feed(graphql, LARGE) as sleeping, Feed(graphql, LIVE) as awake:
        number = 1
        for _ in range(60):
            publisher.publish(number, 200)
            assert fields(awake.take(200)) == list(range(number, number + 200))
            number += 200
            before = before or graphql.memory()
            if graphql.gauge("subscriptions") == 1:
                break
        assert graphql.gauge("subscriptions") == 1
        assert graphql.memory() - before < 32 * 1024
        seen = []
        while (heard := sleeping.next()).kind == "next" and "data" in heard.data:
            seen.append(heard)
        assert heard.data["errors"][0]["extensions"]["code"] == "reader-too-slow"
    assert fields(seen) == list(range(1, len(seen) + 1))
    with Feed(graphql, CHANGES, resume=seen[-1].id) as feed:
        assert fields([feed.next()]) == [len(seen) + 1]


def test_a_daemon_that_goes_away_is_missed_and_comes_back(
    publisher: PublishingDaemon, graphql: GraphQLServer
) -> None:
    with Feed(graphql, CHANGES) as feed:
        publisher.publish(1, 1)
        assert fields([feed.next()]) == [1]
        assert graphql.ask("GET", "/health").json == {"daemon": "connected"}
        publisher.end()
        for query, form in (("{ coreStatus { version } }", None), (LIVE, "text/event-stream")):
            answer = graphql.post(query, accept=form)
            assert answer.code in ("daemon-not-running", "connection-refused")
            assert answer.json["errors"][0]["extensions"]["retryable"]
        assert graphql.ask("GET", "/health").status == 503
        publisher.launch()
        publisher.publish(2, 1)
        assert fields([feed.next()]) == [2]
        assert graphql.post("{ coreStatus { version } }").data["coreStatus"]["version"]
        assert graphql.ask("GET", "/health").status == 200


# --- WebSockets ---------------------------------------------------------------------------------


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """What opens sockets."""
    async with aiohttp.ClientSession() as made:
        yield made


async def opened(
    session: aiohttp.ClientSession, server: GraphQLServer, *, greet: bool = True
) -> aiohttp.ClientWebSocketResponse:
    """A socket, and what a client says first."""
    await asyncio.to_thread(server.wait)
    socket = await session.ws_connect(server.url, protocols=["graphql-transport-ws"])
    if greet:
        payload = {"Authorization": f"Bearer {server.token}"}
        await socket.send_json({"type": "connection_init", "payload": payload})
        assert await socket.receive_json() == {"type": "connection_ack"}
    return socket


async def test_one_socket_carries_many_subscriptions(
    publisher: PublishingDaemon, graphql: GraphQLServer, session: aiohttp.ClientSession
) -> None:
    socket = await opened(session, graphql)
    names = [f"{number}" for number in range(200)]
    for name in names:
        await socket.send_json({"id": name, "type": "subscribe", "payload": {"query": LIVE}})
    question = {"query": "{ __typename }"}
    await socket.send_json({"id": "last", "type": "subscribe", "payload": question})
    answered = [await socket.receive_json(), await socket.receive_json()]
    assert answered[0]["payload"] == {"data": {"__typename": "Query"}}
    assert answered[1] == {"id": "last", "type": "complete"}
    await asyncio.to_thread(publisher.publish, 1, 20)
    got: dict[str, list[int]] = {name: [] for name in names}
    for _ in range(20 * len(names)):
        message = await socket.receive_json()
        got[message["id"]].append(int(message["payload"]["data"]["events"]["event"]["field"]))
    assert all(numbers == list(range(1, 21)) for numbers in got.values())
    for name in names[1:]:
        await socket.send_json({"id": name, "type": "complete"})
    await socket.send_json({"type": "ping"})
    assert await socket.receive_json() == {"type": "pong"}
    await asyncio.to_thread(publisher.publish, 21, 1)
    assert (await socket.receive_json())["id"] == "0"
    await socket.close()


INIT = {"type": "connection_init"}
BREACHES: dict[str, tuple[int, bool, list[Any]]] = {
    "no greeting": (4401, False, [{"id": "1", "type": "subscribe", "payload": {"query": LIVE}}]),
    "wrong token": (4403, False, [{**INIT, "payload": {"authorization": "Bearer wrong"}}]),
    "no token": (4403, False, [INIT]),
    "silence": (4408, False, []),
    "two greetings": (4429, True, [INIT]),
    "no JSON": (4400, True, ["{"]),
    "no such message": (4400, True, [{"type": "dance"}]),
    "no payload": (4400, True, [{"type": "subscribe", "id": "1", "payload": 5}]),
    "one id twice": (
        4409,
        True,
        [{"id": "1", "type": "subscribe", "payload": {"query": LIVE}}] * 2,
    ),
}


@pytest.mark.parametrize("name", BREACHES)
async def test_a_breach_of_the_protocol_closes_the_socket_with_its_code(
    shared: GraphQLServer, session: aiohttp.ClientSession, name: str
) -> None:
    code, greet, messages = BREACHES[name]
    socket = await opened(session, shared, greet=greet)
    for message in messages:
        await socket.send_str(message if isinstance(message, str) else json.dumps(message))
    assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
    assert socket.close_code == code


async def test_a_ping_does_not_buy_time_to_say_who_one_is(
    shared: GraphQLServer, session: aiohttp.ClientSession
) -> None:
    socket = await opened(session, shared, greet=False)
    await socket.send_json({"type": "ping"})
    while (heard := await socket.receive()).type is aiohttp.WSMsgType.TEXT:
        assert heard.json() == {"type": "pong"}
        await socket.send_json({"type": "ping"})
    assert socket.close_code == 4408


async def test_those_who_do_not_say_who_they_are_are_few(
    shared: GraphQLServer, session: aiohttp.ClientSession
) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as many:
        silent = [await opened(many, shared, greet=False) for _ in range(GREETING)]
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await opened(session, shared, greet=False)
        assert refused.value.status == 503
        for socket in silent:
            await socket.close()
    await (await opened(session, shared)).close()


BULK = "x" * 500_000
"""Part of the id of an operation, which each answer to it bears."""
FLOODS: dict[str, dict[str, Any]] = {
    "answers": {"type": "subscribe", "payload": {"query": "{ __typename }"}},
    "errors": {"type": "subscribe", "payload": {"query": "{"}},
}


async def flood(socket: aiohttp.ClientWebSocketResponse, message: dict[str, Any]) -> None:
    """Ask what has to be answered with a hundred megabytes, and read none of them."""
    for number in range(200):
        await socket.send_json({"id": f"{number} {BULK}", **message})


@pytest.mark.parametrize("name", FLOODS)
async def test_a_socket_on_which_nobody_reads_is_hung_up_on(
    shared: GraphQLServer, session: aiohttp.ClientSession, name: str
) -> None:
    socket = await opened(session, shared)
    before = shared.memory()
    with pytest.raises(ConnectionError):
        await flood(socket, FLOODS[name])
    assert shared.memory() - before < 48 * 1024
    await (await opened(session, shared)).close()


async def test_another_protocol_is_refused(
    shared: GraphQLServer, session: aiohttp.ClientSession
) -> None:
    await asyncio.to_thread(shared.wait)
    socket = await session.ws_connect(shared.url, protocols=["graphql-ws"])
    assert (await socket.receive()).type is aiohttp.WSMsgType.CLOSE
    assert socket.close_code == 4406


async def test_a_socket_of_another_page_is_refused(
    shared: GraphQLServer, session: aiohttp.ClientSession
) -> None:
    await asyncio.to_thread(shared.wait)
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await session.ws_connect(
            shared.url, protocols=["graphql-transport-ws"], origin="https://evil.example"
        )
    assert refused.value.status == 403


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GraphQLServer]:
    """A server for tests that change nothing."""
    daemon = PublishingDaemon(tmp_path_factory.mktemp("shared") / "data").launch()
    server = GraphQLServer(daemon)
    yield server
    assert server.stop() == 0
    daemon.end()
