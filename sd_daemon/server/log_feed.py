"""The daemon's log on its way to the clients of one core: the records of any thread, in one order.

History and what is live join without a gap and without a double. Whoever records does two things
with a record under one lock: it writes the line into the file, and gives the record to this feed,
which counts it. A subscription begins under the same lock, with the count and the end of the file
as they are then. So every record is either in that part of the file and not above the count, or
above the count and not in that part: the history reads the one, what is live is the other, and
waits until the history is told. (A record that the disk refused is in neither, as in the file.)

What is recorded because a record is delivered, such as that a client had to be cut off for being
slow, goes into the file and to nobody: a log that feeds on itself never ends.

Threads may record faster than the loop can tell. So many records wait, and what does not fit is
missing from the count: each subscription sees how many it missed, and is told.
"""

from __future__ import annotations

import threading
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from sd_wire.events import LogMessage
from sd_wire.log_history import level_named
from sd_wire.log_line import LEVELS
from sd_wire.messages import Subscribed
from sd_wire.subscribing import log_warnings_of

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from sd_daemon.core.bus import Bus
    from sd_daemon.server.log_watch import LogWatch
    from sd_wire.log_history import Part

LIMIT = 10_000  # records that wait for the loop
TURN = 500  # records that are delivered in one turn of it

_here = threading.local()  # whether this thread delivers


class Recording(Protocol):
    """Whoever records, as far as a feed has to do with it."""

    def held(self) -> AbstractContextManager[object]:
        """Nobody records meanwhile."""

    def parts(self) -> list[Part]:
        """The log's files, oldest first, open to be read, as far as they go now."""

    def keeps(self, level: str) -> bool:
        """Whether what is recorded at this level is written into the file."""

    def lower(self, level: str) -> Callable[[], None]:
        """Have everything from this level on recorded, until the result is called."""


class LogFeed:
    """The log of a process for the clients of one core."""

    def __init__(self, loop: asyncio.AbstractEventLoop, bus: Bus, *, limit: int = LIMIT) -> None:
        self._loop = loop
        self._bus = bus
        self._limit = limit
        self._recording: Recording | None = None
        self._watches: dict[LogWatch, Callable[[], None] | None] = {}
        self._inbox: deque[tuple[int, LogMessage, bool]] = deque()
        self._taken = 0
        self._due = False
        self.told = microseconds(datetime.now(UTC))  # up to when all records were told

    # --- records -----------------------------------------------------------------------------

    def comes_from(self, recording: Recording) -> None:
        """Say who will call `take`."""
        self._recording = recording

    def take(self, record: LogMessage, *, kept: bool) -> None:
        """A record, from any thread, by whoever holds the recording. `kept`: it is in the file,
        too; the others are only there because somebody watches at a lower level."""
        by_name = kept and self._bus.wanted(LogMessage)
        if not (self._watches or by_name) or getattr(_here, "delivers", False):
            return
        self._taken += 1
        if len(self._inbox) >= self._limit:
            return
        self._inbox.append((self._taken, record, kept))
        if not self._due:
            self._due = True
            try:
                self._loop.call_soon_threadsafe(self._deliver)
            except RuntimeError:  # the loop has ended
                return

    def _deliver(self) -> None:
        self._due = False  # before it is looked at: what comes after that look causes another turn
        _here.delivers = True
        try:
            for _ in range(min(TURN, len(self._inbox))):
                self._tell(*self._inbox.popleft())
            if not self._inbox:
                self._tell_missed()
            for watch in tuple(self._watches):
                watch.outbox.flush()
        finally:
            _here.delivers = False
        if self._inbox and not self._due:
            self._due = True
            self._loop.call_soon(self._deliver)

    def _tell(self, number: int, record: LogMessage, kept: bool) -> None:  # noqa: FBT001
        self.told = microseconds(record.timestamp) + 1
        for watch in tuple(self._watches):
            watch.offer(number, record, kept=kept)
        if kept and self._bus.wanted(LogMessage):
            self._bus.publish(record, transient=True)

    def _tell_missed(self) -> None:
        """Tell those who missed the last records, which no later one shows to be missing."""
        if self._recording is None:
            return
        with self._recording.held():
            taken = self._taken if not self._inbox else 0
        for watch in tuple(self._watches):
            watch.skip_to(taken)

    # --- subscriptions -----------------------------------------------------------------------

    def add(self, watch: LogWatch) -> Subscribed:
        """Begin a subscription: what its client is told at the start."""
        recording = self._recording
        level = level_named(watch.asked.filter.level if watch.asked.filter else None)
        watching = None if level is None or recording is None else recording.lower(level)
        self._watches[watch] = watching  # from here on everything is counted
        if recording is not None:
            with recording.held():
                parts = recording.parts() if watch.wants_past else []
                taken = self._taken
            watch.begin(taken, parts, self._bus)
        return Subscribed(self._bus.stream, self._bus.sequence, None, self._warnings(watch, level))

    def remove(self, watch: LogWatch) -> None:
        """End a subscription. What waits in its outbox is still sent."""
        restore = self._watches.pop(watch)
        if restore is not None:
            restore()
        watch.end()

    def _warnings(self, watch: LogWatch, level: str | None) -> list[str]:
        asked, recording = watch.asked, self._recording
        if recording is None:
            return ["this daemon does not record its log: nothing will come"]
        found = log_warnings_of(asked.filter) if asked.filter else []
        wanted = asked.filter.level if asked.filter else None
        if wanted is not None and level is None:
            known = ", ".join(LEVELS)
            found.append(
                f"there is no level {wanted[:40]!r}, so every one passes; there are {known}"
            )
        elif watch.wants_past and level is not None and not recording.keeps(level):
            found.append(
                f"records below the daemon's own level are not kept, so that not all from {level}"
                " on are in the past; config.app.update changes its log_level"
            )
        return found


def microseconds(time: datetime) -> int:
    """Since 1970."""
    return round(time.timestamp() * 1e6)
