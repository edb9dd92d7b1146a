"""From the bus of a core to the outboxes of its clients.

An event is encoded once, however many get it. Subscriptions are not asked one by one whether they
want it: they lie in an index by (event, library, job), and an event looks at the at most four
places where those who want it can be. What a turn of the loop produced leaves in one write per
client when the turn ends, so that an event alone is not delayed and a thousand cost as one.

Two forms of an event leave from here. Existing clients get exactly `{"Event": ...}`. A subscription
with an id also gets that, the sequence number, the time, the library and the cause.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from sd_daemon.core.log import get_log
from sd_daemon.server.filters import has_more, lets_pass, lets_record_pass
from sd_wire.encoding import JSON
from sd_wire.events import EVENTS, LogMessage, body
from sd_wire.messages import EventFilter, LogFilter, Subscribe, SubscribeLogs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sd_daemon.core.bus import Bus, Published, Subscription
    from sd_daemon.server.outbox import Key, Outbox
    from sd_wire.messages import Id

log = get_log(__name__)

Place = tuple[str, UUID | None, str | None]
"""Where a subscription lies in the index: event name, library or any, job or any."""

_USUAL = tuple(name for name, cls in EVENTS.items() if not cls.asked_for)


class Encoded:
    """An event on its way out: encoded when the first one wants it, and once for each form."""

    __slots__ = ("_head", "_plain", "_tail", "published")

    def __init__(self, published: Published) -> None:
        self.published = published
        self._plain: bytes | None = None
        self._head: bytes = b""
        self._tail: bytes | None = None

    def plain(self) -> bytes:
        """As existing clients know it."""
        if self._plain is None:
            self._plain = JSON.frame({"Event": body(self.published.event)})
        return self._plain

    def full(self, request_id: bytes) -> bytes:
        """With the subscription's id, the number, the time, the library and the cause."""
        if self._tail is None:
            known = self.published
            self._head = self.plain()[:-2] + b',"id":'
            facts: dict[str, Any] = {"sequence": known.sequence, "time": known.time}
            facts["library_id"] = known.scope.library_id
            facts["correlation_id"] = known.correlation_id
            self._tail = b"," + JSON.frame(facts)[1:]
        return self._head + request_id + self._tail


class Watch:
    """One subscription of one client."""

    __slots__ = ("_id", "_wanted", "missed", "names", "outbox", "places")

    def __init__(self, outbox: Outbox, request_id: Id, wanted: EventFilter | LogFilter) -> None:
        self.outbox = outbox
        self.missed = 0
        self._id = None if request_id is msgspec.UNSET else JSON.frame(request_id)[:-1]
        self._wanted = wanted
        self.names: tuple[str, ...] = ()
        self.places: tuple[Place, ...] = ()

    def gap(self) -> bytes | None:
        """What tells a client that it missed events, if it has a name for this subscription."""
        if self._id is None:
            return None
        return b'{"Lagged":{"missed":%d},"id":%b}\n' % (self.missed, self._id)

    def covers(self, names: tuple[str, ...]) -> None:
        """Say which events this is about."""
        job = self._wanted.job_id
        job = None if job is None else job.lower()
        self.names = names
        self.places = tuple((name, self._wanted.library_id, job) for name in names)

    def offer(self, encoded: Encoded) -> None:
        """Take an event of a place this lies in, if the rest of the filter lets it pass."""
        raise NotImplementedError


class EventWatch(Watch):
    """A subscription to events."""

    __slots__ = ("_more",)

    def __init__(self, outbox: Outbox, request_id: Id, request: Subscribe) -> None:
        wanted = request.filter or EventFilter()
        super().__init__(outbox, request_id, wanted)
        self._more = wanted if has_more(wanted) else None
        asked = request.event_types or _USUAL
        # A name that no event has is allowed, and never comes.
        self.covers(tuple(name for name in dict.fromkeys(asked) if name in EVENTS))

    def offer(self, encoded: Encoded) -> None:
        """Send it on in the form that this subscription understands."""
        known = encoded.published
        if self._more is not None and not lets_pass(self._more, known.scope, known.event):
            return
        data = encoded.plain() if self._id is None else encoded.full(self._id)
        self.outbox.put(self, data, self._key(known))

    def _key(self, known: Published) -> Key | None:
        """Of progress only the latest matters to somebody who is behind."""
        event = known.event
        if not event.noisy or isinstance(event, LogMessage):
            return None
        return (self, type(event), known.scope.job_id)


class LogWatch(Watch):
    """A subscription to log records."""

    __slots__ = ("_records",)

    def __init__(self, outbox: Outbox, request_id: Id, request: SubscribeLogs) -> None:
        self._records = request.filter or LogFilter()
        super().__init__(outbox, request_id, self._records)
        self.covers((LogMessage.__name__,))

    def offer(self, encoded: Encoded) -> None:
        """Send a record as the line that existing clients know, with the id where there is one."""
        record = encoded.published.event
        if not isinstance(record, LogMessage) or not lets_record_pass(self._records, record):
            return
        data = JSON.frame({"LogMessage": record})
        if self._id is not None:
            data = data[:-2] + b',"id":' + self._id + b"}\n"
        self.outbox.put(self, data)


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
