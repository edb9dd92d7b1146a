"""From the bus of a core to its clients.

Subscriptions are not asked one by one whether they want an event: they stand together in channels
of equal interest, and these lie in an index by (event, library, job). An event looks at the at most
four places where those who want it can be. What a turn of the loop produced leaves in one write per
client when the turn ends, so that an event alone is not delayed and a thousand cost as one.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, TypeVar

from sd_daemon.core.log import get_log
from sd_daemon.server.channel import Channel
from sd_daemon.server.filters import lets_pass

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sd_daemon.core.bus import Bus, Published, Subscription
    from sd_daemon.server.channel import Late
    from sd_daemon.server.outbox import Outbox
    from sd_daemon.server.watch import EventWatch, Interest, Place
    from sd_wire.events import Event
    from sd_wire.messages import EventFilter

log = get_log(__name__)

PATIENCE_S = 0.1  # for a client that does not read, before nobody waits for it


K = TypeVar("K")


class Fanout:
    """All subscriptions of all clients of one core."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._channels: dict[Interest, Channel] = {}
        self._wide: dict[str, dict[Channel, None]] = {}  # of all libraries and jobs, by name
        self._index: dict[Place, dict[Channel, None]] = {}  # the others
        self._narrow: dict[str, int] = {}  # names that are in the index
        self._heard: dict[str, tuple[Subscription, int]] = {}  # on the bus, with how many need it
        self._received: list[Published] = []  # in this turn
        self._behind: dict[Outbox, float] = {}  # since when they do not read
        self._room = asyncio.Event()  # nobody is behind whom somebody would wait for
        self._room.set()
        bus.deliver_by(self)

    # --- subscriptions ---------------------------------------------------------------------------

    def add(self, watch: EventWatch) -> None:
        """Deliver to `watch` from now on; what was published until now is not for it."""
        self._bus.flush()
        watch.sent = max(watch.sent, self._bus.sequence)
        interest = watch.interest
        channel = self._channels.get(interest)
        if channel is None:
            channel = self._channels[interest] = Channel(watch)
            self._open(channel)
        watch.channel = channel
        watch.outbox.live[watch] = None
        self._settle(watch.outbox)

    def remove(self, watch: EventWatch) -> None:
        """Deliver nothing more to it. What waits in its outbox is still sent."""
        channel = watch.channel
        if channel is None:
            return
        self._bus.flush()
        channel.leave(watch)
        watch.channel = None
        del watch.outbox.live[watch]
        self._settle(watch.outbox)
        if not len(channel):
            del self._channels[channel.interest]
            self._close(channel)
        watch.outbox.forget(watch)

    def _settle(self, outbox: Outbox) -> None:
        """Something has changed that decides how this client is sent what it asked for."""
        for watch in outbox.live:
            if watch.channel is not None:
                watch.channel.settle(watch)

    def _open(self, channel: Channel) -> None:
        for place in channel.places:
            name = place[0]
            if place[1:] == (None, None):
                self._wide.setdefault(name, {})[channel] = None
            else:
                self._index.setdefault(place, {})[channel] = None
                self._narrow[name] = self._narrow.get(name, 0) + 1
            subscription, users = self._heard.get(name) or (
                self._bus.subscribe([name], self._received.append),
                0,
            )
            self._heard[name] = (subscription, users + 1)

    def _close(self, channel: Channel) -> None:
        for place in channel.places:
            name = place[0]
            if place[1:] == (None, None):
                _take_out(self._wide, name, channel)
            else:
                _take_out(self._index, place, channel)
                self._narrow[name] -= 1
                if not self._narrow[name]:
                    del self._narrow[name]
            subscription, users = self._heard.pop(name)
            if users == 1:
                subscription.close()
            else:
                self._heard[name] = (subscription, users - 1)

    # --- events ----------------------------------------------------------------------------------

    def flush(self) -> None:
        """Send what the loop's turn has brought. All of it is in the journal."""
        late: Late = {}
        for channel in self._distribute():
            channel.flush(late)
        for outbox, events in late.items():
            # Of several subscriptions, in the one order: a job must not end before it was begun.
            if len(outbox.live) > 1:
                events.sort(key=lambda one: one[0].sequence)
            for published, watch in events:
                watch.take(published)
            outbox.flush()

    def _distribute(self) -> list[Channel]:
        """Put what was received where it is wanted: the channels that have something to send."""
        received = self._received.copy()
        self._received.clear()
        kind: type[Event] | None = None
        channels: tuple[Channel, ...] = ()
        dirty: list[Channel] = []
        for published in received:
            if type(published.event) is not kind:  # most are of the same as the one before
                kind = type(published.event)
                name = kind.__name__
                wide = channels = tuple(self._wide.get(name, ()))
                narrow = name in self._narrow
            if narrow:
                channels = (*wide, *self._narrowed(name, published))
            for channel in channels:
                if channel.more is None or _lets_pass(channel.more, published):
                    if not channel.events:
                        dirty.append(channel)
                    channel.events.append(published)
        return dirty

    def _narrowed(self, name: str, published: Published) -> Iterator[Channel]:
        index, scope = self._index, published.scope
        library, job = scope.library_id, scope.job_id
        if library is not None:
            yield from index.get((name, library, None), ())
        if job is not None:
            yield from index.get((name, None, job), ())
            if library is not None:
                yield from index.get((name, library, job), ())

    # --- room ------------------------------------------------------------------------------------

    def fell_behind(self, outbox: Outbox) -> None:
        """The client does not read as fast as it is sent to."""
        self._settle(outbox)
        self._behind[outbox] = time.monotonic()
        self._room.clear()

    def caught_up(self, outbox: Outbox) -> None:
        """It does, or it is gone."""
        self._settle(outbox)
        if self._behind.pop(outbox, None) is not None and not self._behind:
            self._room.set()

    async def room(self) -> None:
        """Return when everybody who reads at all has little waiting.

        One that has not read for a while does not count, until it has caught up.
        """
        await asyncio.sleep(0)  # the turn ends, and what it has brought is sent
        if not self._behind:
            return
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._room.wait()
        except TimeoutError:
            now = time.monotonic()
            for outbox, since in tuple(self._behind.items()):
                if now - since >= PATIENCE_S:
                    self.caught_up(outbox)


def _lets_pass(more: EventFilter, published: Published) -> bool:
    try:
        return lets_pass(more, published.scope, published.event)
    except Exception as error:  # one that cannot be compared keeps nobody from the others
        log.error("an event was not compared", error=error, event=published.name)
        return False


def _take_out(index: dict[K, dict[Channel, None]], place: K, channel: Channel) -> None:
    del index[place][channel]
    if not index[place]:
        del index[place]
