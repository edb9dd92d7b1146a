"""What a subscription to events is on this side, and what an event is on its way to it.

Two forms of an event leave from here. Existing clients get exactly `{"Event": ...}`. A subscription
with an id also gets that, the sequence number, the time, the library and the cause.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

import msgspec

from sd_daemon.server.filters import has_more, lets_pass
from sd_wire.encoding import JSON
from sd_wire.events import EVENTS, LogMessage, body
from sd_wire.messages import EventFilter, LogFilter, Subscribe

if TYPE_CHECKING:
    from sd_daemon.core.bus import Published
    from sd_daemon.server.outbox import Key, Outbox
    from sd_wire.messages import Id

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
