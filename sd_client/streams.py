"""Subscriptions of the async client: what happened, in order, and what was missed.

    async with client.subscribe(["JobProgress"]) as events:
        async for event, sequence, time in events:
            ...

A subscription outlives its connection. When the connection ended and came back, and when the
program took so long that the queue ran over, the next item is a Gap; what follows it is complete
again. Whoever keeps a copy of the daemon's state asks for it anew after a Gap.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import msgspec

from sd_client.reaching import failure_in
from sd_wire.events import EVENTS, Event, LogMessage, VolumeAdded
from sd_wire.types.volumes import Volume

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime
    from types import TracebackType

    from sd_wire.errors import SdError
    from sd_wire.messages import Reply

QUEUE_LIMIT = 65_536
"""Items that wait for a slow program before the newer ones are dropped and counted."""


class Gap(msgspec.Struct, frozen=True):
    """Something was missed here."""

    reason: str  # 'reconnected' or 'overrun'
    missed: int | None = None  # how many, where that is known


class UnknownEvent(msgspec.Struct, frozen=True):
    """An event that this version of the client does not know."""

    name: str
    fields: Any


class Occurrence(NamedTuple):
    """What a subscription yields."""

    event: Event | UnknownEvent | Gap
    sequence: int
    time: datetime | None


class LogRecord(NamedTuple):
    """What a subscription to logs yields."""

    record: LogMessage | Gap
    sequence: int
    time: datetime | None


T = TypeVar("T", Occurrence, LogRecord)


def event_in(raw: msgspec.Raw) -> Event | UnknownEvent:
    """The event behind an `"Event":` key."""
    found = msgspec.json.decode(raw)
    name, fields = (found, {}) if isinstance(found, str) else next(iter(found.items()))
    declared = EVENTS.get(name)
    if declared is None:
        return UnknownEvent(name, fields)
    if declared is VolumeAdded:  # the one whose body is not its fields
        return VolumeAdded(msgspec.convert(fields, Volume))
    return msgspec.convert(fields, declared)


def occurrence(reply: Reply) -> Occurrence | None:
    """The event that a reply brings, or None where it brings none."""
    if reply.Event is msgspec.UNSET:
        return None
    return Occurrence(event_in(reply.Event), reply.sequence, reply.time)


def log_record(reply: Reply) -> LogRecord | None:
    """The log record that a reply brings, or None where it brings none."""
    if reply.LogMessage is msgspec.UNSET:
        return None
    record = msgspec.json.decode(reply.LogMessage, type=LogMessage)
    return LogRecord(record, reply.sequence, record.timestamp)


class Subscription(Generic[T]):
    """A stream of T. Entered, it stands: what happens after that is not missed."""

    def __init__(
        self,
        start: Callable[[Subscription[T]], Awaitable[None]],
        stop: Callable[[Subscription[T]], None],
        read: Callable[[Reply], T | None],
        gap: Callable[[Gap], T],
    ) -> None:
        self._start: Callable[[Subscription[T]], Awaitable[None]] = start
        self._stop: Callable[[Subscription[T]], None] = stop
        self._read: Callable[[Reply], T | None] = read
        self._gap: Callable[[Gap], T] = gap
        self._queue: deque[T] = deque()
        self._overrun = 0
        self._arrived = asyncio.Event()
        self._failure: SdError | None = None
        self._started = False
        self.closed = False

    async def __aenter__(self) -> Subscription[T]:
        if not self._started:
            await self._start(self)
            self._started = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.closed = True
        self._stop(self)

    def __aiter__(self) -> Subscription[T]:
        return self

    async def __anext__(self) -> T:
        await self.__aenter__()
        while not self._queue:
            if self._failure is not None:
                raise self._failure
            self._arrived.clear()
            await self._arrived.wait()
        item = self._queue.popleft()
        if self._overrun and len(self._queue) < QUEUE_LIMIT // 2:
            self._queue.append(self._gap(Gap("overrun", self._overrun)))
            self._overrun = 0
        return item

    # --- called by the client -----------------------------------------------------------------

    def receive(self, reply: Reply) -> None:
        """A reply for this subscription came."""
        error = failure_in(reply)
        if error is not None:
            self.fail(error)
            return
        if reply.Lagged is not msgspec.UNSET:
            self._put(self._gap(Gap("overrun", reply.Lagged.missed)))
            return
        item = self._read(reply)
        if item is not None:
            self._put(item)

    def mark_gap(self) -> None:
        """The connection ended; what follows comes from the next one."""
        self._put(self._gap(Gap("reconnected")))

    def fail(self, error: SdError) -> None:
        """Nothing will follow."""
        self._failure = error
        self._arrived.set()

    def _put(self, item: T) -> None:
        if self._overrun or len(self._queue) >= QUEUE_LIMIT:
            self._overrun += 1
            return
        self._queue.append(item)
        self._arrived.set()
