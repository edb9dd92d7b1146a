"""From the bus of a core to the outboxes of its clients.

An event is encoded once, however many get it. Subscriptions are not asked one by one whether they
want it: they lie in an index by (event, library, job), and an event looks at the at most four
places where those who want it can be. What a turn of the loop produced leaves in one write per
client when the turn ends, so that an event alone is not delayed and a thousand cost as one.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sd_daemon.core.log import get_log
from sd_daemon.server.watch import Encoded, Watch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sd_daemon.core.bus import Bus, Published, Subscription
    from sd_daemon.server.outbox import Outbox
    from sd_daemon.server.watch import Place

log = get_log(__name__)


class Fanout:
    """All subscriptions of all clients of one core."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._index: dict[Place, dict[Watch, None]] = {}
        self._heard: dict[str, tuple[Subscription, int]] = {}  # on the bus, with how many need it
        self._dirty: dict[Outbox, None] = {}

    def add(self, watch: Watch) -> None:
        """Deliver to `watch` from now on."""
        for place in watch.places:
            self._index.setdefault(place, {})[watch] = None
        for name in watch.names:
            subscription, users = self._heard.get(name) or (
                self._bus.subscribe([name], self._receive),
                0,
            )
            self._heard[name] = (subscription, users + 1)

    def remove(self, watch: Watch) -> None:
        """Deliver nothing more to it. What waits in its outbox is still sent."""
        for place in watch.places:
            watches = self._index[place]
            del watches[watch]
            if not watches:
                del self._index[place]
        for name in watch.names:
            subscription, users = self._heard.pop(name)
            if users == 1:
                subscription.close()
            else:
                self._heard[name] = (subscription, users - 1)
        watch.outbox.forget(watch)

    def flush(self) -> None:
        """Write what the loop's turn has brought."""
        dirty, self._dirty = self._dirty, {}
        for outbox in dirty:
            outbox.flush()

    def _receive(self, published: Published) -> None:
        encoded = Encoded(published)
        for watch in tuple(self._interested(published)):
            try:
                watch.offer(encoded)
            except (TypeError, ValueError) as error:  # what an encoder says to a value it can't
                log.error("an event could not be sent", error=error, event=_name_of(published))
                return
            if not self._dirty:
                asyncio.get_running_loop().call_soon(self.flush)
            self._dirty[watch.outbox] = None

    def _interested(self, published: Published) -> Iterator[Watch]:
        name, scope = _name_of(published), published.scope
        index, library, job = self._index, scope.library_id, scope.job_id
        yield from index.get((name, None, None), ())
        if library is not None:
            yield from index.get((name, library, None), ())
        if job is not None:
            yield from index.get((name, None, job), ())
            if library is not None:
                yield from index.get((name, library, job), ())


def _name_of(published: Published) -> str:
    return type(published.event).__name__
