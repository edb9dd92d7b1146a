"""Every event reaches whom it concerns, once, in order and in the form they understand."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import msgspec
import pytest

from sd_daemon.core.bus import Bus
from sd_daemon.server.fanout import Fanout
from sd_daemon.server.outbox import Outbox
from sd_daemon.server.watch import EventWatch
from sd_wire.encoding import JSON
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
from sd_wire.messages import EventFilter, Subscribe
from sd_wire.types.paths import PhysicalPath, SdPath

if TYPE_CHECKING:
    from sd_wire.encoding import Encoding
    from sd_wire.messages import Id

HOME, WORK = uuid4(), uuid4()


class Client:
    """A subscriber and what it was sent."""

    def __init__(self, fanout: Fanout) -> None:
        self.writes: list[bytes] = []
        self.fanout = fanout
        self.outbox = Outbox(self.writes.append, lambda: None)
        self.encoding: Encoding = JSON

    def watch(self, types: list[str], request_id: Id = msgspec.UNSET, **wanted: Any) -> EventWatch:
        asked = Subscribe(types, EventFilter(**wanted) if wanted else None)
        watch = EventWatch(self.outbox, self.encoding, request_id, asked)
        self.fanout.add(watch)
        return watch

    def got(self) -> list[Any]:
        self.fanout.flush()
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
