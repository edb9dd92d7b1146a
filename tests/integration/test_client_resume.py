"""Subscriptions that go on where they were, against a peer whose journal can be damaged."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from peer import OTHER_STREAM, QUICK, STREAM, Peer

from sd_client import streams
from sd_client.client import CoreClient
from sd_client.occurrences import Gap, Occurrence, Position, UnknownEvent
from sd_wire.errors import ConnectionLost, DaemonNotRunning, LibraryNotFound
from sd_wire.events import CoreStarted, JobUpdate, LibraryClosed, LibraryCreated, LogMessage
from sd_wire.messages import CaughtUp, EventFilter, LogFilter, Subscribe, SubscribeLogs
from sd_wire.operations.libraries import CreateLibrary

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path
    from uuid import UUID

    from running import Daemon

    from sd_client.streams import Subscription

CLOSED = {"LibraryClosed": {"id": str(STREAM), "name": "Home"}}


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


async def numbers(events: Subscription[Occurrence], count: int) -> list[int]:
    """The numbers of the next events."""
    received = [await events.recv() for _ in range(count)]
    return [one.sequence for one in received if one is not None and one.raw is not None]


def asked(peer: Peer) -> list[tuple[int | None, UUID | None]]:
    """From where each subscription was asked for."""
    bodies = [one.body for one in peer.of(Subscribe)]
    return [(body.after, body.stream) for body in bodies if isinstance(body, Subscribe)]


# --- what is yielded -----------------------------------------------------------------------------


async def test_the_program_that_everybody_writes_first(client: CoreClient, peer: Peer) -> None:
    said: list[str] = []
    log = {"timestamp": "2025-11-23T01:44:07Z", "target": "t", "job_id": None, "library_id": None}
    job = {"job_id": str(STREAM), "job_type": "copy", "progress": 0.5, "message": None}
    job |= {"library_id": str(STREAM), "device_id": str(STREAM), "status": "running"}
    async with client.subscribe_events(
        ["LogMessage", "JobUpdate"], EventFilter(library_id=STREAM)
    ) as event_stream:
        peer.happen({"LogMessage": {**log, "level": "INFO", "message": "it begins"}})
        peer.happen({"JobUpdate": job})
        peer.happen("CoreShutdown")
        while happened := await event_stream.recv():
            match happened.event:
                case LogMessage(message=message, level=level):
                    said.append(f"[{level}] {message}")
                case JobUpdate(job_id=job_id, status=status):
                    said.append(f"Job {job_id} status: {status}")
                case _:
                    event_stream.close()
    assert said == ["[INFO] it begins", f"Job {STREAM} status: running"]
    (wanted,) = peer.of(Subscribe)
    assert isinstance(wanted.body, Subscribe)
    assert wanted.body.event_types == ["LogMessage", "JobUpdate"]
    assert wanted.body.filter == EventFilter(library_id=STREAM)


async def test_events_come_in_order_with_all_that_is_known(client: CoreClient, peer: Peer) -> None:
    async with client.subscribe_events() as events:
        peer.happen("CoreStarted")
        peer.happen({"Later": {"x": 1}})
        peer.happen(CLOSED)
        first, second, third = [await anext(events) for _ in range(3)]
    assert isinstance(first.event, CoreStarted)
    assert second.event == UnknownEvent("Later", {"x": 1})
    assert isinstance(third.event, LibraryClosed)
    assert [first.sequence, second.sequence, third.sequence] == [1, 2, 3]
    assert (first.correlation_id, first.library_id, first.initial) == ("cause", STREAM, False)
    assert first.time is not None


async def test_a_known_event_with_other_fields_does_not_end_it(
    client: CoreClient, peer: Peer
) -> None:
    async with client.subscribe_events() as events:
        peer.happen({"LibraryClosed": {"number": 7}})
        assert (await anext(events)).event == UnknownEvent("LibraryClosed", {"number": 7})


async def test_warnings_can_be_read(client: CoreClient, peer: Peer) -> None:
    peer.warnings = ["there is no event Jub"]
    async with client.subscribe_events(["Jub"]) as events:
        assert events.warnings == ["there is no event Jub"]


async def test_the_state_comes_first(client: CoreClient, peer: Peer) -> None:
    peer.journal = {5: "CoreStarted"}
    async with client.subscribe_events(initial=True) as events:
        assert events.position is None  # half a state is no place to go on from
        state, caught_up = await anext(events), await anext(events)
        assert state.initial
        assert caught_up.event == CaughtUp(5)
        assert events.position == Position(5, STREAM)
        peer.happen("Refresh")
        assert await numbers(events, 1) == [6]


async def test_after_the_state_what_happened_is_enough(client: CoreClient, peer: Peer) -> None:
    async with client.subscribe_events(initial=True) as events:
        await anext(events)
        await anext(events)
        peer.journal[1] = "CoreStarted"
        peer.drop_all()
        assert await numbers(events, 1) == [1]
    assert asked(peer) == [(None, None), (0, STREAM)]


async def test_the_state_comes_again_where_something_is_gone(
    client: CoreClient, peer: Peer
) -> None:
    async with client.subscribe_events(initial=True) as events:
        await anext(events)
        await anext(events)
        peer.journal, peer.first_kept = {20: "Refresh"}, 20
        peer.drop_all()
        assert (await anext(events)).event == Gap(1, 19)
        assert (await anext(events)).initial
        assert (await anext(events)).event == CaughtUp(20)
        assert events.position == Position(20, STREAM)


async def test_a_gap_hides_nothing_that_is_kept(client: CoreClient, peer: Peer) -> None:
    async with client.subscribe_events() as events:
        peer.happen("CoreStarted")
        assert await numbers(events, 1) == [1]
        peer.journal |= {2: "Refresh", 5: "Refresh", 9: "Refresh"}
        peer.lost = {"first": 3, "last": 8}  # the hull of what is gone; 5 is not
        peer.drop_all()
        assert (await anext(events)).event == Gap(3, 8)
        assert await numbers(events, 3) == [2, 5, 9]


# --- going on ------------------------------------------------------------------------------------


async def test_nothing_is_lost_with_the_connection(client: CoreClient, peer: Peer) -> None:
    async with client.subscribe_events() as events:
        peer.happen("CoreStarted")
        peer.happen("Refresh")
        assert await numbers(events, 2) == [1, 2]
        peer.journal |= {3: "CoreShutdown", 7: "CoreStarted"}  # nobody was connected
        peer.drop_all()
        assert await numbers(events, 2) == [3, 7]
        peer.happen("Refresh")
        assert await numbers(events, 1) == [8]
    assert asked(peer) == [(None, None), (2, STREAM)]


async def test_nothing_comes_twice(client: CoreClient, peer: Peer) -> None:
    async with client.subscribe_events() as events:
        for _ in range(3):
            peer.happen("Refresh")
        assert await numbers(events, 3) == [1, 2, 3]
        for number in (2, 3, 4):
            peer.happen("Refresh", number)
        assert await numbers(events, 1) == [4]


async def test_a_daemon_that_dropped_events_is_asked_for_them(
    client: CoreClient, peer: Peer
) -> None:
    async with client.subscribe_events() as events:
        peer.happen("CoreStarted")
        peer.journal |= dict.fromkeys(range(2, 9), "Refresh")
        peer.lag(missed=7, after=1)
        peer.happen("CoreShutdown", 9)  # sent to the old subscription, before the new one
        assert await numbers(events, 9) == list(range(1, 10))
        (ended,) = await peer.until("Unsubscribe")
        assert ended.id == peer.of(Subscribe)[0].id
        assert len(peer.standing()) == 1
    assert asked(peer) == [(None, None), (1, STREAM)]


async def test_what_is_gone_is_one_gap_with_its_range(client: CoreClient, peer: Peer) -> None:
    async with client.subscribe_events() as events:
        peer.happen("CoreStarted")
        assert await numbers(events, 1) == [1]
        peer.journal, peer.first_kept = {20: "Refresh"}, 20
        peer.drop_all()
        peer.drop_next_subscription = True  # it hears of the gap, and of nothing more
        assert await anext(events) == Occurrence(Gap(2, 19), 19)
        assert await numbers(events, 1) == [20]
        assert events.position == Position(20, STREAM)
        peer.drop_all()
        peer.journal[21] = "Refresh"
        assert await numbers(events, 1) == [21]  # and no second gap


async def test_another_numbering_is_a_gap(client: CoreClient, peer: Peer) -> None:
    async with client.subscribe_events() as events:
        for _ in range(3):
            peer.happen("CoreStarted")
        assert await numbers(events, 3) == [1, 2, 3]
        peer.stream, peer.journal = OTHER_STREAM, {1: "Refresh"}
        peer.drop_all()
        assert (await anext(events)).event == Gap(4, 1, "replaced")
        peer.happen("CoreShutdown")
        assert await numbers(events, 1) == [2]
        assert events.position == Position(2, OTHER_STREAM)


async def test_a_daemon_that_numbers_nothing_leaves_an_unknown_gap(
    client: CoreClient, peer: Peer
) -> None:
    peer.stream = None
    async with client.subscribe_events() as events:
        peer.happen("CoreStarted")
        assert await numbers(events, 1) == [1]
        peer.drop_all()
        assert (await anext(events)).event == Gap(0, 0, "unknown")
        peer.happen("CoreStarted", 1)
        assert await numbers(events, 1) == [1]


async def test_a_program_goes_on_after_its_own_restart(client: CoreClient, peer: Peer) -> None:
    async with client.subscribe_events() as events:
        assert events.position == Position(0, STREAM)
        for _ in range(3):
            peer.happen("Refresh")
        assert await numbers(events, 2) == [1, 2]
        stored = events.position
    assert stored == Position(2, STREAM)  # what was seen, and not what had come
    async with client.subscribe_events(after=stored) as events:
        assert events.position == stored
        assert (await anext(events)).sequence == 3
        assert (await anext(events)).event == CaughtUp(3)


async def test_a_number_that_was_never_given_out_hides_nothing(
    client: CoreClient, peer: Peer
) -> None:
    async with client.subscribe_events(after=Position(99_999)) as events:
        assert (await anext(events)).event == CaughtUp(0)
        peer.happen("CoreStarted")
        assert await numbers(events, 1) == [1]


async def test_a_slow_program_loses_nothing(
    client: CoreClient, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "QUEUE_LIMIT", 10)
    async with client.subscribe_events() as events:
        for _ in range(30):
            peer.happen("Refresh")
        await peer.until("Unsubscribe")  # it takes no more than it can hold
        assert await numbers(events, 40 - 10) == list(range(1, 31))
        assert events.position == Position(30, STREAM)
    assert asked(peer)[1] == (10, STREAM)


async def test_a_subscription_that_was_left_while_the_daemon_was_away_is_not_made_again(
    client: CoreClient, peer: Peer
) -> None:
    async with client.subscribe_events():
        await peer.stop()
    await peer.start()
    await client.ping()
    await asyncio.sleep(0)
    assert not peer.standing()


async def test_a_subscription_that_was_left_while_it_was_made_again_is_ended(
    client: CoreClient, peer: Peer
) -> None:
    async with client.subscribe_events():
        peer.hold_subscriptions = True
        peer.drop_all()
        await peer.until(Subscribe, 2)
    (connected,) = peer.connections
    accepted, peer.hold_subscriptions = peer.of(Subscribe)[1], False
    peer.subscribed(accepted.body, accepted, connected)
    (ended,) = await peer.until("Unsubscribe")
    assert ended.id == accepted.id


async def test_it_ends_with_an_error_when_nobody_comes_back(client: CoreClient, peer: Peer) -> None:
    async with client.subscribe_events() as events:
        await peer.stop()
        with pytest.raises((DaemonNotRunning, ConnectionLost)):
            await events.recv()
    await peer.start()


async def test_it_ends_with_its_client(client: CoreClient) -> None:
    async with client.subscribe_events() as events:
        await client.close()
        with pytest.raises(ConnectionLost):
            await events.recv()


async def test_what_is_wrong_with_it_is_said_at_once(client: CoreClient, peer: Peer) -> None:
    def refuse(_wanted: Any, request: Any, connected: Any) -> None:
        connected.writer.write(connected.encoding.failure(LibraryNotFound(library="x"), request.id))

    peer.subscribed = refuse
    with pytest.raises(LibraryNotFound):
        await client.subscribe_events().recv()


# --- log records ---------------------------------------------------------------------------------


def record(message: str, second: int) -> dict[str, Any]:
    """A log record."""
    fields = {"level": "INFO", "target": "t", "job_id": None, "library_id": None}
    return {"timestamp": f"2025-11-23T01:44:{second:02}Z", "message": message, **fields}


async def test_log_records_go_on_by_their_time(client: CoreClient, peer: Peer) -> None:
    def send(message: Any) -> None:
        request = peer.of(SubscribeLogs)[-1]
        peer.connections[-1].send({**message, "id": request.id})

    async with client.subscribe_logs(last=5) as records:
        send({"LogMessage": record("one", 1)})
        send({"CaughtUp": {"sequence": 0}})
        send({"LogMessage": record("two", 2)})
        assert (await anext(records)).raw is not None
        assert isinstance((await anext(records)).record, CaughtUp)
        await anext(records)
        peer.drop_all()
        await peer.until(SubscribeLogs, 2)
        send({"LogMessage": record("two", 2)})
        send({"LogMessage": record("three", 2)})
        send({"CaughtUp": {"sequence": 0}})
        send({"LogMessage": record("two", 2)})  # the same words again, and another record
        said = [(await anext(records)).record for _ in range(2)]
    assert [one.message for one in said if isinstance(one, LogMessage)] == ["three", "two"]
    first, again = (one.body for one in peer.of(SubscribeLogs))
    assert isinstance(first, SubscribeLogs)
    assert isinstance(again, SubscribeLogs)
    assert (first.last, again.last) == (5, None)
    assert again.since is not None
    assert again.since.second == 2


# --- the real daemon -----------------------------------------------------------------------------


async def test_a_killed_daemon_loses_no_event_that_anybody_saw(daemon: Daemon) -> None:
    async with (
        CoreClient(str(daemon.socket_path)) as client,
        client.subscribe_events(["LibraryCreated", "CoreStarted"]) as events,
    ):
        await client.call(CreateLibrary("Before"))
        first = await anext(events)
        await asyncio.to_thread(daemon.kill)
        await asyncio.to_thread(daemon.start)
        await client.call(CreateLibrary("After"))
        async with asyncio.timeout(20):
            second, third = await anext(events), await anext(events)
    assert isinstance(first.event, LibraryCreated)
    assert isinstance(second.event, CoreStarted)
    assert isinstance(third.event, LibraryCreated)
    assert first.sequence < second.sequence < third.sequence


async def test_a_stored_position_outlives_both_ends(daemon: Daemon) -> None:
    async with CoreClient(str(daemon.socket_path)) as client:
        async with client.subscribe_events() as events:
            stored = events.position
        await client.call(CreateLibrary("Meanwhile"), correlation_id="story")
    await asyncio.to_thread(daemon.stop)
    await asyncio.to_thread(daemon.kill)
    await asyncio.to_thread(daemon.start)
    client = CoreClient(str(daemon.socket_path))
    async with client, client.subscribe_events(["LibraryCreated"], after=stored) as events:
        assert (await anext(events)).correlation_id == "story"
        assert isinstance((await anext(events)).event, CaughtUp)


async def test_logs_have_a_past(daemon: Daemon) -> None:
    async with CoreClient(str(daemon.socket_path)) as client:
        await client.call(CreateLibrary("Told"), correlation_id="story")
        wanted = LogFilter(correlation_id="story")
        async with client.subscribe_logs(wanted, last=100) as records:
            said = []
            while isinstance((one := await anext(records)).record, LogMessage):
                said.append(one.record)
        assert said[0].message == "call begins"
        assert isinstance(one.record, CaughtUp)
