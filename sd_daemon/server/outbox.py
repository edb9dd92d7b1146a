"""What one client still has to be sent of its events, bounded in bytes.

A client that reads needs none of this: what a turn of the loop brings goes out in one write, see
`channel`. While it does not read, its events wait here, and three things keep the memory flat:

- progress: of each job, or whatever else the event calls its key, only the latest waits;
- the limit: what does not fit any more is dropped and counted, for its own subscription;
- the count is told, in the place where the gap is, as soon as there is room again.

A subscription that has no way to be told (it has no id, so it is an existing client's) is given up
instead: a gap that nobody knows of is worse than a connection that ends.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from sd_daemon.server.watch import EventWatch

LIMIT = 1152 * 1024  # bytes of memory that may wait for one client, who has little in its socket
SLICE = 64 * 1024  # bytes of one write; more could not be taken back from a slow reader
OVERHEAD = 160  # bytes that a waiting line costs beside its own
NONE = -1  # no descriptor

Key = tuple[object, ...]


class Subscriber(Protocol):
    """Whoever the events in an outbox are for."""

    missed: int

    def gap(self) -> bytes | None:
        """The line that tells of `missed` events, or None where it cannot be told."""


class Outbox:
    """The events that wait for one client."""

    __slots__ = (
        "_lagging",
        "_lines",
        "_number",
        "_readers",
        "_size",
        "descriptor",
        "give_up",
        "held",
        "live",
        "write",
    )

    def __init__(
        self,
        write: Callable[[bytes], object],
        give_up: Callable[[], None],
        descriptor: int = NONE,
    ) -> None:
        """`descriptor`: of a socket, as long as the client is there. It may be written to while
        this is not held, instead of calling `write`."""
        self.write = write
        self.held = False  # the client does not read: nothing may be written
        self.live: dict[EventWatch, None] = {}  # that may have something here
        self.give_up = give_up
        self.descriptor = descriptor
        self._lines: dict[object, bytes] = {}
        self._lagging: dict[Subscriber, None] = {}
        self._readers: list[asyncio.Future[None]] = []  # who wait until it is empty
        self._size = 0
        self._number = 0

    def __len__(self) -> int:
        """Bytes of memory that what waits costs."""
        return self._size

    @property
    def open(self) -> bool:
        """Whether the client has got everything and can be written to."""
        return not (self.held or self._lines or self._lagging)

    @property
    def direct(self) -> bool:
        """Whether what its only subscription is sent can be written to the socket."""
        return self.descriptor != NONE and len(self.live) == 1 and self.open

    def put(self, subscriber: Subscriber, line: bytes, key: Key | None = None) -> bool:
        """Take an event; False if it was dropped. `key`: while the client does not read, it
        replaces the one before it."""
        cost = len(line) + OVERHEAD
        if self._size + cost > LIMIT:
            self.flush()
        if self._lagging and subscriber in self._lagging:
            if self.held:  # one gap and not many: it ends when the client has caught up
                self.miss(subscriber)
                return False
            self._tell_gap(subscriber)
        if key is not None and self.held and key in self._lines:
            self._size -= len(self._lines.pop(key)) + OVERHEAD
        if self._size + cost > LIMIT and (self.held or self._lines):
            self.miss(subscriber)
            return False
        if key is None or not self.held:
            self._number += 1
            self._lines[self._number] = line
        else:
            self._lines[key] = line
        self._size += cost
        return True

    def flush(self) -> None:
        """Write what waits, as far as the client reads it."""
        while self._lines and not self.held:
            self.write(self._next_slice())
        for subscriber in () if self.held else tuple(self._lagging):
            self._tell_gap(subscriber)
        if self._lines and not self.held:
            self.write(self._next_slice())
        if self._readers and self.open:
            self.wake()

    def miss(self, subscriber: Subscriber, count: int = 1) -> None:
        """Count events that this one does not get; it is told of them in this place."""
        subscriber.missed += count
        if subscriber.gap() is None:
            self.give_up()
        else:
            self._lagging[subscriber] = None

    def forget(self, subscriber: Subscriber) -> None:
        """No gap of this one will be told."""
        self._lagging.pop(subscriber, None)

    async def emptied(self) -> None:
        """Return when the client has taken what was written, and nothing waits."""
        while not self.open:
            reader: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._readers.append(reader)
            await reader

    def wake(self) -> None:
        """Have those look again who wait."""
        readers, self._readers = self._readers, []
        for reader in readers:
            if not reader.done():
                reader.set_result(None)

    def _next_slice(self) -> bytes:
        taken: list[object] = []
        size = 0
        for key, line in self._lines.items():
            taken.append(key)
            size += len(line)
            if size >= SLICE:
                break
        self._size -= size + OVERHEAD * len(taken)
        return b"".join([self._lines.pop(key) for key in taken])

    def _tell_gap(self, subscriber: Subscriber) -> None:
        line = subscriber.gap()
        if line is None or self._size + len(line) + OVERHEAD > LIMIT:
            return
        subscriber.missed = 0
        del self._lagging[subscriber]
        self._number += 1
        self._lines[self._number] = line
        self._size += len(line) + OVERHEAD
