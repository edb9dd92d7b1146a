"""A campaign of nonsense against a real daemon over its real socket.

Several connections write at once, thousands of messages in one write. Of some the answers can be
counted: one for each LF, no more, no less. Others also subscribe, change the encoding, half-close
or hang up. Whatever the daemon writes has to be one well-formed reply after the other. A neighbour
asks a question all the time and gets the right answer in time.
"""

from __future__ import annotations

import os
import random
import selectors
import socket
import threading
import time
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import msgspec
from mutants import Mutator, frame_seeds, json_seeds

from sd_wire.connection import ClientConnection
from sd_wire.encoding import JSON, MESSAGEPACK
from sd_wire.messages import Reply

if TYPE_CHECKING:
    from running import Daemon

BLOCK = 2000  # messages of one write
PATIENCE = 30.0  # seconds without any progress are a hang
IN_TIME = 10.0  # seconds; the fuzzer, the daemon and the neighbour share two processors at best
SILENCE = 0.2  # seconds after which a watcher will hear nothing more
AT_ONCE = 6
SOME = 4  # descriptors that come and go: a reader's connection, a mount table
KEYS = tuple(name for name in Reply.__struct_fields__ if name[0].isupper())
VALUES = attrgetter(*KEYS)
HELLO = b'{"Hello":{"encoding":"messagepack"},"id":0}\n'


def seed_of_this_run() -> int:
    """FUZZ_SEED, or another one each time. It is printed, and shown where a test fails."""
    seed = int(os.environ.get("FUZZ_SEED") or random.SystemRandom().getrandbits(32))
    print(f"FUZZ_SEED={seed}")
    return seed


def check(reply: Reply) -> None:
    """A reply is exactly one thing."""
    assert VALUES(reply).count(msgspec.UNSET) == len(KEYS) - 1, f"{reply} is not one reply"


class Stream:
    """One connection that sends nonsense."""

    def __init__(self, daemon: Daemon, mutator: Mutator, *, counted: bool, first: bytes) -> None:
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(daemon.socket_path))
        self.socket.setblocking(False)  # noqa: FBT003 - its only parameter
        self.counted = counted
        self._mutator = mutator
        self._wire = ClientConnection()
        self._first = first
        self._out = memoryview(first)
        self._sent = first.count(b"\n")
        self.answered = 0
        self.last_progress = time.monotonic()
        self.ended = False

    @property
    def idle(self) -> bool:
        """Nothing is left to send, and nothing to wait for."""
        if self._out:
            return False
        quiet = time.monotonic() - self.last_progress > SILENCE
        return self.answered == self._sent if self.counted else quiet

    def refill(self, count: int) -> None:
        """So many more messages are to be sent."""
        block = self._mutator.block(count)
        self._out = memoryview(bytes(self._out) + block)
        self._sent += block.count(b"\n")

    def write(self, most: int) -> bool:
        """Send what there is room for. Returns whether anything is left."""
        try:
            sent = self.socket.send(self._out[:most])
        except BlockingIOError:
            return True
        except (BrokenPipeError, ConnectionResetError):
            self.ended = True
            return False
        self._out = self._out[sent:]
        self.last_progress = time.monotonic()
        return bool(self._out)

    def read(self) -> None:
        """Take the answers that have come."""
        try:
            data = self.socket.recv(1 << 20)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        if not data:
            self.ended = True
            return
        self.last_progress = time.monotonic()
        if self._wire.encoding is JSON:
            assert data.isascii() or self._first == HELLO
        for reply in self._wire.receive(data):
            check(reply)
            self.answered += 1
        if self.counted:
            assert self.answered <= self._sent, "more answers than questions"


class Neighbour(threading.Thread):
    """Somebody who asks what is known, all the time, and wants to be answered in time."""

    def __init__(self, daemon: Daemon) -> None:
        super().__init__(daemon=True)
        self._daemon = daemon
        self._done = threading.Event()
        self.asked = 0
        self.slowest = 0.0
        self.wrong: Any = None

    def run(self) -> None:
        """Ask until told to stop."""
        try:
            with self._daemon.connect() as wire:
                while not self._done.wait(0.005):
                    self._ask(wire)
        except BaseException as error:  # what ends this thread is the test's result
            self.wrong = error

    def _ask(self, wire: Any) -> None:
        self.asked += 1
        call = {"method": "query:test.ping", "payload": {"message": f"n{self.asked}"}}
        began = time.monotonic()
        reply = wire.ask({"Query": call, "id": self.asked})
        self.slowest = max(self.slowest, time.monotonic() - began)
        expected = {"echo": f"n{self.asked}", "count": 1, "extension_works": True}
        assert reply == {"JsonOk": expected, "id": self.asked}

    def stop(self) -> None:
        """Stop, and say what went wrong."""
        self._done.set()
        self.join(PATIENCE)
        assert self.wrong is None, f"the neighbour: {self.wrong!r}"
        assert self.asked, "the neighbour was never answered"
        assert self.slowest < IN_TIME, f"the neighbour waited {self.slowest:.1f} s"


class Campaign:
    """So many messages from several connections at once."""

    def __init__(self, daemon: Daemon, rng: random.Random) -> None:
        self._daemon = daemon
        self._rng = rng
        self._counted = Mutator(rng, json_seeds(watching=False), JSON)
        self._wild = Mutator(rng, json_seeds(watching=True), JSON)
        self._frames = Mutator(rng, frame_seeds(), MESSAGEPACK)
        self._selector = selectors.DefaultSelector()
        self._left = 0
        self.answers = 0

    def run(self, messages: int) -> None:
        """Send them all, and read all that is answered."""
        self._left = messages
        for _ in range(AT_ONCE):
            self._open()
        while self._selector.get_map():
            for key, events in self._selector.select(SILENCE / 4):
                self._serve(key.data, events)
            for key in tuple(self._selector.get_map().values()):
                self._next(key.data)
        self._selector.close()

    def _open(self) -> None:
        kind = self._rng.random()
        if kind < 0.6:
            stream = Stream(self._daemon, self._counted, counted=True, first=b'"Ping"\n')
        elif kind < 0.8:
            stream = Stream(self._daemon, self._wild, counted=False, first=b"")
        else:
            stream = Stream(self._daemon, self._frames, counted=False, first=HELLO)
        self._refill(stream)
        both = selectors.EVENT_READ | selectors.EVENT_WRITE
        self._selector.register(stream.socket, both, stream)

    def _refill(self, stream: Stream) -> None:
        count = BLOCK if stream.counted else BLOCK // 10
        stream.refill(count)
        self._left -= count

    def _serve(self, stream: Stream, events: int) -> None:
        if events & selectors.EVENT_READ:
            stream.read()
        if events & selectors.EVENT_WRITE and not stream.ended:
            most = 1 << 20 if self._rng.random() < 0.9 else 1 + int(self._rng.random() * 9)
            if not stream.write(most):
                self._selector.modify(stream.socket, selectors.EVENT_READ, stream)

    def _next(self, stream: Stream) -> None:
        """Go on with a connection, or end it in one way or another."""
        waited = time.monotonic() - stream.last_progress
        assert waited < PATIENCE, f"no answer for {waited:.0f} s, {stream.answered} came"
        assert not stream.ended, "the daemon hung up on a client that reads"
        if stream.idle:
            if self._left > 0 and stream.counted and self._rng.random() < 0.9:
                self._refill(stream)
                both = selectors.EVENT_READ | selectors.EVENT_WRITE
                self._selector.modify(stream.socket, both, stream)
            else:
                self._close(stream)
        elif not stream.counted and self._rng.random() < 0.002:
            self._close(stream)  # in the middle of something

    def _close(self, stream: Stream) -> None:
        self._selector.unregister(stream.socket)
        if stream.counted or self._rng.random() < 0.5:
            self._half_close(stream)
        stream.socket.close()
        self.answers += stream.answered
        if self._left > 0:
            self._open()

    def _half_close(self, stream: Stream) -> None:
        """Say that this was all, and hear what is still said."""
        try:
            stream.socket.shutdown(socket.SHUT_WR)
        except OSError:
            return
        stream.socket.settimeout(PATIENCE if stream.counted else SILENCE)
        while not stream.ended:
            try:
                stream.read()
            except TimeoutError:
                assert not stream.counted, "a half-closed client was not let go"
                return


def descriptors(daemon: Daemon) -> int:
    """Open files of the daemon."""
    assert daemon.process is not None
    return len(os.listdir(f"/proc/{daemon.process.pid}/fd"))


def all_gone(daemon: Daemon) -> None:
    """Wait until the daemon has noticed that everybody has hung up."""
    with daemon.connect() as wire:
        while True:
            clients = wire.ask({"Query": {"method": "query:core.status"}})["JsonOk"]["clients"]
            if clients["connections"] == 1:
                assert clients["subscriptions"] == 0
                return


def fuzz(daemon: Daemon, messages: int) -> None:
    """Warm up, measure, send so many messages, measure again."""
    rng = random.Random(seed_of_this_run())
    Campaign(daemon, rng).run(messages // 5)
    all_gone(daemon)
    memory, files = daemon.memory(), descriptors(daemon)
    neighbour = Neighbour(daemon)
    neighbour.start()
    campaign = Campaign(daemon, rng)
    began = time.monotonic()
    try:
        campaign.run(messages)
    finally:
        neighbour.stop()
    all_gone(daemon)
    took = time.monotonic() - began
    grown = daemon.memory() - memory
    print(f"{messages} messages, {campaign.answers} answers in {took:.1f} s, {grown} KiB more")
    print(f"the neighbour asked {neighbour.asked} times, waited {neighbour.slowest * 1000:.0f} ms")
    assert grown < 8 * 1024
    assert descriptors(daemon) <= files + SOME
    assert "a handler failed" not in daemon.log_text()
    assert "Traceback" not in daemon.log_text()
