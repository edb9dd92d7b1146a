"""What is sure of each connection, in memory that outlives the process.

A process that is killed says nothing any more. What the next one may go on with has to be written
down before, and it must never be wrong: a client that waits for an answer which will not come, or
gets an event twice, is worse off than one whose connection ends. So each connection has a mark. It
is in doubt from before something is read from it or written to it until everything that was asked
is answered, all of it is with the kernel, and what is known of the connection stands here. A kill
at any instant finds it one or the other.

The memory is a file without a name (memfd_create(2)), kept by the service manager like the
connections themselves:

    offset       what
    ---------    -----------------------------------------------------------------
    0            MAGIC, with the number of this layout
    64           a mark for each slot, one byte
    4096         the length of each slot's card, 4 bytes each
    8192         the places of instances, 128 bytes each: the name, then as 8-byte numbers the
                 last event that all subscribers were sent, and the time of the last log record
                 that they were, in microseconds since 1970
    12288        the cards, 16 MiB apart; of most only the first page is ever touched

A card is only written while its connection is in doubt, a number in one piece.
"""

from __future__ import annotations

import mmap
import os
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

SLOTS = 1000  # connections; the units let the manager keep a few more descriptors
MOST_INSTANCES = 32
CARD_LIMIT = 16 * 1024 * 1024  # bytes

MAGIC = b"spacedrive connections 1\n".ljust(64, b"\0")
_MARKS = 64
_LENGTHS = 4096
_PLACES = 8192
_PLACE_BYTES = 128
_NUMBERS_IN_PLACE = 64  # after the name
_CARDS = 12288

FREE, IN_DOUBT, SURE = range(3)


class Position(NamedTuple):
    """How far the clients of an instance were served."""

    event: int  # number of the last event that all who wanted it were sent
    log_time: int  # of the last log record, in microseconds since 1970


class Place:
    """Where the position of one instance is written down."""

    def __init__(self, numbers: memoryview) -> None:
        self._numbers = numbers

    def tell(self, position: Position) -> None:
        """Write it down."""
        self._numbers[0], self._numbers[1] = position

    @property
    def position(self) -> Position:
        """What was written down last."""
        return Position(self._numbers[0], self._numbers[1])


class Ledger:
    """The marks and cards of connections. Use `new` or `found`."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        view = memoryview(mmap.mmap(descriptor, _CARDS))
        self._view = view
        self.marks = view[_MARKS : _MARKS + SLOTS]
        self._lengths = view[_LENGTHS : _LENGTHS + 4 * SLOTS].cast("I")
        self._free = [slot for slot in reversed(range(SLOTS)) if self.marks[slot] == FREE]

    @classmethod
    def new(cls) -> Ledger:
        """An empty one. Raises OSError."""
        descriptor = os.memfd_create("spacedrive-connections", os.MFD_CLOEXEC)
        os.truncate(descriptor, _CARDS)
        os.pwrite(descriptor, MAGIC, 0)
        return cls(descriptor)

    @classmethod
    def found(cls, descriptor: int) -> Ledger | None:
        """The one that a process before us has kept; None where it is of another version."""
        try:
            if os.pread(descriptor, len(MAGIC), 0) != MAGIC:
                return None
            return cls(descriptor)
        except (OSError, ValueError):
            return None

    # --- connections -------------------------------------------------------------------------

    def begin(self) -> int | None:
        """A slot for a connection, in doubt at first; None where all are taken."""
        if not self._free:
            return None
        slot = self._free.pop()
        self.marks[slot] = IN_DOUBT
        return slot

    def end(self, slot: int) -> None:
        """The connection is no more."""
        self.marks[slot] = FREE
        self._free.append(slot)

    def describe(self, slot: int, card: bytes) -> bool:
        """Write down what the next process has to know; False where that is too much."""
        assert self.marks[slot] == IN_DOUBT
        if len(card) > CARD_LIMIT:
            return False
        os.pwrite(self.descriptor, card, _CARDS + slot * CARD_LIMIT)
        self._lengths[slot] = len(card)
        return True

    def cards(self) -> Iterator[tuple[int, bytes]]:
        """Every slot that is taken, with its card; that is empty while it is in doubt."""
        for slot, mark in enumerate(self.marks.tolist()):
            if mark == SURE:
                where = _CARDS + slot * CARD_LIMIT
                yield slot, os.pread(self.descriptor, self._lengths[slot], where)
            elif mark == IN_DOUBT:
                yield slot, b""

    # --- instances ---------------------------------------------------------------------------

    def place(self, instance: str | None) -> Place | None:
        """Where this instance's position stands; None where there are too many instances."""
        name = (instance or "/").encode()  # which no instance is called
        for number in range(MOST_INSTANCES):
            begin = _PLACES + number * _PLACE_BYTES
            known = bytes(self._view[begin : begin + _NUMBERS_IN_PLACE]).rstrip(b"\0")
            if known in (b"", name):
                if not known:
                    self._view[begin : begin + len(name)] = name
                where = begin + _NUMBERS_IN_PLACE
                return Place(self._view[where : where + 16].cast("Q"))
        return None
