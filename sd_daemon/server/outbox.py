"""What one client still has to be sent of its events, bounded in bytes.

Events are gathered until the loop's turn ends and leave in one write. While the client does not
read, they wait here and three things keep the memory flat:

- progress: of each job, or whatever else the event calls its key, only the latest waits;
- the limit: what does not fit any more is dropped and counted, for its own subscription;
- the count is told, in the place where the gap is, as soon as there is room again.

A subscription that has no way to be told (it has no id, so it is an existing client's) is given up
instead: a gap that nobody knows of is worse than a connection that ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT = 1024 * 1024  # bytes that may wait for one client
SLICE = 256 * 1024  # bytes of one write; more could not be taken back from a slow reader

Key = tuple[object, ...]


class Subscriber(Protocol):
    """Whoever the events in an outbox are for."""

    missed: int

    def gap(self) -> bytes | None:
        """The line that tells of `missed` events, or None where it cannot be told."""


class Outbox:
    """The events that wait for one client."""

    __slots__ = ("_give_up", "_lagging", "_lines", "_number", "_size", "_write", "held")

    def __init__(self, write: Callable[[bytes], object], give_up: Callable[[], None]) -> None:
        self._write = write
        self._give_up = give_up
        self.held = False  # the client does not read: nothing may be written
        self._lines: dict[object, bytes] = {}
        self._lagging: dict[Subscriber, None] = {}
        self._size = 0
        self._number = 0

    def __len__(self) -> int:
        """Bytes that wait."""
        return self._size

    def put(self, subscriber: Subscriber, line: bytes, key: Key | None = None) -> None:
        """Take an event. `key`: while the client does not read, it replaces the one before it."""
        if self._size + len(line) > LIMIT:
            self.flush()
        if self._lagging and subscriber in self._lagging:
            if self.held:  # one gap and not many: it ends when the client has caught up
                self.miss(subscriber)
                return
            self._tell_gap(subscriber)
        if key is not None and self.held:
            self._size -= len(self._lines.pop(key, b""))
        if self._size + len(line) > LIMIT:
            self.miss(subscriber)
            return
        if key is None or not self.held:
            self._number += 1
            self._lines[self._number] = line
        else:
            self._lines[key] = line
        self._size += len(line)

    def flush(self) -> None:
        """Write what waits, as far as the client reads it."""
        while self._lines and not self.held:
            self._write(self._next_slice())
        for subscriber in () if self.held else tuple(self._lagging):
            self._tell_gap(subscriber)
        if self._lines and not self.held:
            self._write(self._next_slice())

    def miss(self, subscriber: Subscriber, count: int = 1) -> None:
        """Count events that this one does not get; it is told of them in this place."""
        subscriber.missed += count
        if subscriber.gap() is None:
            self._give_up()
        else:
            self._lagging[subscriber] = None

    def forget(self, subscriber: Subscriber) -> None:
        """No gap of this one will be told."""
        self._lagging.pop(subscriber, None)

    def _next_slice(self) -> bytes:
        if self._size <= SLICE:
            block = b"".join(self._lines.values())
            self._lines.clear()
            self._size = 0
            return block
        taken: list[object] = []
        size = 0
        for key, line in self._lines.items():
            taken.append(key)
            size += len(line)
            if size >= SLICE:
                break
        self._size -= size
        return b"".join([self._lines.pop(key) for key in taken])

    def _tell_gap(self, subscriber: Subscriber) -> None:
        line = subscriber.gap()
        if line is None or self._size + len(line) > LIMIT:
            return
        subscriber.missed = 0
        del self._lagging[subscriber]
        self._number += 1
        self._lines[self._number] = line
        self._size += len(line)
