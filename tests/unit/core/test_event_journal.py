"""What was delivered is in the journal or said to be gone, and no number is given twice.

The journal is driven as a bus drives it: events are added, written, and only then delivered.
"""

from __future__ import annotations

import os
import resource
import signal
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sd_daemon.core import event_journal
from sd_daemon.core.event_journal import BLOCK, JUMP, EventJournal
from sd_daemon.core.event_segments import HOLE, JournalReader, Range

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BOOT, OTHER_BOOT = "one", "two"


class Host:
    """A core's part in it: gives numbers, and remembers what was delivered."""

    def __init__(self, folder: Path, boot: str = BOOT) -> None:
        self.folder = folder
        self.boot = boot
        self.delivered: list[int] = []
        self.given: list[int] = []
        self.synced: dict[Path, int] = {}  # what a power cut cannot take
        self.open()

    def open(self) -> None:
        self.journal = EventJournal.open(str(self.folder), self.boot)
        self.sequence = self.journal.sequence
        self.synced[self.newest()] = self.newest().stat().st_size

    def turn(self, *, durable: int = 1, transient: int = 0, text: bytes = b'"CoreStarted"') -> None:
        """One turn of the loop."""
        kept = []
        for number in range(durable + transient):
            self.sequence += 1
            if self.sequence > self.journal.limit:
                self.journal.reserve(self.sequence)
            self.given.append(self.sequence)
            if number < durable:
                facts = b'"sequence":%d,"library_id":null' % self.sequence
                self.journal.add(self.sequence, facts, text)
                kept.append(self.sequence)
        self.journal.write()
        self.delivered += kept

    def close(self) -> None:
        self.journal.close(self.sequence)
        self.synced[self.newest()] = self.newest().stat().st_size

    def kill(self) -> None:
        """End as kill -9 does: what was not written is nowhere."""
        journal = self.journal
        for one in (journal._file, journal._lock):
            if one is not None:
                os.close(one)
        journal._file = journal._lock = journal._folder = None

    def restart(self, boot: str | None = None) -> None:
        self.kill()
        self.boot = boot or self.boot
        self.open()

    def read(self, after: int = 0) -> list[int]:
        reader = JournalReader(self.journal, after)
        found: list[int] = []
        while part := reader.next_part():
            found += [kept.sequence for kept in reader.read(part)]
        reader.close()
        return found

    def check(self, after: int = 0) -> None:
        """The law."""
        gone = self.journal.gone_after(after, self.sequence) or Range(1, 0)
        there = self.read(after)
        assert there == sorted(set(there))
        missing = {one for one in self.delivered if one > after} - set(there)
        unsaid = [one for one in missing if not gone.first <= one <= gone.last]
        assert not unsaid, f"{unsaid} are neither there nor in {gone}"
        assert all(one < other for one, other in pairwise(self.given)), "a number was given twice"
        assert gone.first > after or gone.last == 0

    def newest(self) -> Path:
        return max(self.folder.glob("*.jsonl"))


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path / "events")


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Segments of a few events."""
    monkeypatch.setattr(event_journal, "SEGMENT_BYTES", 1000)
    monkeypatch.setattr(event_journal, "TOTAL_BYTES", 4000)


@contextmanager
def full_disk(host: Host, spare: int = 0) -> Iterator[None]:
    """Files cannot grow by more than a few bytes: what a full disk does, on any filesystem."""
    size = host.newest().stat().st_size
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + spare, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
        host.journal._retry_at = 0.0


# --- numbers -------------------------------------------------------------------------------------


def test_a_clean_end_goes_on_with_the_next_number(host: Host) -> None:
    host.turn(durable=3, transient=4)
    stream = host.journal.stream
    host.close()
    host.open()
    assert (host.sequence, host.journal.stream) == (7, stream)
    assert host.read() == [1, 2, 3]
    assert host.journal.gone_after(0, 7) is None


def test_after_a_kill_it_goes_on_above_what_was_reserved_and_nothing_is_gone(host: Host) -> None:
    host.turn(durable=3, transient=4)
    host.restart()
    assert host.sequence == BLOCK
    host.turn()
    assert host.journal.gone_after(0, host.sequence) is None
    host.check()


def test_numbers_are_reserved_before_they_are_used(host: Host) -> None:
    host.sequence = BLOCK // 2 - 1
    host.turn(durable=4)
    last = host.sequence
    host.restart()
    assert host.sequence >= last + BLOCK // 2
    host.check()


def test_after_a_power_cut_the_numbers_jump_and_that_may_be_gone(host: Host) -> None:
    host.turn(durable=3)
    host.restart(OTHER_BOOT)
    assert host.sequence == BLOCK + JUMP
    assert host.journal.gone_after(3, host.sequence) == Range(4, host.sequence)
    assert host.journal.gone_after(1, 3) is None
    host.close()
    host.open()
    assert host.journal.gone_after(3, host.sequence) == Range(4, host.sequence), "forgotten"


def test_a_clean_end_survives_another_boot(host: Host) -> None:
    host.turn()
    host.close()
    host.boot = OTHER_BOOT
    host.open()
    assert host.sequence == 1
    assert host.journal.gone_after(0, 1) is None


def test_a_lost_journal_is_a_new_stream(host: Host) -> None:
    host.turn(durable=5)
    stream = host.journal.stream
    host.close()
    for segment in host.folder.glob("*.jsonl"):
        segment.unlink()
    host.open()
    assert host.journal.stream != stream
    assert host.sequence == 0


def test_two_daemons_do_not_write_one_journal(host: Host) -> None:
    host.turn()
    second = EventJournal.open(str(host.folder), BOOT)
    assert second.stream != host.journal.stream
    second.add(1, b"{}", b"1")
    second.write()
    assert second.gone_after(0, 1) == Range(1, 1)
    host.turn()
    assert host.read() == [1, 2]


# --- bounds --------------------------------------------------------------------------------------


@pytest.mark.usefixtures("small")
def test_the_oldest_go_and_exactly_they_are_gone(host: Host) -> None:
    for _ in range(200):
        host.turn(durable=2, transient=1)
    size = sum(one.stat().st_size for one in host.folder.glob("*.jsonl"))
    assert size <= 4000 + 1000 + 500
    there = host.read()
    assert there[-1] == host.delivered[-1]
    assert there == [one for one in host.delivered if one >= there[0]]
    older = max(one for one in host.delivered if one < there[0])
    assert host.journal.gone_after(0, host.sequence) == Range(1, older)
    assert host.journal.gone_after(older, host.sequence) is None
    assert host.journal.gone_after(older - 1, host.sequence) == Range(older, older)
    host.restart()
    left = host.read()
    assert left
    assert left == there[-len(left) :]
    host.check()


@pytest.mark.usefixtures("small")
def test_a_reader_that_is_overtaken_sees_where(host: Host) -> None:
    host.turn(durable=5)
    reader = JournalReader(host.journal, 0)
    part = reader.next_part()
    assert part is not None
    for _ in range(100):
        host.turn(durable=2)
    first = [kept.sequence for kept in reader.read(part)]
    assert first == [1, 2, 3, 4, 5]
    while (part := reader.next_part()) is not None and part.start > 0:
        reader.read(part)
    assert part is not None
    assert host.journal.segments[0].after > reader.position, "the next was not overtaken"
    reader.close()


def test_an_event_longer_than_a_slice_is_read_whole(host: Host) -> None:
    host.turn(text=b'{"X":"%b"}' % (b"x" * 1_000_000))
    host.turn()
    reader = JournalReader(host.journal, 0)
    found = []
    while part := reader.next_part():
        found += reader.read(part)
    assert [len(one.text) for one in found] == [1_000_008, 13]
    assert found[1].facts == b'"sequence":2,"library_id":null'
    reader.close()


# --- damage --------------------------------------------------------------------------------------


def test_what_is_torn_at_the_end_is_cut_off(host: Host) -> None:
    host.turn(durable=3)
    with host.newest().open("ab") as file:
        file.write(b'{"sequence":4,"libr')
    host.restart()
    host.turn()
    assert host.read() == [1, 2, 3, host.sequence]
    assert host.journal.gone_after(0, host.sequence) is None


def test_what_cannot_be_read_is_said_to_be_gone(host: Host) -> None:
    for _ in range(5):
        host.turn()
    data = host.newest().read_bytes().replace(b'{"sequence":3,', b'{"sequence":\0,')
    host.close()
    host.newest().write_bytes(data)
    host.open()
    assert host.read() == [1, 2, 4, 5]
    assert host.journal.gone_after(0, host.sequence) == Range(3, 3)
    assert host.journal.gone_after(3, host.sequence) is None
    host.restart()
    assert host.journal.gone_after(0, host.sequence) == Range(3, 3)


@pytest.mark.usefixtures("small")
def test_a_segment_that_is_missing_is_gone(host: Host) -> None:
    for _ in range(50):
        host.turn()
    host.close()
    first, second, *_ = sorted(host.folder.glob("*.jsonl"))
    last_of_first = int(second.stem)
    second.unlink()
    host.open()
    host.check()
    gone = host.journal.gone_after(0, host.sequence)
    assert gone is not None
    assert gone.first == last_of_first + 1
    assert first.exists()


def test_a_full_disk_stops_nothing_and_is_remembered(host: Host) -> None:
    host.turn(durable=2)
    with full_disk(host, spare=20):
        host.turn(durable=2, transient=1)
        host.turn(durable=1)
        assert host.journal.gone_after(0, host.sequence) == Range(3, 6)
        assert host.read() == [1, 2]
    host.turn(durable=1)
    assert host.read() == [1, 2, 7]
    host.check()
    host.restart()
    host.check()
    assert host.journal.gone_after(0, host.sequence) == Range(3, 6)
    assert host.newest().stat().st_mode & 0o777 != HOLE


def test_a_kill_while_the_disk_is_full_says_so_too(host: Host) -> None:
    """Not even that events are missing could be written down."""
    host.turn(durable=2)
    with full_disk(host):
        host.turn(durable=2)
    host.restart()
    host.check()
    gone = host.journal.gone_after(0, host.sequence)
    assert gone is not None
    assert gone.first == 3
    host.turn()
    host.restart()
    host.check()


def test_a_disk_that_is_full_from_the_start_gives_no_number_twice(host: Host) -> None:
    host.turn(durable=2)
    host.close()
    with full_disk(host):
        host.open()
        host.turn(durable=2)
        host.kill()
    host.open()
    host.turn(durable=2)
    host.check()


# --- the law, under everything at once -----------------------------------------------------------

TURN = st.tuples(st.just("turn"), st.integers(0, 4), st.integers(0, 3))
STEPS = st.lists(
    st.one_of(
        TURN,
        TURN,
        st.tuples(st.just("close"), st.just(0), st.just(0)),
        st.tuples(st.just("kill"), st.just(0), st.just(0)),
        st.tuples(st.just("torn"), st.integers(0, 500), st.just(0)),
        st.tuples(st.just("power"), st.integers(0, 3000), st.just(0)),
        st.tuples(st.just("full"), st.integers(0, 150), st.integers(1, 3)),
        st.tuples(st.just("killed full"), st.integers(0, 150), st.integers(1, 3)),
    ),
    max_size=30,
)


def step(host: Host, kind: str, one: int, other: int) -> None:
    """What can happen to a journal."""
    if kind == "turn":
        host.turn(durable=one, transient=other)
    elif kind == "close":
        host.close()
        host.open()
    elif kind == "kill":
        host.restart()
    elif kind == "torn":  # killed in the middle of a write: nobody has seen what it was of
        before, known = host.newest(), len(host.delivered)
        size, mode = before.stat().st_size, before.stat().st_mode
        host.turn(durable=2)
        host.kill()
        newest = host.newest()
        start = size if newest == before else 0
        os.truncate(newest, min(newest.stat().st_size, start + one))
        before.chmod(mode)
        del host.delivered[known:]
        host.open()
    elif kind == "power":  # the disk had not got the end
        newest = host.newest()
        host.kill()
        os.truncate(newest, max(host.synced.get(newest, 0), newest.stat().st_size - one))
        host.boot += "'"
        host.open()
    else:
        with full_disk(host, one):
            host.turn(durable=other)
            if kind == "killed full":
                host.kill()
        if kind == "killed full":
            host.open()


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=STEPS)
@pytest.mark.usefixtures("small")
def test_the_law_holds_whatever_happens(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, int]]
) -> None:
    host = Host(tmp_path_factory.mktemp("law") / "events")
    stream = host.journal.stream
    for kind, one, other in steps:
        step(host, kind, one, other)
        if host.journal.stream != stream:  # all of it was lost: nobody takes the numbers for old
            stream = host.journal.stream
            host.delivered, host.given = [], host.given[-1:0]
        host.check()
        if host.delivered:
            host.check(after=host.delivered[len(host.delivered) // 2])
    host.kill()


def test_lines_can_be_read_by_people(host: Host) -> None:
    host.turn()
    mark, event = host.newest().read_bytes().splitlines()
    assert msgspec.json.decode(mark)["mark"]["stream"] == str(host.journal.stream)
    assert msgspec.json.decode(event) == {"sequence": 1, "library_id": None, "Event": "CoreStarted"}
