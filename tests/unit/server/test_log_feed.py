"""A subscription to the log gets every record once, whoever records and whenever it began."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import random
import threading
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from sd_daemon.core.bus import Bus, Published
from sd_daemon.core.log import TRACE, Log
from sd_daemon.host.logs import Levels, LogFile, Recorder
from sd_daemon.server.log_feed import LogFeed
from sd_daemon.server.log_watch import LogWatch
from sd_daemon.server.outbox import LIMIT, Outbox
from sd_wire.encoding import JSON
from sd_wire.events import LogMessage
from sd_wire.messages import LogFilter, Subscribed, SubscribeLogs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sd_wire.messages import Id

THREADS = 3


class Rig:
    """A log, a recorder that writes it, and the feed of one core."""

    def __init__(self, path: Path, *, limit: int = 1_000_000, size: int = 10_000_000) -> None:
        self.bus = Bus()
        self.feed = LogFeed(asyncio.get_running_loop(), self.bus, limit=limit)
        self.recorder = Recorder(LogFile(str(path / "daemon.log"), size=size), Levels("info"))
        self.recorder.feed(self.feed)
        logger = logging.getLogger(f"tests.{path.name}")
        logger.propagate = False
        logger.setLevel(TRACE)
        logger.handlers[:] = [self.recorder]
        self.log = Log(logger.name)


class Client:
    """A subscriber and what it was sent."""

    def __init__(self, rig: Rig, asked: SubscribeLogs | None = None, request_id: Id = "l") -> None:
        self.rig = rig
        self.sent = b""
        self.given_up = 0
        self.thinks = False
        self.most = 0  # bytes of one write
        self.changed = asyncio.Event()
        self.outbox = Outbox(self._write, self._give_up)
        self.watch = LogWatch(self.outbox, JSON, request_id, asked or SubscribeLogs())

    def begin(self) -> Subscribed:
        return self.rig.feed.add(self.watch)

    def end(self) -> None:
        self.rig.feed.remove(self.watch)

    def _write(self, data: bytes) -> None:
        self.sent += data
        self.changed.set()
        if self.thinks:  # it takes one write, and then thinks about it
            self.most = max(self.most, len(data))
            self.outbox.held = True
            asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        self.outbox.held = False
        self.outbox.flush()

    def _give_up(self) -> None:
        self.given_up += 1
        self.rig.log.warning("a client was cut off")

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.sent.splitlines()]

    def records(self) -> list[dict[str, Any]]:
        return [line["LogMessage"] for line in self.lines() if "LogMessage" in line]

    def words(self) -> list[str]:
        return [next(iter(line)) for line in self.lines()]

    async def until(self, word: bytes) -> None:
        while word not in self.sent:
            self.changed.clear()
            await self.changed.wait()


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Levels as they were."""
    level = logging.root.level
    yield
    logging.root.setLevel(level)


async def test_every_record_comes_once_while_threads_record_at_full_speed(tmp_path: Path) -> None:
    """With files so small that they are rotated all the time; those that are kept hold all of the
    past that is asked for."""
    rig = Rig(tmp_path, size=100_000)
    number, count = threading.Barrier(THREADS + 1), 4000

    def record(thread: int) -> None:
        number.wait()
        for step in range(count):
            rig.log.info("step", thread=thread, step=step)

    threads = [threading.Thread(target=record, args=(thread,)) for thread in range(THREADS)]
    for thread in threads:
        thread.start()
    number.wait()
    chance = random.Random(7)
    stay: list[Client] = []
    left: list[Client] = []
    while any(thread.is_alive() for thread in threads):
        began = datetime.now(UTC)
        wishes = [SubscribeLogs(last=chance.randint(0, 300)), SubscribeLogs(since=began), None]
        client = Client(rig, chance.choice(wishes))
        client.begin()
        stay.append(client)
        await asyncio.sleep(0)
        if len(stay) > 4:
            goes = stay.pop(chance.randrange(len(stay)))
            goes.end()
            left.append(goes)
    for thread in threads:
        thread.join()
    rig.log.info("the last")
    for client in stay:
        await client.until(b'"the last"')
    assert len(left) > 5
    assert sum("CaughtUp" in client.words() for client in left + stay) > 2
    for client in left + stay:
        assert "Lagged" not in client.words()
        for thread in range(THREADS):
            steps = [
                int(one["fields"]["step"])
                for one in client.records()
                if one["fields"].get("thread") == str(thread)
            ]
            assert steps == list(range(steps[0], steps[-1] + 1)) if steps else True
            assert client in left or not steps or steps[-1] == count - 1


async def test_the_past_comes_before_what_is_live_and_the_end_of_it_is_told(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    for number in range(5):
        rig.log.info("past", number=number)
    client = Client(rig, SubscribeLogs(last=2))
    assert client.begin().warnings == []
    rig.log.info("live")
    await client.until(b'"live"')
    assert client.words() == ["LogMessage", "LogMessage", "CaughtUp", "LogMessage"]
    assert [one["fields"].get("number") for one in client.records()] == ["3", "4", None]


async def test_what_is_recorded_in_the_very_moment_comes_once(tmp_path: Path) -> None:
    """One thread comes right before the lock is taken, one waits for it, and records as soon as it
    is free."""
    rig = Rig(tmp_path)

    class Crowded(Recorder):
        @contextmanager
        def held(self) -> Iterator[None]:
            run(lambda: rig.log.info("before")).join()
            with super().held():
                waits = run(lambda: rig.log.info("after"))
                yield
            waits.join()

    def run(work: Callable[[], None]) -> threading.Thread:
        thread = threading.Thread(target=work)
        thread.start()
        return thread

    rig.feed.comes_from(Crowded(rig.recorder.file, rig.recorder.levels))
    rig.feed._recording.lock = rig.recorder.lock  # type: ignore[union-attr]
    client = Client(rig, SubscribeLogs(last=10))
    client.begin()
    rig.feed.comes_from(rig.recorder)
    await client.until(b'"after"')
    await client.until(b'"CaughtUp"')
    assert [one["message"] for one in client.records()] == ["before", "after"]
    assert client.words() == ["LogMessage", "CaughtUp", "LogMessage"]


async def test_without_an_id_there_are_only_records(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.log.info("past")
    client = Client(rig, SubscribeLogs(last=2), msgspec.UNSET)
    client.begin()
    rig.log.info("live")
    await client.until(b'"live"')
    assert client.words() == ["LogMessage", "LogMessage"]
    assert [list(line) for line in client.lines()] == [["LogMessage"], ["LogMessage"]]


async def test_the_past_waits_for_who_reads_slowly(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    for number in range(20_000):
        rig.log.info("a record with some more text in it than others have", number=number)
    client = Client(rig, SubscribeLogs(last=20_000))
    client.thinks = True
    client.begin()
    await client.until(b'"CaughtUp"')
    assert client.words() == ["LogMessage"] * 20_000 + ["CaughtUp"]
    assert client.most < 200_000 < LIMIT


@pytest.mark.parametrize("turns", range(6))
async def test_the_files_are_closed_whenever_a_client_leaves(tmp_path: Path, turns: int) -> None:
    rig = Rig(tmp_path)
    for number in range(3000):
        rig.log.info("a record", number=number)
    client = Client(rig, SubscribeLogs(last=3000))
    client.begin()
    client.outbox.held = turns % 2 == 1
    for _ in range(turns):
        await asyncio.sleep(0)
    client.outbox.held = client.outbox.held or turns == 4
    client.end()
    telling = client.watch._telling
    assert telling is not None
    await asyncio.wait({telling}, timeout=10)
    assert telling.done()
    gc.collect()  # an open file would be told of here, and warnings are errors


async def test_more_than_the_loop_can_take_is_counted_and_told(tmp_path: Path) -> None:
    rig = Rig(tmp_path, limit=10)
    client, nameless = Client(rig), Client(rig, None, msgspec.UNSET)
    client.begin()
    nameless.begin()
    for number in range(100):
        rig.log.info("at once", number=number)
    await client.until(b'"Lagged"')
    assert client.words() == ["LogMessage"] * 10 + ["Lagged"]
    assert client.lines()[-1]["Lagged"]["missed"] == 90
    assert nameless.given_up == 1
    rig.log.info("later")
    await client.until(b'"later"')
    assert client.words()[10:] == ["Lagged", "LogMessage"]


async def test_the_log_does_not_feed_on_itself(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    slow, other = Client(rig, None, msgspec.UNSET), Client(rig)
    slow.begin()
    other.begin()
    named: list[Published] = []
    rig.bus.subscribe(["LogMessage"], named.append)
    slow.outbox.held = True
    for number in range(200):
        rig.log.info("much", number=number, text="x" * 10_000)
    rig.log.info("the end")
    await other.until(b'"the end"')
    await asyncio.sleep(0)
    assert slow.given_up > 0
    assert {one["message"] for one in other.records()} == {"much", "the end"}
    assert len(named) == 201
    written = (tmp_path / "daemon.log").read_text()
    assert written.count("a client was cut off") == slow.given_up


async def test_a_lower_level_is_only_for_those_who_asked_for_it(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.log._logger.setLevel(logging.NOTSET)
    rig.log._logger.parent = logging.root
    rig.recorder.levels.set("info")
    usual, curious = Client(rig), Client(rig, SubscribeLogs(LogFilter(level="debug"), last=1))
    named: list[Published] = []
    rig.bus.subscribe(["LogMessage"], named.append)
    usual.begin()
    (warning,) = curious.begin().warnings
    assert "own level" in warning
    rig.log.debug("detail")
    rig.log.info("fact")
    await curious.until(b'"fact"')
    assert [one["message"] for one in curious.records()] == ["detail", "fact"]
    assert [one["message"] for one in usual.records()] == ["fact"]
    events = [one.event for one in named]
    assert [one.message for one in events if isinstance(one, LogMessage)] == ["fact"]
    curious.end()
    assert not rig.log._logger.isEnabledFor(logging.DEBUG)


async def test_a_level_that_nobody_knows_is_said_and_lets_everything_pass(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    client = Client(rig, SubscribeLogs(LogFilter(level="loud")))
    (warning,) = client.begin().warnings
    assert "'loud'" in warning
    rig.log.info("fact")
    await client.until(b'"fact"')


async def test_a_log_that_cannot_be_read_is_said_and_what_is_live_goes_on(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    (tmp_path / "daemon.log.1").mkdir()
    client = Client(rig, SubscribeLogs(last=1))
    client.begin()
    await client.until(b'"CaughtUp"')
    rig.log.info("live")
    await client.until(b'"live"')


async def test_a_record_after_the_loop_has_ended_is_only_not_delivered(tmp_path: Path) -> None:
    loop = asyncio.new_event_loop()
    rig = Rig(tmp_path)
    feed = LogFeed(loop, rig.bus)
    rig.recorder.feed(feed)
    feed.add(LogWatch(Outbox(lambda data: None, lambda: None), JSON, "l", SubscribeLogs()))
    loop.close()
    rig.log.info("too late")
    assert "too late" in (tmp_path / "daemon.log").read_text()
