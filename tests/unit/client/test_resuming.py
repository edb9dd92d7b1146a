"""How far a subscription went, and what it says when it is made again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest

from sd_client.backoff import Backoff
from sd_client.occurrences import Gap, LogRecord, Occurrence, Position
from sd_client.resuming import EventCourse, LogCourse
from sd_wire.encoding import ENCODINGS, Encoding
from sd_wire.messages import CaughtUp, Reply

HERE = UUID(int=1)
ELSEWHERE = UUID(int=2)


@pytest.fixture(params=sorted(ENCODINGS))
def encoding(request: pytest.FixtureRequest) -> Encoding:
    """Both encodings, one after the other."""
    return ENCODINGS[request.param]


class Driven:
    """A course with a daemon's words put into its ear."""

    def __init__(self, course: Any, encoding: Encoding) -> None:
        self.course = course
        self.encoding = encoding

    def read(self, message: dict[str, Any]) -> Any:
        """What a message brings."""
        found = self.encoding.read_reply(self.encoding.body(message))
        assert isinstance(found, Reply)
        return self.course.read(found, self.encoding)

    def accept(self, sequence: int, stream: UUID | None = HERE, **more: Any) -> Any:
        """The daemon says yes."""
        return self.read({"Subscribed": {"stream": stream, "sequence": sequence, **more}})

    def event(self, sequence: int, **more: Any) -> int | None:
        """An event, and the number under which it is passed on."""
        brought = self.read({"Event": "CoreStarted", "sequence": sequence, **more})
        return None if brought is None else brought.sequence

    def asks(self) -> tuple[int | None, UUID | None, bool]:
        """What it would ask for now."""
        request = self.course.request()
        return request.after, request.stream, request.initial


@pytest.fixture
def fresh(encoding: Encoding) -> Driven:
    """A subscription to what happens from now on."""
    return Driven(EventCourse(None, None, None, initial=False), encoding)


def test_it_begins_now_and_goes_on_behind_what_it_had(fresh: Driven) -> None:
    assert fresh.asks() == (None, None, False)
    assert fresh.accept(7) is None
    assert fresh.asks() == (7, HERE, False)
    assert [fresh.event(n) for n in (8, 11)] == [8, 11]
    assert fresh.asks() == (11, HERE, False)


def test_what_comes_again_is_dropped(fresh: Driven) -> None:
    fresh.accept(0)
    assert [fresh.event(n) for n in (1, 2, 2, 1, 3)] == [1, 2, None, None, 3]


def test_being_behind_lasts_until_it_asks_again(fresh: Driven) -> None:
    fresh.accept(0)
    fresh.event(5)
    assert fresh.read({"Lagged": {"missed": 3, "after": 9}}) is None
    assert fresh.course.behind
    assert fresh.asks() == (9, HERE, False)
    assert not fresh.course.behind


def test_quiet_times_move_it_on(fresh: Driven) -> None:
    fresh.accept(0)
    assert fresh.read({"CaughtUp": {"sequence": 500}}) is None  # nobody asked for the past
    assert fresh.course.reached == Position(500, HERE)


def test_a_gap_is_told_once(fresh: Driven) -> None:
    fresh.accept(3)
    gone = {"first": 4, "last": 20}
    assert fresh.accept(30, gone=gone) == Occurrence(Gap(4, 20), 20)
    assert fresh.accept(30, gone=gone) is None
    assert [fresh.event(n) for n in (10, 25)] == [10, 25]
    assert fresh.accept(60, gone={"first": 26, "last": 50}) == Occurrence(Gap(26, 50), 50)


def test_another_numbering_begins_where_it_is(fresh: Driven) -> None:
    fresh.accept(100)
    gap = fresh.accept(2, ELSEWHERE, gone={"first": 1, "last": 2})
    assert gap.event == Gap(1, 2, "replaced")
    assert fresh.event(3) == 3
    assert fresh.asks() == (3, ELSEWHERE, False)
    assert fresh.accept(8, HERE).event == Gap(1, 8, "replaced")


def test_the_past_is_announced_once(encoding: Encoding) -> None:
    course = Driven(EventCourse(None, None, Position(5), initial=False), encoding)
    assert course.asks() == (5, None, False)
    course.accept(6)
    assert course.event(6) == 6
    assert course.read({"CaughtUp": {"sequence": 6}}).event == CaughtUp(6)
    course.accept(6)
    assert course.read({"CaughtUp": {"sequence": 6}}) is None


def test_half_a_state_is_no_place_to_go_on_from(encoding: Encoding) -> None:
    course = Driven(EventCourse(None, None, None, initial=True), encoding)
    course.accept(9)
    assert [course.event(9, initial=True) for _ in range(2)] == [9, 9]
    assert course.course.reached is None
    assert course.asks() == (None, None, True)
    course.accept(9)
    assert course.read({"CaughtUp": {"sequence": 9}}).event == CaughtUp(9)
    assert course.asks() == (9, HERE, True)
    gap = course.accept(40, gone={"first": 10, "last": 30})
    assert gap.event == Gap(10, 30)
    assert course.asks() == (None, None, True)
    assert course.event(40, initial=True) == 40
    assert course.read({"CaughtUp": {"sequence": 40}}).event == CaughtUp(40)


def test_the_daemons_doubts_can_be_read(fresh: Driven) -> None:
    fresh.accept(0, warnings=["there is no event 'Jub'"])
    assert fresh.course.warnings == ["there is no event 'Jub'"]


def record(second: int, message: str) -> dict[str, Any]:
    """A log record."""
    fields = {"level": "INFO", "target": "t", "job_id": None, "library_id": None}
    when = datetime(2025, 11, 23, 1, 44, second, tzinfo=UTC)
    return {"LogMessage": {"timestamp": when, "message": message, **fields}}


def test_log_records_go_on_by_their_time(encoding: Encoding) -> None:
    course = Driven(LogCourse(None, 10, None), encoding)
    assert course.course.request().last == 10
    course.read({"LogsSubscribed": {"warnings": ["odd"]}})
    assert course.course.warnings == ["odd"]
    assert course.course.request().last == 10  # nothing of the past has come
    for second in (1, 3, 2):  # threads do not wait for each other
        assert isinstance(course.read(record(second, "x")), LogRecord)
    again = course.course.request()
    assert (again.last, again.since) == (None, datetime(2025, 11, 23, 1, 44, 3, tzinfo=UTC))
    assert course.read(record(3, "x")) is None
    assert course.read(record(3, "y")).record.message == "y"
    assert course.read({"CaughtUp": {"sequence": 0}}).record == CaughtUp(0)
    assert course.read(record(3, "x")) is not None


def test_a_quiet_log_goes_on_from_where_it_began(encoding: Encoding) -> None:
    course = Driven(LogCourse(None, None, None), encoding)
    before = datetime.now(UTC)
    assert course.course.request().since is None
    since = course.course.request().since
    assert since is not None
    assert before <= since <= datetime.now(UTC)


def test_pauses_grow_to_a_limit() -> None:
    backoff = Backoff(first=1.0, longest=8.0)
    for attempt, bound in ((0, 1.0), (1, 2.0), (2, 4.0), (3, 8.0), (9, 8.0), (5000, 8.0)):
        assert bound / 2 <= backoff.pause(attempt) <= bound
    assert len({backoff.pause(3) for _ in range(200)}) > 20


def test_what_is_as_it_came_can_be_printed(fresh: Driven, encoding: Encoding) -> None:
    fresh.accept(0)
    brought = fresh.read({"Event": "Refresh", "sequence": 1})
    decode = msgspec.json.decode if encoding.name == "json" else msgspec.msgpack.decode
    assert decode(brought.raw) == "Refresh"
