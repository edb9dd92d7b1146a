"""Limits that hurt nobody: who is within them is served, and who is not is told so."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import sys
import time
from threading import Thread
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from as_user import needs_root, person, reachable

from sd_daemon.server import sweep
from sd_daemon.server.instances import CoreInstanceManager
from sd_daemon.server.listen import claim
from sd_daemon.server.routes import route_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path

    from running import Daemon, Wire

LIMIT = 40  # connections
MIB = 1024 * 1024
NO_ROOM = "requests that have not arrived whole already take most of {} bytes"
EVENTS: dict[str, Any] = {"Subscribe": {"event_types": ["ConfigChanged"], "filter": None}}
LIST: dict[str, Any] = {"Query": {"method": "query:libraries.list"}}


def few_files() -> None:
    """What a daemon is started with so that it serves LIMIT connections."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (256 + LIMIT, 256 + LIMIT))


@pytest.fixture
def small(make_daemon: Callable[..., Daemon]) -> Iterator[Daemon]:
    """A daemon for few clients that anybody can reach."""
    with reachable(make_daemon(), preexec_fn=few_files) as daemon:
        yield daemon


def configure(daemon: Daemon, **settings: Any) -> None:
    daemon.call("action:config.app.update.input", settings)


def refusal_of(wire: Wire) -> str | None:
    """What a connection that gets no place is told; None for one that has a place."""
    try:
        wire.send("Ping")
    except BrokenPipeError:
        pass
    reply = wire.read()
    return None if reply == "Pong" else reply["Error"]["CoreUnavailable"]


# --- connections ---------------------------------------------------------------------------------


@needs_root
def test_one_user_gets_a_quarter_and_the_others_their_own(small: Daemon) -> None:
    alices = [person(small) for _ in range(LIMIT // 4)]
    assert [refusal_of(one) for one in alices] == [None] * (LIMIT // 4)
    for _ in range(100):
        with person(small) as one_more:
            assert refusal_of(one_more) == f"user 41001 already has {LIMIT // 4} connections " + (
                "to the daemon"
            )
    with person(small, uid=41002) as bob:
        assert refusal_of(bob) is None
    alices.pop().close()
    status = small.call("query:core.status")  # by now the daemon has seen that end
    assert status["clients"]["connections"] == LIMIT // 4
    alices.append(person(small))
    assert refusal_of(alices[-1]) is None
    for one in alices:
        one.close()
    assert small.log_text().count("a client was turned away") == 1


@needs_root
def test_the_number_for_a_user_can_be_configured_and_is_not_for_the_owner(small: Daemon) -> None:
    configure(small, limits_connections_per_user=1)
    owners = [small.connect() for _ in range(5)]
    assert [refusal_of(one) for one in owners] == [None] * 5
    with person(small) as first, person(small) as second:
        assert refusal_of(first) is None
        assert refusal_of(second) == "user 41001 already has 1 connections to the daemon"


@needs_root
def test_when_all_places_are_taken_some_are_left_for_the_administrator(small: Daemon) -> None:
    people = [person(small, uid=42000 + number) for number in range(LIMIT - 5)]
    assert [refusal_of(one) for one in people] == [None] * len(people)
    with person(small) as newcomer:
        assert refusal_of(newcomer) == f"the daemon already serves {LIMIT} connections"
    owners = [small.connect() for _ in range(5)]
    assert [refusal_of(one) for one in owners] == [None] * 5
    with small.connect() as one_more:
        assert refusal_of(one_more) == f"the daemon already serves {LIMIT} connections"
    for one in people:
        one.close()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[str]:
    """A server in this process with sixteen places; its path."""
    manager = CoreInstanceManager(str(tmp_path / "data"), limit=16)
    path = str(tmp_path / "sd.sock")
    await manager.serve(None, await claim(path))
    await manager.open()
    yield path
    await manager.shutdown_all()


class Client:
    """A connection inside the server's own loop."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, path: str) -> Client:
        return cls(*await asyncio.open_unix_connection(path))

    async def ask(self, message: Any) -> Any:
        self.writer.write(json.dumps(message).encode() + b"\n")
        return json.loads(await self.reader.readline())

    async def end(self) -> list[Any]:
        return [json.loads(line) for line in (await self.reader.read()).splitlines()]


async def test_the_connection_that_is_idle_longest_makes_room(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep, "LONG_IDLE", 0.4)
    watching = await Client.connect(server)
    assert await watching.ask(EVENTS) == "Subscribed"
    slow = await Client.connect(server)
    slow.writer.write(b'{"Query"')  # a request that never ends
    loris = asyncio.get_running_loop().create_task(_drip(slow.writer))
    idle = [await Client.connect(server) for _ in range(14)]
    for one in idle:
        assert await one.ask("Ping") == "Pong"
    newcomer = await Client.connect(server)
    assert "CoreUnavailable" in (await newcomer.end())[0]["Error"]

    await asyncio.sleep(0.5)  # being idle is nothing but time
    loris.cancel()
    assert await idle[0].ask("Ping") == "Pong"
    served = [await Client.connect(server) for _ in range(14)]
    for one in served:
        assert await one.ask("Ping") == "Pong"
    for one in (slow, *idle[1:]):
        (said,) = await one.end()
        assert "the daemon closed this connection" in said["Error"]["CoreUnavailable"]
    assert await idle[0].ask("Ping") == "Pong"
    assert await watching.ask(EVENTS) == "Subscribed"
    for one in (watching, slow, newcomer, *idle, *served):
        one.writer.close()
        await one.writer.wait_closed()


async def _drip(writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b" ")
        await asyncio.sleep(0.05)


def test_an_idle_time_out_ends_silent_connections_and_no_others(daemon: Daemon) -> None:
    with daemon.connect() as silent, daemon.connect() as slow, daemon.connect() as watching:
        assert silent.ask("Ping") == "Pong"
        assert watching.ask(EVENTS) == "Subscribed"
        slow.send(b'"Pin')
        configure(daemon, limits_idle_seconds=1)
        sentence = "the daemon closed this connection: it was idle for 1 s"
        assert silent.read_rest() == [{"Error": {"CoreUnavailable": sentence}}]
        assert slow.read_rest() == [{"Error": {"CoreUnavailable": sentence}}]
        assert watching.read() == {"Event": {"ConfigChanged": {"field": "limits_idle_seconds"}}}
        assert watching.ask("Ping") == "Pong"


def test_a_client_that_reads_nothing_is_cut_off(daemon: Daemon) -> None:
    configure(daemon, limits_unread_seconds=1)
    with daemon.connect() as wire, daemon.connect() as busy:
        wire.send(*[{"Query": {"method": "query:core.describe"}}] * 50)
        deadline = time.monotonic() + 20
        while "a client was cut off" not in daemon.log_text() and time.monotonic() < deadline:
            assert busy.ask("Ping") == "Pong"
            time.sleep(0.05)
    assert 'reason="it has read nothing for 1 s"' in daemon.log_text()


def test_a_client_that_reads_slowly_is_not_cut_off(daemon: Daemon) -> None:
    configure(daemon, limits_unread_seconds=1)
    with daemon.connect() as wire:
        count = 6
        wire.send(*[{"Query": {"method": "query:core.describe"}}] * count, "Ping")
        began = time.monotonic()
        while time.monotonic() - began < 3:
            assert wire.socket.recv(4096)
            time.sleep(0.1)
        wire.socket.settimeout(20)
        rest = b""
        while not rest.endswith(b'"Pong"\n'):
            rest += wire.socket.recv(1024 * 1024)
    assert "a client was cut off" not in daemon.log_text()


# --- requests ------------------------------------------------------------------------------------


class Held:
    """A server in this process whose test.ping waits until it is let go."""

    def __init__(self, manager: CoreInstanceManager, path: str) -> None:
        self.manager = manager
        self.path = path
        self.go = asyncio.Event()

    async def wait(self, _: object, request: Any) -> str:
        """What answers test.ping."""
        await self.go.wait()
        return str(len(request.message))

    @property
    def bytes(self) -> int:
        """Of requests that are not answered, as far as they count."""
        return self.manager.capacity.unfinished.used


@pytest.fixture
async def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Held]:
    manager = CoreInstanceManager(str(tmp_path / "data"), limit=16)
    path = str(tmp_path / "sd.sock")
    await manager.serve(None, await claim(path))
    await manager.open()
    made = Held(manager, path)
    route = route_of("query:test.ping")
    assert route is not None
    monkeypatch.setattr(route, "handler", made.wait)
    yield made
    await manager.shutdown_all()


def ping(size: int, **beside: Any) -> bytes:
    call = {"method": "query:test.ping", "payload": {"message": "x" * size}}
    return json.dumps({"Query": call, **beside}).encode() + b"\n"


async def test_more_pending_requests_than_allowed_are_refused_and_the_others_answered(
    held: Held,
) -> None:
    client = await Client.connect(held.path)
    client.writer.write(b"".join(ping(1, id=number) for number in range(1500)))
    refused = [json.loads(await client.reader.readline()) for _ in range(1500 - 1024)]
    assert [one["id"] for one in refused] == list(range(1024, 1500))
    assert {one["details"]["code"] for one in refused} == {"too-many-requests"}
    held.go.set()
    answers = [json.loads(await client.reader.readline()) for _ in range(1024)]
    assert sorted(one["id"] for one in answers) == list(range(1024))
    assert all("JsonOk" in one for one in answers)
    client.writer.write(ping(1, id="later"))
    assert "JsonOk" in json.loads(await client.reader.readline())
    client.writer.close()
    await client.writer.wait_closed()


def test_who_asks_faster_than_it_can_be_answered_is_told_so(daemon: Daemon) -> None:
    daemon.call("action:libraries.create.input", {"name": "Home", "path": None})
    call = {"method": "query:search.files", "payload": {"query": "xq", "filters": {}}}
    asked = [{"Query": call, "id": number} for number in range(4000)]
    with daemon.connect() as wire:
        sending = Thread(target=wire.send, args=asked)
        sending.start()
        replies = {reply["id"]: reply for reply in (wire.read() for _ in asked)}
        sending.join()
        refused = [number for number, reply in replies.items() if "Error" in reply]
        assert refused
        assert min(refused) >= 1024
        assert {replies[one]["details"]["code"] for one in refused} == {"too-many-requests"}


@pytest.mark.parametrize("ids", [True, False])
async def test_who_has_long_requests_waiting_is_not_read_from(held: Held, *, ids: bool) -> None:
    client = await Client.connect(held.path)
    for number in range(5):
        client.writer.write(ping(5 * MIB, **({"id": number} if ids else {})))
    turns = 0
    async with asyncio.timeout(20):
        while held.bytes < 10 * MIB or turns < 1000:  # the server has as many turns
            await asyncio.sleep(0)
            turns += 1
            assert held.bytes < 11 * MIB
    held.go.set()
    answers = [json.loads(await client.reader.readline()) for _ in range(5)]
    assert [one["JsonOk"] for one in answers] == [str(5 * MIB)] * 5
    assert held.bytes == 0
    client.writer.close()
    await client.writer.wait_closed()


async def test_what_waited_for_one_who_is_gone_counts_no_more(held: Held) -> None:
    client = await Client.connect(held.path)
    client.writer.write(ping(MIB) + ping(MIB) + ping(MIB)[:-1])
    async with asyncio.timeout(20):
        while held.bytes < 3 * MIB - 8192:  # noqa: ASYNC110 (nobody tells)
            await asyncio.sleep(0.001)
        client.writer.transport.abort()
        while held.bytes:  # noqa: ASYNC110 (nobody tells)
            await asyncio.sleep(0.001)


# --- requests that do not end -------------------------------------------------------------------


def begin(wire: Wire, size: int) -> None:
    """The beginning of a request, so many bytes of it."""
    head = b'{"Query":{"method":"query:test.ping","payload":{"message":"'
    wire.send(head + b"x" * (size - len(head)))


END = b'"}}}\n'


def test_requests_that_do_not_end_share_what_memory_there_is(daemon: Daemon) -> None:
    configure(daemon, limits_unfinished_bytes=20 * MIB)
    before = daemon.memory()
    waiting = [daemon.connect() for _ in range(2)]
    for wire in waiting:
        begin(wire, 8 * MIB - 10)
    for _ in range(20):
        with daemon.connect() as wire:
            begin(wire, 7 * MIB)  # some of it is kept, until it is too much
            assert wire.read() == {"Error": {"RequestTooLarge": NO_ROOM.format(20 * MIB)}}
            wire.send(END, "Ping")
            assert wire.read() == "Pong"
            begin(wire, 3000)  # what is short is not counted
            wire.send(END)
            assert "JsonOk" in wire.read()
    assert daemon.memory() - before < 48 * 1024
    waiting.pop().close()
    waiting[0].send(END)
    assert len(waiting[0].read()["JsonOk"]["echo"]) > 7 * MIB
    for _ in range(3):  # what was given back can be taken again
        begin(waiting[0], 7 * MIB)
        waiting[0].send(END)
        assert len(waiting[0].read()["JsonOk"]["echo"]) > 6 * MIB


def test_how_much_memory_there_is_may_be_very_little(daemon: Daemon) -> None:
    configure(daemon, limits_unfinished_bytes=64 * 1024)
    with daemon.connect() as wire:
        begin(wire, 100 * 1024)
        assert wire.read() == {"Error": {"RequestTooLarge": NO_ROOM.format(64 * 1024)}}
        wire.send(END, "Ping")
        assert wire.read() == "Pong"


def test_a_request_of_very_many_values_is_refused(daemon: Daemon) -> None:
    values = b"1," * 262_143 + b"1"
    with daemon.connect() as wire:
        wire.send(b'{"Query":{"method":"query:test.ping","payload":[' + values + b']},"id":1}\n')
        assert wire.read()["details"]["code"] == "too-many-values"
        assert wire.ask("Ping") == "Pong"


def test_frames_that_do_not_end_share_it_as_well(daemon: Daemon) -> None:
    configure(daemon, limits_unfinished_bytes=2 * MIB)
    hello = {"Hello": {"version": 1, "encoding": "messagepack"}}
    with daemon.connect() as wire:
        assert "Hello" in wire.ask(hello)
        wire.send((4 * MIB).to_bytes(4, "big") + b"\xc6" + b"x" * (3 * MIB))
        size = int.from_bytes(wire.read_bytes(4), "big")
        (kind,) = msgspec.msgpack.decode(wire.read_bytes(size))["Error"].items()
        assert kind == ("RequestTooLarge", NO_ROOM.format(2 * MIB))
        wire.send(b"x" * (MIB - 1) + bytes.fromhex("00000005a450696e67"))
        assert wire.read_bytes(9) == bytes.fromhex("00000005a4506f6e67")


@needs_root
def test_one_user_cannot_take_all_the_memory_for_requests(small: Daemon) -> None:
    configure(small, limits_unfinished_bytes=16 * MIB)
    with person(small) as alice, person(small, uid=41002) as bob, small.connect() as owner:
        begin(alice, 5 * MIB)
        assert alice.read() == {"Error": {"RequestTooLarge": NO_ROOM.format(4 * MIB)}}
        for wire in (bob, owner):
            begin(wire, 3 * MIB)
            wire.send(END)
            assert "JsonOk" in wire.read()
        begin(owner, 7 * MIB)
        owner.send(END)
        assert "JsonOk" in owner.read()


# --- descriptors ---------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="prlimit and /proc are Linux's")
def test_without_descriptors_it_says_so_and_accepts_again_when_there_are_some(
    daemon: Daemon,
) -> None:
    assert daemon.process is not None
    pid = daemon.process.pid
    first = daemon.connect()
    used = len(os.listdir(f"/proc/{pid}/fd"))
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 40, 20_000))
    clients = [daemon.connect() for _ in range(200)]
    said = [refusal_of(one) for one in clients]
    served = said.count(None)
    assert 10 <= served < 40
    assert said[served:] == ["the daemon has no file descriptor left for another connection"] * (
        200 - served
    )
    before = cpu_time(pid)
    time.sleep(1)  # what is measured is that nothing happens
    assert cpu_time(pid) - before <= 0.1
    assert first.ask(LIST) == {"JsonOk": []}
    for one in clients:
        one.close()
    deadline = time.monotonic() + 10
    while refusal_of(daemon.connect()) is not None:  # until it has seen that they are gone
        assert time.monotonic() < deadline
    assert daemon.log_text().count("a client was turned away") == 1


def cpu_time(pid: int) -> float:
    """Seconds that a process has computed."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# --- watchers ------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform != "linux", reason="epoll is Linux's")
def test_a_watcher_that_had_half_closed_is_forgotten_when_it_dies(daemon: Daemon) -> None:
    watcher = daemon.connect()
    watcher.ask(EVENTS)
    watcher.done()
    with daemon.connect() as wire:
        assert clients_of(wire) == {"connections": 2, "subscriptions": 1}
        watcher.close()
        deadline = time.monotonic() + 10
        while clients_of(wire)["connections"] > 1 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert clients_of(wire) == {"connections": 1, "subscriptions": 0}
    daemon.signal(signal.SIGTERM)
    assert daemon.wait() == 0


def clients_of(wire: Wire) -> dict[str, int]:
    found = wire.ask({"Query": {"method": "query:core.status"}})["JsonOk"]["clients"]
    return {name: found[name] for name in ("connections", "subscriptions")}


def test_a_connection_has_so_many_subscriptions_and_no_more(daemon: Daemon) -> None:
    subscribe = {"Subscribe": {"event_types": ["ConfigChanged"]}}
    with daemon.connect() as wire:
        wire.send(*({**subscribe, "id": number} for number in range(1025)))
        answers = [wire.read() for _ in range(1025)]
        assert all("Subscribed" in one for one in answers[:1024])
        assert answers[1024]["details"]["code"] == "too-many-subscriptions"
        # One of them can be made anew, and one that has ended gives its place away.
        assert "Subscribed" in wire.ask({**subscribe, "id": 7})
        wire.ask({"Unsubscribe": None, "id": 7})
        assert "Subscribed" in wire.ask({**subscribe, "id": "new"})
