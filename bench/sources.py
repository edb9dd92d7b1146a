"""Where events come from: our daemon, Redis, a message bus, and a loop in C.

Each is a source: subscribers connect to its socket, say what they want to hear, and it publishes as
fast as it can or at a rate. In our daemon the publisher is inside, where jobs are. A broker gets
its events from a publisher that sends 64 and waits for the answer. For Redis there are two: one in
Python that makes each event, as ours does, and one in C that only puts the time into bytes that it
has, which shows what Redis itself can carry.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from bench import peers, pipeline, signals
from bench.compiled import program
from bench.daemon import CHECKOUT, clean_environment
from bench.processes import json_output, memory, wait_until
from bench.publisher import BATCH, Order, Outcome, update
from sd_wire.places import socket_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.results import Sample

_PATIENCE_S = 60.0
_BUS_BATCH = 8  # for a bus 64 to a thousand subscribers are already a second's work


class Pace(NamedTuple):
    """How events come, and to how many."""

    subscribers: int
    rate: float = 0.0  # events per second; 0: as fast as it goes
    seconds: float = 1.0
    durable: bool = False
    jobs: bool = False
    quiet: int = 0  # subscribers that never read


class Source(Protocol):
    """Something to subscribe to. `request` is what a subscriber sends, `answer` what it gets."""

    socket: str
    request: bytes
    answer: str

    def prepare(self, pace: Pace) -> None:
        """Whatever must be there before the first subscriber."""

    def publish(self, pace: Pace) -> Sample:
        """Publish to the subscribers that are there: how many events, and at what cost."""

    def memory(self) -> float:
        """Resident memory in KiB, of what serves the subscribers."""


def event_text() -> bytes:
    """The event as existing clients of ours get it, which is what all contenders send."""
    return b'{"Event":{"JobUpdate":%b}}' % msgspec.json.encode(update(0))


class Daemon:
    """Ours. Subscriptions with an id get more: the sequence, the time, the library, the cause."""

    answer = "Subscribed"

    def __init__(self, process: subprocess.Popen[bytes], socket: str, *, with_id: bool) -> None:
        self.socket = socket
        body = b'{"Subscribe":{"event_types":["JobUpdate"]}%b}\n'
        self.request = body % (b',"id":1' if with_id else b"")
        self._process = process

    def prepare(self, pace: Pace) -> None:
        """Nothing: it serves."""

    def publish(self, pace: Pace) -> Sample:
        """Order it."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        order = Order(pace.seconds, pace.rate, pace.durable, pace.jobs)
        process.stdin.write(msgspec.json.encode(order) + b"\n")
        process.stdin.flush()
        done = msgspec.json.decode(process.stdout.readline(), type=Outcome)
        spent = {"user": done.user_seconds, "kernel": done.kernel_seconds}
        return {"published": done.published, **spent}

    def memory(self) -> float:
        """Of the daemon, the publisher in it included."""
        return memory(self._process.pid)["rss"]


class Broker(msgspec.Struct):
    """A process between a publisher and its subscribers."""

    socket: str
    pid: int
    place: Path  # for the files of the publisher
    request: bytes
    answer: str
    hello: bytes  # what the publisher sends at first, and what it gets then
    hello_answer: str
    event: bytes
    lines: bool  # whether each event is answered with a line; else only `end` is answered
    end: bytes = b""  # sent behind the events of one write
    batch: int = BATCH  # events of one write in a flood

    def prepare(self, pace: Pace) -> None:
        """Nothing: it serves."""

    def publish(self, pace: Pace) -> Sample:
        """Run the publisher."""
        batch = 1 if pace.rate else self.batch
        options: dict[str, object] = {
            "-s": pace.seconds,
            "-b": batch,
            "-r": pace.rate,
            "-e": self._file("end"),
        }
        options["-l"] = batch if self.lines else 0
        command = [program("publish"), *(str(word) for pair in options.items() for word in pair)]
        command += ["-e", self._file("end")]
        command += [self.socket, self._file("hello"), self.hello_answer, self._file("event")]
        return {"published": float(json_output(command, pace.seconds + _PATIENCE_S))}

    def memory(self) -> float:
        """Of the broker."""
        return memory(self.pid)["rss"]

    def _file(self, name: str) -> str:
        path = self.place / f"publish-{name}"
        path.write_bytes(getattr(self, name))
        return str(path)


class JobsOverRedis(Broker):
    """Redis with the publisher that a daemon in Python would have."""

    def publish(self, pace: Pace) -> Sample:
        """Run the publisher."""
        batch = 1 if pace.rate else self.batch
        command = [sys.executable, "-m", "bench.pipeline", self.socket]
        command += [str(pace.seconds), str(pace.rate), str(batch)]
        return {"published": float(json_output(command, pace.seconds + _PATIENCE_S))}


class Limit:
    """The loop in C. It is a process per run, since it serves just the subscribers it waits for."""

    request = b"subscribe\n"
    answer = "Subscribed"

    def __init__(self, place: Path) -> None:
        self.socket = str(place / "spread.sock")
        self._event = place / "spread-event"
        self._event.write_bytes(event_text() + b"\n")
        self._process: subprocess.Popen[bytes] | None = None

    def prepare(self, pace: Pace) -> None:
        """Start it."""
        self.stop()
        command = [program("spread"), "-s", str(pace.seconds)]
        command += ["-r", str(pace.rate)] if pace.rate else ["-b", str(BATCH)]
        command += [self.socket, str(self._event), str(pace.subscribers)]
        path = Path(self.socket)
        path.unlink(missing_ok=True)
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        wait_until(path.exists, 10, "the loop in C listens")

    def publish(self, pace: Pace) -> Sample:
        """Let it begin."""
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
        return {"published": float(process.stdout.readline())}

    def memory(self) -> float:
        """Of the loop."""
        assert self._process is not None
        return memory(self._process.pid)["rss"]

    def stop(self) -> None:
        """End it: it ends with its standard input."""
        if self._process is not None:
            self._process.communicate(timeout=_PATIENCE_S)
            self._process = None


@contextmanager
def ours(place: Path) -> Iterator[dict[str, Daemon]]:
    """Our daemon with an empty data folder; one process, two kinds of subscription."""
    command = [sys.executable, "-m", "bench.publisher", str(place)]
    socket = socket_path(str(place))
    with (place / "output.log").open("ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env=clean_environment(),
            cwd=CHECKOUT,
        )
    try:
        wait_until(lambda: peers.answers(Path(socket), b'"Ping"\n'), 20, "the daemon answers")
        yield {
            "ours": Daemon(process, socket, with_id=False),
            "ours, with an id": Daemon(process, socket, with_id=True),
        }
    finally:
        try:
            process.communicate(timeout=10)  # it ends with its standard input
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def limit(place: Path) -> Iterator[Limit]:
    """The loop in C."""
    made = Limit(place)
    try:
        yield made
    finally:
        made.stop()


@contextmanager
def redis(command: str, place: Path) -> Iterator[dict[str, Broker]]:
    """Redis: one channel; one process, two kinds of publisher."""
    with peers.redis(command, place) as (socket, server):
        kinds = {"Redis pub/sub": JobsOverRedis, "Redis pub/sub, publisher in C": Broker}
        yield {
            name: kind(
                socket=str(socket),
                pid=server.pid,
                place=place,
                request=pipeline.command(b"SUBSCRIBE", pipeline.CHANNEL),
                answer=":1\r\n",
                hello=pipeline.command(b"PING"),
                hello_answer="PONG",
                event=pipeline.command(b"PUBLISH", pipeline.CHANNEL, event_text()),
                lines=True,
            )
            for name, kind in kinds.items()
        }


@contextmanager
def dbus(command: str, place: Path) -> Iterator[Broker]:
    """A message bus: one signal. Its publisher ends each write with a call, so that it, too, waits
    until the bus has taken what it sent."""
    with peers.dbus(command, place) as (address, server):
        yield Broker(
            socket=address.partition("=")[2],
            pid=server.pid,
            place=place,
            request=signals.greeting(signals.call("AddMatch", signals.SUBSCRIPTION), signals.LAST),
            answer=signals.LAST_ANSWER,
            hello=signals.greeting(signals.LAST),
            hello_answer=signals.LAST_ANSWER,
            event=signals.signal(event_text().decode()),
            lines=False,
            end=signals.LAST,
            batch=_BUS_BATCH,
        )
