"""One subscription to events, on this side.

Two forms of an event leave from here. Existing clients get exactly `{"Event": ...}`. A subscription
with an id also gets that, the sequence number, the time, the library, the device and the cause.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from sd_daemon.server.filters import has_more, is_wanted, job_of
from sd_wire.event_text import event_in, forms_for, name_in
from sd_wire.events import EVENTS, scope_of
from sd_wire.messages import CaughtUp, EventFilter, Lagged, Subscribe

if TYPE_CHECKING:
    from sd_daemon.core.bus import Published
    from sd_daemon.core.event_segments import Kept
    from sd_daemon.server.channel import Channel
    from sd_daemon.server.outbox import Key, Outbox
    from sd_wire.encoding import Encoding
    from sd_wire.messages import Id

Place = tuple[str, UUID | None, str | None]
"""Where a subscription lies in the index: event name, library or any, job or any."""

Interest = tuple[object, ...]
"""What two subscriptions have in common that get the same bytes."""

_USUAL = tuple(name for name, cls in EVENTS.items() if not cls.asked_for)
_ANYTHING = EventFilter()


class EventWatch:
    """A subscription to events. What it asks for, its id and `sent` are all that there is to know
    of it."""

    __slots__ = (
        "_key",
        "channel",
        "encoding",
        "forms",
        "missed",
        "names",
        "outbox",
        "request",
        "request_id",
        "sent",
    )

    def __init__(
        self, outbox: Outbox, encoding: Encoding, request_id: Id, request: Subscribe
    ) -> None:
        self.outbox = outbox
        self.encoding = encoding
        self.forms = forms_for(encoding)
        self.request_id = request_id
        self.request = request
        self.channel: Channel | None = None  # while it is live
        self.missed = 0
        self.sent = 0  # number of the last event that was sent, or need not be
        self._key = b"" if request_id is msgspec.UNSET else self.forms.key(request_id)
        asked = request.event_types or _USUAL
        # A name that no event has is allowed, and never comes.
        self.names = tuple(name for name in dict.fromkeys(asked) if name in EVENTS)

    @property
    def wanted(self) -> EventFilter:
        """Which of the events of these names."""
        return self.request.filter or _ANYTHING

    @property
    def more(self) -> EventFilter | None:
        """The filter, where it compares more than what the index is by."""
        wanted = self.wanted
        return wanted if has_more(wanted) else None

    @property
    def interest(self) -> Interest:
        """Equal for subscriptions that get the same bytes."""
        wanted = b"" if self.request.filter is None else msgspec.json.encode(self.request.filter)
        return (self.encoding.name, self._key, self.names, wanted)

    @property
    def places(self) -> tuple[Place, ...]:
        """Where it lies in the index."""
        wanted = self.wanted
        job = job_of(wanted)
        return tuple((name, wanted.library_id, job) for name in self.names)

    def line(self, published: Published) -> bytes:
        """An event in the form that this subscription understands."""
        if self._key:
            return self.forms.full(published.text, published.facts, self._key)
        return self.forms.plain(published.text)

    def block(self, events: list[Published]) -> bytes:
        """The same of many."""
        if self._key:
            return self.forms.full_block([(e.text, e.facts) for e in events], self._key)
        return self.forms.plain_block([e.text for e in events])

    def line_of_kept(self, kept: Kept) -> bytes:
        """The same bytes, of an event that the journal has; none where it is not wanted."""
        if name_in(kept.text) not in self.names:
            return b""
        if self.request.filter is not None:
            happened = event_in(kept.text, kept.library_id)
            if not is_wanted(self.request.filter, scope_of(happened), happened):
                return b""
        if self._key:
            return self.forms.full(kept.text, kept.facts, self._key)
        return self.forms.plain(kept.text)

    def take(self, published: Published) -> None:
        """Put an event where it waits for a client that is behind."""
        if self.outbox.put(self, self.line(published), self._replaces(published)):
            self.sent = published.sequence

    def gap(self) -> bytes | None:
        """What tells a client that it missed events, if it has a name for this subscription."""
        if not self._key:
            return None
        return self.encoding.word("Lagged", self.request_id, Lagged(self.missed, self.sent))

    def lagged(self, missed: int, after: int) -> bytes:
        """What tells of events that are gone before they could be sent."""
        if not self._key:
            return b""
        return self.encoding.word("Lagged", self.request_id, Lagged(missed, after))

    def caught_up(self, sequence: int) -> bytes:
        """What tells that the history or the state is told, where that can be told."""
        if not self._key:
            return b""
        return self.encoding.word("CaughtUp", self.request_id, CaughtUp(sequence))

    def _replaces(self, published: Published) -> Key | None:
        """Of progress only the latest matters to somebody who is behind."""
        job = published.scope.job_id
        if not published.transient or job is None or published.name == "LogMessage":
            return None
        return (self, published.name, job)
