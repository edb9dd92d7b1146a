"""Subscriptions of the async client: what happened, in order and without a hole.

A subscription outlives its connection, and a daemon that was restarted: it goes on behind the last
event that it got. A program that is slow holds up nobody. When its queue is full the subscription
is ended, and made again where it was when the program has caught up. See `sd_client.resuming` for
what a Gap means.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Generic, Protocol

from sd_client.occurrences import Item
from sd_client.reaching import failure_in

if TYPE_CHECKING:
    from types import TracebackType

    from sd_client.occurrences import Position
    from sd_client.resuming import Course
    from sd_wire.encoding import Encoding
    from sd_wire.errors import SdError
    from sd_wire.messages import Reply

QUEUE_LIMIT = 65_536
"""Items that wait for a slow program."""


class Keeper(Protocol[Item]):
    """Whoever makes a subscription at the daemon, and ends it there."""

    async def begin(self, subscription: Subscription[Item]) -> None:
        """Make it."""

    def end(self, subscription: Subscription[Item]) -> None:
        """End it, if it stands."""

    def again(self, subscription: Subscription[Item]) -> None:
        """Make it again, now and in the background."""


class Subscription(Generic[Item]):
    """A stream of events or of log records. Entered, it stands: nothing after that is missed."""

    def __init__(self, course: Course[Item], keeper: Keeper[Item]) -> None:
        self.course: Course[Item] = course
        self.closed = False
        self.position: Position | None = course.reached
        self._keeper: Keeper[Item] = keeper
        self._queue: deque[tuple[Item, Position | None]] = deque()
        self._full = False  # ended until the program has read what waits
        self._arrived = asyncio.Event()
        self._failure: SdError | None = None
        self._started = False

    @property
    def warnings(self) -> list[str]:
        """What the daemon found odd about what was asked for: names and filters that can never
        match."""
        return self.course.warnings

    async def __aenter__(self) -> Subscription[Item]:
        if not self._started:
            await self._keeper.begin(self)
            self._started = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Get nothing more. Whoever waits in `recv` gets None."""
        self.closed = True
        self._queue.clear()
        self._keeper.end(self)
        self._arrived.set()

    async def recv(self) -> Item | None:
        """The next one; None when the subscription was closed. Raises what ended it otherwise,
        such as a daemon that did not come back."""
        await self.__aenter__()
        while not self._queue:
            if self.closed:
                return None
            if self._failure is not None:
                raise self._failure
            self._arrived.clear()
            await self._arrived.wait()
        item, self.position = self._queue.popleft()
        if self._full and len(self._queue) <= QUEUE_LIMIT // 2:
            self._full = False
            self._keeper.again(self)
        return item

    def __aiter__(self) -> Subscription[Item]:
        return self

    async def __anext__(self) -> Item:
        item = await self.recv()
        if item is None:
            raise StopAsyncIteration
        return item

    # --- called by the client -----------------------------------------------------------------

    @property
    def wanted(self) -> bool:
        """Whether it should stand now."""
        return not (self.closed or self._full or self._failure is not None)

    def receive(self, reply: Reply, encoding: Encoding) -> None:
        """A reply for this subscription came."""
        error = failure_in(reply)
        if error is not None:
            self.fail(error)
        elif len(self._queue) >= QUEUE_LIMIT:
            self._full = self.course.behind = True
            self._keeper.end(self)
        else:
            self._read(reply, encoding)

    def fail(self, error: SdError) -> None:
        """Nothing will follow."""
        self._failure = error
        self._arrived.set()

    def _read(self, reply: Reply, encoding: Encoding) -> None:
        item = self.course.read(reply, encoding)
        if item is not None:
            self._queue.append((item, self.course.reached))
            self._arrived.set()
        elif not self._queue:
            self.position = self.course.reached
        if self.course.behind:
            self._keeper.again(self)
