"""Subscriptions that get the same bytes.

An event costs one append for all of them. When the loop's turn ends, what it has brought is joined
once, and the very same bytes are given to every client that reads. Only for those that do not, the
events are put one by one into their outboxes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sd_daemon.core.bus import Published
    from sd_daemon.server.outbox import Outbox
    from sd_daemon.server.watch import EventWatch

BLOCK = 256 * 1024  # bytes that are given to a client at once, at most

Late = dict["Outbox", list[tuple["Published", "EventWatch"]]]
"""What has to be put into outboxes, by these."""


class Channel:
    """Subscriptions of one interest, and what they have not been sent yet."""

    __slots__ = ("events", "interest", "members", "more", "places")

    def __init__(self, first: EventWatch) -> None:
        self.interest = first.interest
        self.places = first.places
        self.members: dict[EventWatch, None] = {}
        self.events: list[Published] = []  # that wait for the end of the turn
        self.more = first.more  # what the index does not compare

    def flush(self, late: Late) -> None:
        """Give everybody what the turn has brought. Who cannot be given it now is named in
        `late`."""
        events, self.events = self.events, []
        last = events[-1].sequence
        block = next(iter(self.members)).block(events)
        small = len(block) <= BLOCK
        for watch in self.members:
            outbox = watch.outbox
            if outbox.open and outbox.sharers == 1 and small:
                outbox.write(block)
                watch.sent = last
            else:
                late.setdefault(outbox, []).extend((one, watch) for one in events)
