"""Subscriptions that get the same bytes.

An event costs one append for all of them. When the loop's turn ends, what it has brought is joined
once, and the very same bytes are given to every client that reads. Only for those that do not, the
events are put one by one into their outboxes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sd_daemon.server.filters import lets_pass

if TYPE_CHECKING:
    from sd_daemon.core.bus import Published
    from sd_daemon.server.outbox import Outbox
    from sd_daemon.server.watch import EventWatch

BLOCK = 256 * 1024  # bytes that are given to a client at once, at most

Late = dict["Outbox", list[tuple["Published", "EventWatch", bytes]]]
"""What has to be put into outboxes, by these."""


class Channel:
    """Subscriptions of one interest, and what they have not been sent yet."""

    __slots__ = ("_events", "_lines", "_more", "interest", "members", "places", "size")

    def __init__(self, first: EventWatch) -> None:
        self.interest = first.interest
        self.places = first.places
        self.members: dict[EventWatch, None] = {}
        self.size = 0  # bytes that wait for the end of the turn
        self._more = first.more
        self._lines: list[bytes] = []
        self._events: list[Published] = []

    def offer(self, published: Published) -> None:
        """Take an event of a place this lies in, if the rest of the filter lets it pass."""
        if self._more is not None and not lets_pass(self._more, published.scope, published.event):
            return
        line = next(iter(self.members)).line(published)
        self._lines.append(line)
        self._events.append(published)
        self.size += len(line)

    def flush(self, late: Late) -> None:
        """Give everybody what the turn has brought. Who cannot be given it now is named in
        `late`."""
        lines, self._lines = self._lines, []
        events, self._events = self._events, []
        size, self.size = self.size, 0
        if not lines:
            return
        last = events[-1].sequence
        block = lines[0] if len(lines) == 1 else b"".join(lines)
        for watch in self.members:
            outbox = watch.outbox
            if outbox.open and outbox.sharers == 1 and size <= BLOCK:
                outbox.write(block)
                watch.sent = last
            else:
                waiting = late.setdefault(outbox, [])
                waiting.extend((one, watch, line) for one, line in zip(events, lines, strict=True))
