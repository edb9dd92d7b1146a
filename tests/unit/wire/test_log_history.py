"""What is read back from the files of a log is what a plain search through all of it finds."""

from __future__ import annotations

import io
import itertools
import tracemalloc
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sd_wire import log_history
from sd_wire.events import LogMessage
from sd_wire.log_history import Chosen, Part, part_of, past
from sd_wire.log_line import LEVELS, line_of
from sd_wire.messages import LogFilter, SubscribeLogs

START = datetime(2026, 11, 23, 1, 2, 3, tzinfo=UTC)
LIBRARY, JOB = uuid4(), uuid4()


def record(number: int, level: str = "INFO", **more: Any) -> LogMessage:
    fields = {"number": str(number)}
    when = START + timedelta(seconds=number)
    made = LogMessage(when, level, "sd_daemon.core.jobs", "it went on", None, None, fields)
    for name, value in more.items():
        setattr(made, name, value)
    return made


def parts_of(lines: list[bytes], splits: list[int]) -> list[Part]:
    """Files that hold these lines, ended after so many of them."""
    ends = [0, *sorted(min(split, len(lines)) for split in splits), len(lines)]
    texts = [b"".join(lines[a:b]) for a, b in itertools.pairwise(ends)]
    return [part_of(io.BytesIO(text)) for text in texts]


NOISE = [b"\n", b"Traceback\n", b"2026-11-23T01:02:03.1\n", b"\xff\xfe\n", b"x" * 700 + b"\n"]


@given(
    levels=st.lists(st.sampled_from(LEVELS), max_size=60),
    noise=st.lists(st.tuples(st.integers(0, 60), st.sampled_from(NOISE)), max_size=5),
    splits=st.lists(st.integers(0, 60), max_size=3),
    wanted=st.builds(
        LogFilter,
        level=st.sampled_from([None, "warn", "DEBUG", "loud"]),
        target=st.sampled_from([None, "core", "server", 'o"']),
        correlation_id=st.sampled_from([None, None, "a", "a b"]),
        library_id=st.sampled_from([None, None, LIBRARY]),
    ),
    last=st.none() | st.integers(0, 70),
    since=st.none() | st.integers(-5, 65),
    block=st.integers(1, 400),
)
def test_the_past_is_what_a_search_through_all_of_it_finds(
    levels: list[str],
    noise: list[tuple[int, bytes]],
    splits: list[int],
    wanted: LogFilter,
    last: int | None,
    since: int | None,
    block: int,
) -> None:
    records = [
        record(number, name, library_id=(None, LIBRARY)[number % 2])
        for number, name in enumerate(levels)
    ]
    for number, one in enumerate(records):
        one.fields["correlation_id"] = ("a", "a b", "c")[number % 3]
    lines = [line_of(one).encode() + b"\n" for one in records]
    for place, line in noise:
        lines.insert(place, line)
    moment = None if since is None else START + timedelta(seconds=since)
    expected = [one for one in records if one in Chosen(wanted)]
    if moment is not None:
        expected = [one for one in expected if one.timestamp >= moment]
    if last is not None:
        expected = expected[len(expected) - min(last, len(expected)) :]
    if last is None and moment is None:
        expected = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_history, "BLOCK", block)
        found = list(past(parts_of(lines, splits), SubscribeLogs(wanted, last, moment)))
    assert found == expected


def test_records_that_threads_wrote_in_the_other_order_are_found() -> None:
    numbers = [0, 2, 1, 4, 3, 5]
    parts = parts_of([line_of(record(number)).encode() + b"\n" for number in numbers], [])
    asked = SubscribeLogs(since=START + timedelta(seconds=1))
    found = [one.fields["number"] for one in past(parts, asked)]
    assert found == ["2", "1", "4", "3", "5"]


@pytest.mark.parametrize(
    ("wanted", "passes"),
    [
        (LogFilter(), [True, True, True]),
        (LogFilter(level="warn"), [False, True, False]),
        (LogFilter(level="Warning"), [False, True, False]),
        (LogFilter(level="loud"), [True, True, True]),
        (LogFilter(target="core"), [True, True, True]),
        (LogFilter(target="server"), [False, False, False]),
        (LogFilter(job_id=str(JOB)), [False, True, False]),
        (LogFilter(job_id=f"urn:uuid:{str(JOB).upper()}"), [False, True, False]),
        (LogFilter(job_id="odd"), [False, False, True]),
        (LogFilter(library_id=UUID(LIBRARY.hex)), [False, True, False]),
        (LogFilter(correlation_id="7"), [False, False, True]),
        (LogFilter(correlation_id="8"), [False, False, False]),
    ],
)
def test_a_filter_is_what_every_field_of_it_says(wanted: LogFilter, passes: list[bool]) -> None:
    records = [
        record(1),
        record(2, "ERROR", job_id=str(JOB), library_id=LIBRARY),
        record(3, job_id="odd", fields={"correlation_id": "7"}),
    ]
    assert [one in Chosen(wanted) for one in records] == passes


def test_a_large_log_is_read_in_little_memory() -> None:
    line = line_of(record(1, fields={"text": "x" * 100})).encode() + b"\n"
    length = len(line) * 60_000  # 10 MiB, and none of it is held

    class Large(io.BytesIO):
        def seek(self, place: int, whence: int = 0) -> int:
            self.place = place
            return place

        def read(self, size: int | None = -1) -> bytes:
            size = min(size or 0, length - self.place)
            start = self.place % len(line)
            return (line * (size // len(line) + 2))[start : start + size]

    tracemalloc.start()
    try:
        found = sum(1 for _ in past([Part(Large(), length)], SubscribeLogs(last=50_000)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found == 50_000
    assert peak < 2 * 1024 * 1024
