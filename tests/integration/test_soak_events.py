"""Many events, many clients, some that stop reading, cuts and kills: nobody misses one.

Here runs a slice of each campaign; `make soak` runs the whole of it.
"""

from __future__ import annotations

import asyncio
import json
import random
import selectors
import signal
import socket
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from publishing import PublishingDaemon

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GROWTH_KIB = 16 * 1024  # what the daemon may grow by
EVENT = b'{"Event":{"ConfigChanged":{"field":"%d"}}}\n'


@pytest.fixture
def publisher(tmp_path: Path) -> Iterator[PublishingDaemon]:
    one = PublishingDaemon(tmp_path / "data")
    yield one
    one.end()


# --- a flood -------------------------------------------------------------------------------------


class Counter:
    """A subscriber without an id: every byte that it gets is known beforehand."""

    def __init__(self, path: Path) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.socket.sendall(b'{"Subscribe":{"event_types":["ConfigChanged"]}}\n')
        assert self.socket.recv(100) == b'"Subscribed"\n'
        self.socket.settimeout(0)
        self.size = 0
        self.sum = 0

    def read(self) -> bool:
        """Take what is there; whether the daemon is."""
        data = self.socket.recv(1 << 18)
        self.size += len(data)
        self.sum = zlib.crc32(data, self.sum)
        return bool(data)


class Stopped(Counter):
    """A subscriber with an id, which reads nothing from here on."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.socket.close()
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.socket.sendall(b'{"Subscribe":{"event_types":["ConfigChanged"]},"id":1}\n')
        assert b"Subscribed" in self.socket.recv(1000)


def expected(count: int) -> tuple[int, int]:
    """Bytes, and their sum."""
    size = total = 0
    for first in range(0, count, 1000):
        block = b"".join(EVENT % number for number in range(first, min(first + 1000, count)))
        size += len(block)
        total = zlib.crc32(block, total)
    return size, total


@pytest.mark.parametrize(
    ("events", "subscribers"),
    [
        pytest.param(20_000, 20, id="a slice"),
        pytest.param(1_000_000, 100, marks=pytest.mark.soak, id="a million to a hundred"),
    ],
)
def test_nobody_misses_one_because_others_do_not_read(
    publisher: PublishingDaemon, events: int, subscribers: int
) -> None:
    publisher.launch()
    patience = {"limits_unread_seconds": 0}  # or the sleepers are cut off after a while
    publisher.call("action:config.app.update.input", patience)
    stopped = [Stopped(publisher.socket_path) for _ in range(3)]
    counters = [Counter(publisher.socket_path) for _ in range(subscribers - 3)]
    publisher.publish(0, 2000)  # what is needed once is no growth
    size, _ = expected(2000)
    _follow(counters, size)
    before = publisher.memory()
    publisher.order(2000, events - 2000)
    size, total = expected(events)
    _follow(counters, size)
    assert publisher.done()
    grown = publisher.memory() - before
    assert grown < GROWTH_KIB
    assert {(one.size, one.sum) for one in counters} == {(size, total)}
    for one in stopped:
        _told_of_all(one, events)
    for one in counters:
        one.socket.close()


def _follow(counters: list[Counter], size: int) -> None:
    """Read until everybody has so many bytes."""
    with selectors.DefaultSelector() as selector:
        for one in counters:
            selector.register(one.socket, selectors.EVENT_READ, one)
        left = len(counters)
        while left:
            ready = selector.select(timeout=60)
            assert ready, "nothing comes any more"
            for key, _ in ready:
                before = key.data.size
                assert key.data.read(), "cut off"
                left -= before < size <= key.data.size


def _told_of_all(stopped: Stopped, events: int) -> None:
    """What was not sent to it is counted, and where to go on is said."""
    stopped.socket.settimeout(60)
    file = stopped.socket.makefile("rb")
    got, last = 0, 0
    while "Lagged" not in (line := json.loads(file.readline())):
        got += 1
        last = line["sequence"]
    assert got + line["Lagged"]["missed"] == events
    assert line["Lagged"]["after"] == last
    file.close()
    stopped.socket.close()


# --- cuts and kills ------------------------------------------------------------------------------


class Follower:
    """A client that is cut off again and again, and goes on where it was."""

    def __init__(self, path: Path, seed: int) -> None:
        self.path = path
        self.numbers: list[int] = []
        self.cuts = 0
        self.after = 0
        self.stream: str | None = None
        self._random = random.Random(seed)

    async def follow(self, cuts: int, last: asyncio.Future[int]) -> None:
        """Until the event with the last number is there, and it was cut often enough."""
        while self.cuts < cuts or not last.done() or self.numbers[-1:] != [last.result()]:
            try:
                await self._connection(self._random.randint(1, 300), last)
            except (OSError, EOFError):
                await asyncio.sleep(0.01)  # the daemon is not there
            self.cuts += 1

    async def _connection(self, count: int, last: asyncio.Future[int]) -> None:
        reader, writer = await asyncio.open_unix_connection(str(self.path))
        try:
            asked: dict[str, Any] = {"event_types": ["ConfigChanged"]}
            asked |= {"after": self.after, "stream": self.stream}
            writer.write(json.dumps({"Subscribe": asked, "id": 1}).encode() + b"\n")
            said = (await self._line(reader))["Subscribed"]
            assert said["gone"] is None, said
            self.stream = said["stream"]
            while count and not (last.done() and self.numbers[-1:] == [last.result()]):
                try:
                    line = await asyncio.wait_for(self._line(reader), 0.2)
                except TimeoutError:
                    return
                if "Event" in line:
                    assert line["sequence"] > self.after
                    self.after = line["sequence"]
                    self.numbers.append(int(line["Event"]["ConfigChanged"]["field"]))
                    count -= 1
        finally:
            writer.transport.abort()

    async def _line(self, reader: asyncio.StreamReader) -> dict[str, Any]:
        line = await reader.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        found: dict[str, Any] = json.loads(line)
        return found


@pytest.mark.parametrize(
    ("clients", "cuts", "restarts"),
    [
        pytest.param(3, 20, 2, id="a slice"),
        pytest.param(5, 100, 20, marks=pytest.mark.soak, id="500 cuts, 20 restarts"),
    ],
)
async def test_whoever_is_cut_off_ends_with_all_there_was(
    tmp_path: Path, clients: int, cuts: int, restarts: int
) -> None:
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    chance = random.Random(seed)
    data = tmp_path / "data"
    publisher = PublishingDaemon(data)
    await asyncio.to_thread(publisher.launch)
    last: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    followers = [Follower(publisher.socket_path, seed + number) for number in range(clients)]
    following = [asyncio.ensure_future(one.follow(cuts, last)) for one in followers]
    surely: list[int] = []  # published for certain; of others only the daemon's end knows
    number = 1
    try:
        for restart in range(restarts + 1):
            for _ in range(4):
                count = chance.randint(1, 400)
                await asyncio.to_thread(publisher.publish, number, count)
                surely += range(number, number + count)
                number += count
            if restart == restarts:
                break
            publisher.order(number, 300)
            number += 300
            await asyncio.sleep(chance.random() / 50)
            publisher.signal(signal.SIGKILL if restart % 2 else signal.SIGTERM)
            await asyncio.to_thread(publisher.wait)
            publisher.end()
            publisher = PublishingDaemon(data)
            await asyncio.to_thread(publisher.launch)
        last.set_result(number - 1)
        await asyncio.wait_for(asyncio.gather(*following), 1000)
    finally:
        for task in following:
            task.cancel()
        publisher.end()
    for one in followers:
        assert one.numbers == followers[0].numbers
        assert one.numbers == sorted(set(one.numbers))
        assert set(surely) <= set(one.numbers)
