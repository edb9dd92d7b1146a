"""Every event reaches whom it concerns, once, in order and in the form they understand."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import msgspec
import pytest

from sd_daemon.core.bus import Bus
from sd_daemon.server.fanout import PATIENCE_S, Fanout
from sd_daemon.server.outbox import LIMIT, NONE, Outbox
from sd_daemon.server.watch import EventWatch
from sd_wire.encoding import JSON, MESSAGEPACK
from sd_wire.events import (
    CoreStarted,
    Event,
    JobProgress,
    LibraryClosed,
    LocationRemoved,
    LogMessage,
    ResourceChanged,
    ResourceMetadata,
)
from sd_wire.framing import FrameBuffer
from sd_wire.messages import EventFilter, Subscribe
from sd_wire.types.paths import PhysicalPath, SdPath

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sd_wire.encoding import Encoding
    from sd_wire.messages import Id

HOME, WORK = uuid4(), uuid4()


class Client:
    """A subscriber and what it was sent."""

    def __init__(self, fanout: Fanout, descriptor: int = NONE) -> None:
        self.writes: list[bytes] = []
        self.fanout = fanout
        self.outbox = Outbox(self.writes.append, lambda: None, descriptor)
        self.encoding: Encoding = JSON

    def watch(self, types: list[str], request_id: Id = msgspec.UNSET, **wanted: Any) -> EventWatch:
        asked = Subscribe(types, EventFilter(**wanted) if wanted else None)
        watch = EventWatch(self.outbox, self.encoding, request_id, asked)
        self.fanout.add(watch)
        return watch

    def got(self) -> list[Any]:
        self.fanout.flush()
        self.outbox.flush()
        return [json.loads(line) for line in b"".join(self.writes).splitlines()]

    def names(self) -> list[str]:
        events = [line["Event"] for line in self.got()]
        return [event if isinstance(event, str) else next(iter(event)) for event in events]


@pytest.fixture
def bus() -> Bus:
    return Bus()


@pytest.fixture
def fanout(bus: Bus) -> Fanout:
    return Fanout(bus)


def progress(job: UUID, how_far: float = 0.5) -> JobProgress:
    return JobProgress(job, "index", HOME, how_far, None, None)


def changed(*paths: str) -> ResourceChanged:
    affected = [SdPath(Physical=PhysicalPath("here", path)) for path in paths]
    return ResourceChanged("file", {}, ResourceMetadata(affected_paths=affected))


def record(level: str, target: str, job: UUID | None = None) -> LogMessage:
    at = datetime(2026, 11, 23, tzinfo=UTC)
    return LogMessage(at, level, target, "text", str(job) if job else None, None)


async def test_events_of_one_turn_leave_in_one_write_when_it_ends(bus: Bus, fanout: Fanout) -> None:
    client = Client(fanout)
    client.watch([])
    bus.publish(CoreStarted())
    bus.publish(LibraryClosed(HOME, "Home"))
    assert client.writes == []
    await asyncio.sleep(0)
    assert len(client.writes) == 1
    assert client.names() == ["CoreStarted", "LibraryClosed"]


async def test_the_usual_events_are_all_but_those_that_must_be_named(
    bus: Bus, fanout: Fanout
) -> None:
    usual, named = Client(fanout), Client(fanout)
    usual.watch([])
    named.watch(["LogMessage"])
    bus.publish(record("INFO", "x"))
    assert usual.got() == []
    assert named.names() == ["LogMessage"]


async def test_a_subscription_with_an_id_is_told_more(bus: Bus, fanout: Fanout) -> None:
    client = Client(fanout)
    client.watch(["LibraryClosed"], "a")
    bus.publish(CoreStarted())
    bus.publish(LibraryClosed(HOME, "Home"), "request-7")
    (line,) = client.got()
    assert line["id"] == "a"
    assert line["sequence"] == 2
    assert line["library_id"] == str(HOME)
    assert line["correlation_id"] == "request-7"
    assert datetime.fromisoformat(line["time"]).tzinfo is not None


MATTERS: list[tuple[dict[str, Any], Event, bool]] = [
    ({"library_id": HOME}, LibraryClosed(HOME, "x"), True),
    ({"library_id": WORK}, LibraryClosed(HOME, "x"), False),
    ({"library_id": HOME}, LocationRemoved(HOME, WORK), True),
    ({"library_id": HOME}, CoreStarted(), False),
    ({"job_id": str(WORK)}, progress(WORK), True),
    ({"job_id": str(WORK).upper()}, progress(WORK), True),
    ({"job_id": str(HOME)}, progress(WORK), False),
    ({"job_id": str(WORK)}, LibraryClosed(HOME, "x"), False),
    ({"device_id": HOME}, progress(WORK), True),
    ({"device_id": WORK}, progress(WORK), False),
    ({"job_id": str(WORK), "library_id": HOME}, progress(WORK), False),
    ({"resource_type": "file"}, changed(), True),
    ({"resource_type": "tag"}, changed(), False),
    ({"resource_type": "file"}, CoreStarted(), False),
]


@pytest.mark.parametrize(("wanted", "happened", "expected"), MATTERS)
async def test_a_field_that_is_set_must_equal_the_events(
    bus: Bus, fanout: Fanout, wanted: dict[str, Any], happened: Event, *, expected: bool
) -> None:
    client = Client(fanout)
    client.watch([], **wanted)
    bus.publish(happened)
    assert bool(client.got()) is expected


@pytest.mark.parametrize(
    ("scope", "below", "path", "expected"),
    [
        ("/photos", False, "/photos", True),
        ("/photos", False, "/photos/a.jpg", True),
        ("/photos", False, "/photos/2026/a.jpg", False),
        ("/photos", True, "/photos/2026/a.jpg", True),
        ("/photos", True, "/photos-old/a.jpg", False),
        ("/photos/", True, "/photos", True),
        ("/", True, "/anything/at/all", True),
        ("/", False, "/anything", True),
    ],
)
async def test_a_path_scope_is_compared_by_whole_names(
    bus: Bus, fanout: Fanout, *, scope: str, below: bool, path: str, expected: bool
) -> None:
    client = Client(fanout)
    here = SdPath(Physical=PhysicalPath("here", scope))
    client.watch([], path_scope=here, include_descendants=below)
    bus.publish(changed("/somewhere/else/entirely", path))
    assert bool(client.got()) is expected


async def test_an_event_without_paths_is_in_no_path_scope(bus: Bus, fanout: Fanout) -> None:
    client = Client(fanout)
    client.watch([], path_scope=SdPath(Physical=PhysicalPath("here", "/")))
    bus.publish(CoreStarted())
    bus.publish(changed())
    assert client.got() == []


async def test_a_removed_subscription_gets_nothing_and_leaves_nothing(
    bus: Bus, fanout: Fanout
) -> None:
    client = Client(fanout)
    stays = client.watch(["CoreStarted"], 1)
    goes = client.watch(["CoreStarted", "Nonsense"], 2)
    fanout.remove(goes)
    bus.publish(CoreStarted())
    assert [line["id"] for line in client.got()] == [1]
    fanout.remove(stays)
    assert not bus.wanted(CoreStarted)


async def test_one_event_that_cannot_be_encoded_harms_no_other(bus: Bus, fanout: Fanout) -> None:
    client = Client(fanout)
    client.watch([])
    bus.publish(LibraryClosed(HOME, "\udcff"))
    bus.publish(CoreStarted())
    assert client.names() == ["CoreStarted"]


async def test_a_slow_reader_gets_the_latest_progress_of_each_job(bus: Bus, fanout: Fanout) -> None:
    slow = Client(fanout)
    slow.watch(["JobProgress"])
    slow.outbox.held = True
    fanout.fell_behind(slow.outbox)
    for step in range(1, 11):
        bus.publish(progress(HOME, step / 10), transient=True)
        bus.publish(progress(WORK, step / 20), transient=True)
    fanout.flush()
    slow.outbox.held = False
    slow.outbox.flush()
    steps = [line["Event"]["JobProgress"]["progress"] for line in slow.got()]
    assert steps == [1.0, 0.5]


# --- channels ------------------------------------------------------------------------------------


async def test_subscriptions_of_equal_interest_get_the_very_same_bytes(
    bus: Bus, fanout: Fanout
) -> None:
    one, other, different = Client(fanout), Client(fanout), Client(fanout)
    one.watch([], 7, library_id=HOME)
    other.watch([], 7, library_id=HOME)
    different.watch([], "7", library_id=HOME)
    bus.publish(LibraryClosed(HOME, "Home"))
    bus.publish(LocationRemoved(HOME, WORK))
    bus.flush()
    assert one.writes[0] is other.writes[0]
    assert len(one.writes) == 1
    assert [line["id"] for line in different.got()] == ["7", "7"]


async def test_who_joins_a_channel_gets_nothing_of_before(bus: Bus, fanout: Fanout) -> None:
    early, late = Client(fanout), Client(fanout)
    early.watch(["CoreStarted"])
    bus.publish(CoreStarted())
    late.watch(["CoreStarted"])
    bus.publish(CoreStarted())
    assert (len(early.got()), len(late.got())) == (2, 1)


async def test_who_leaves_a_channel_gets_all_of_before(bus: Bus, fanout: Fanout) -> None:
    client = Client(fanout)
    watch = client.watch(["CoreStarted"])
    bus.publish(CoreStarted())
    fanout.remove(watch)
    bus.publish(CoreStarted())
    assert len(client.got()) == 1


async def test_several_subscriptions_of_one_client_keep_the_one_order(
    bus: Bus, fanout: Fanout
) -> None:
    client = Client(fanout)
    client.watch(["CoreStarted"], 1)
    client.watch(["LibraryClosed"], 2)
    bus.publish(CoreStarted())
    bus.publish(LibraryClosed(HOME, "Home"))
    bus.publish(CoreStarted())
    assert [line["sequence"] for line in client.got()] == [1, 2, 3]


async def test_a_subscription_knows_what_it_was_sent(bus: Bus, fanout: Fanout) -> None:
    client = Client(fanout)
    bus.publish(CoreStarted())
    watch = client.watch(["CoreStarted"], 1)
    assert watch.sent == 1
    bus.publish(CoreStarted())
    bus.publish(LibraryClosed(HOME, "Home"))
    bus.flush()
    assert watch.sent == 2
    client.outbox.held = True
    bus.publish(CoreStarted())
    bus.flush()
    assert watch.sent == 4


async def test_one_client_that_does_not_read_takes_nothing_from_the_others(
    bus: Bus, fanout: Fanout
) -> None:
    reads, sleeps = Client(fanout), Client(fanout)
    reads.watch(["LocationRemoved"], 1)
    sleeps.watch(["LocationRemoved"], 1)
    sleeps.outbox.held = True
    for _ in range(10_000):
        bus.publish(LocationRemoved(HOME, WORK))
    assert len(reads.got()) == 10_000
    assert sleeps.writes == []
    assert len(sleeps.outbox) <= LIMIT
    sleeps.outbox.held = False
    *events, gap = sleeps.got()
    assert gap == {
        "Lagged": {"missed": 10_000 - len(events), "after": events[-1]["sequence"]},
        "id": 1,
    }


async def test_frames_of_messagepack_say_the_same(bus: Bus, fanout: Fanout) -> None:
    client, packed, plain = Client(fanout), Client(fanout), Client(fanout)
    packed.encoding = plain.encoding = MESSAGEPACK
    client.watch([], "w")
    packed.watch([], "w")
    plain.watch([])
    bus.publish(changed("/a"), "why")
    bus.publish(CoreStarted())
    lines = client.got()
    frames = [
        [
            msgspec.msgpack.decode(frame)
            for frame in FrameBuffer(1 << 20).feed(one.writes[0])
            if frame
        ]
        for one in (packed, plain)
    ]
    assert [{**one, "time": None} for one in frames[0]] == [{**one, "time": None} for one in lines]
    assert frames[0][0]["time"] == datetime.fromisoformat(lines[0]["time"])
    assert frames[1] == [{"Event": line["Event"]} for line in lines]


# --- straight into sockets -----------------------------------------------------------------------


class Connected(Client):
    """One with a socket. What is given to its transport is in `writes`, and holds up the rest."""

    def __init__(self, fanout: Fanout, ours: socket.socket, theirs: socket.socket) -> None:
        super().__init__(fanout, ours.fileno())
        self.ours, self.theirs = ours, theirs
        self.outbox.write = self.hold

    def hold(self, data: bytes = b"") -> None:
        self.writes.append(data)
        self.outbox.held = True
        self.fanout.fell_behind(self.outbox)

    def go_on(self) -> None:
        self.outbox.held = False
        self.outbox.flush()
        self.fanout.caught_up(self.outbox)

    def sequences(self) -> list[int]:
        """Of what has come through the socket and of what the transport still has, in this order;
        nothing of it is left."""
        self.fanout.flush()
        came = b""
        try:
            while part := self.theirs.recv(1 << 20):
                came += part
        except BlockingIOError:
            pass
        came += b"".join(self.writes)
        self.writes.clear()
        return [json.loads(line)["sequence"] for line in came.splitlines()]


@pytest.fixture
def connect(fanout: Fanout) -> Iterator[Callable[[], Connected]]:
    with ExitStack() as stack:

        def one_more() -> Connected:
            ours, theirs = socket.socketpair()
            for end in (ours, theirs):
                stack.enter_context(end).settimeout(0)
            return Connected(fanout, ours, theirs)

        yield one_more


async def test_who_reads_is_written_to_without_the_transport(
    bus: Bus, fanout: Fanout, connect: Callable[[], Connected]
) -> None:
    clients = [connect() for _ in range(3)]
    for client in clients:
        client.watch(["CoreStarted"], 1)
    bus.publish(CoreStarted())
    bus.publish(CoreStarted())
    fanout.flush()
    assert [client.writes for client in clients] == [[], [], []]
    assert [client.sequences() for client in clients] == [[1, 2]] * 3


async def test_what_a_socket_does_not_take_is_for_the_transport_and_nothing_passes_it(
    bus: Bus, fanout: Fanout, connect: Callable[[], Connected]
) -> None:
    full, other = connect(), connect()
    full.watch(["LibraryClosed"], 1)
    other.watch(["LibraryClosed"], 1)
    heard: list[int] = []
    while not full.writes:
        bus.publish(LibraryClosed(HOME, "x" * 100_000))
        heard += other.sequences()
    bus.publish(LibraryClosed(HOME, "x"))
    bus.flush()
    assert len(full.writes) == 1, "written to while it does not read"
    last = bus.sequence
    got = full.sequences()
    full.go_on()
    got += full.sequences()
    full.go_on()
    bus.publish(LibraryClosed(HOME, "x"))
    fanout.flush()
    assert full.writes == [], "it reads again"
    got += full.sequences()
    assert got == list(range(1, last + 2))
    assert heard + other.sequences() == got


async def test_a_socket_that_is_broken_is_for_its_transport_to_find_out(
    bus: Bus, fanout: Fanout, connect: Callable[[], Connected]
) -> None:
    broken, other = connect(), connect()
    broken.watch(["CoreStarted"], 1)
    other.watch(["CoreStarted"], 1)
    broken.theirs.close()
    bus.publish(CoreStarted())
    fanout.flush()
    assert len(broken.writes) == 1
    assert other.sequences() == [1]


async def test_of_two_subscriptions_of_one_client_none_passes_the_other(
    bus: Bus, fanout: Fanout, connect: Callable[[], Connected]
) -> None:
    client = connect()
    client.watch(["CoreStarted"], 1)
    bus.publish(CoreStarted())
    second = client.watch(["LibraryClosed"], 2)
    bus.publish(LibraryClosed(HOME, "Home"))
    bus.publish(CoreStarted())
    bus.publish(LibraryClosed(HOME, "Home"))
    assert client.sequences() == [1, 2, 3, 4]
    client.go_on()
    fanout.remove(second)
    bus.publish(CoreStarted())
    fanout.flush()
    assert client.writes == [], "it has only one left"
    assert client.sequences() == [5]


async def test_a_subscription_that_has_ended_is_not_written_to(
    bus: Bus, fanout: Fanout, connect: Callable[[], Connected]
) -> None:
    ended, other = connect(), connect()
    watch = ended.watch(["CoreStarted"], 1)
    other.watch(["CoreStarted"], 1)
    bus.publish(CoreStarted())
    fanout.remove(watch)
    bus.publish(CoreStarted())
    assert ended.sequences() == [1]
    assert other.sequences() == [1, 2]


async def test_what_a_subscription_was_sent_is_known_when_it_falls_behind(
    bus: Bus, fanout: Fanout, connect: Callable[[], Connected]
) -> None:
    client = connect()
    watch = client.watch(["CoreStarted"], 1)
    for _ in range(3):
        bus.publish(CoreStarted())
    bus.flush()
    client.hold()
    assert watch.sent == 3


# --- room ----------------------------------------------------------------------------------------


async def test_there_is_room_while_everybody_reads(bus: Bus, fanout: Fanout) -> None:
    client = Client(fanout)
    client.watch([])
    bus.publish(CoreStarted())
    await bus.room()
    assert len(client.writes) == 1, "the turn had not ended"


async def test_who_reads_is_waited_for_and_who_does_not_is_not(bus: Bus, fanout: Fanout) -> None:
    reads, sleeps = Client(fanout), Client(fanout)
    fanout.fell_behind(reads.outbox)
    waiting = asyncio.ensure_future(bus.room())
    await asyncio.sleep(0.01)
    assert not waiting.done()
    fanout.caught_up(reads.outbox)
    await asyncio.wait_for(waiting, PATIENCE_S / 2)
    fanout.fell_behind(sleeps.outbox)
    await asyncio.wait_for(bus.room(), 10 * PATIENCE_S)
    await asyncio.wait_for(bus.room(), PATIENCE_S / 2)
