"""Subscriptions that get the same bytes.

An event costs one append for all of them. When the loop's turn ends, what it has brought is joined
once, and the very same bytes are given to every client that reads. Only for those that do not, the
events are put one by one into their outboxes.

Nearly all clients read, and have this one subscription. Their sockets are written to without a
detour: what a thousand clients cost is less what is done for each than the memory that is touched
for it, and so their descriptors stand here side by side. The socket of a client is only among them
while nothing waits in its transport, which says when that ends.
"""

from __future__ import annotations

from os import write
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sd_daemon.core.bus import Published
    from sd_daemon.server.outbox import Outbox
    from sd_daemon.server.watch import EventWatch

BLOCK = 256 * 1024  # bytes that are given to a client at once, at most

Late = dict["Outbox", list[tuple["Published", "EventWatch"]]]
"""What has to be put into outboxes, by these."""


class Channel:
    """Subscriptions of one interest, and what they have not been sent yet."""

    __slots__ = ("_direct", "_others", "_sent", "events", "interest", "more", "places")

    def __init__(self, first: EventWatch) -> None:
        self.interest = first.interest
        self.places = first.places
        self.events: list[Published] = []  # that wait for the end of the turn
        self.more = first.more  # what the index does not compare
        self._direct: dict[int, EventWatch] = {}  # by the descriptors that are written to
        self._others: dict[EventWatch, None] = {}
        self._sent = 0  # number of the last event that those have been sent

    def __len__(self) -> int:
        """How many subscriptions."""
        return len(self._direct) + len(self._others)

    def __iter__(self) -> Iterator[EventWatch]:
        yield from self._direct.values()
        yield from self._others

    def settle(self, watch: EventWatch) -> None:
        """Keep a subscription where it belongs, now that something about its client has changed."""
        outbox = watch.outbox
        if outbox.direct:
            self._others.pop(watch, None)
            self._direct[outbox.descriptor] = watch
        elif watch not in self._others:
            self.leave(watch)
            self._others[watch] = None

    def leave(self, watch: EventWatch) -> None:
        """Forget a subscription."""
        if self._direct.get(watch.outbox.descriptor) is watch:
            del self._direct[watch.outbox.descriptor]
            watch.sent = max(watch.sent, self._sent)
        self._others.pop(watch, None)

    def flush(self, late: Late) -> None:
        """Give everybody what the turn has brought. Who cannot be given it now is named in
        `late`."""
        events, self.events = self.events, []
        last = events[-1].sequence
        block = next(iter(self)).block(events)
        small = len(block) <= BLOCK
        others = tuple(self._others if small else self)  # before those join that do not read all
        if small and self._direct:
            self._sent = last
            self._write(block)
        for watch in others:
            outbox = watch.outbox
            if small and outbox.open and len(outbox.live) == 1:
                outbox.write(block)
                watch.sent = last
            else:
                late.setdefault(outbox, []).extend((one, watch) for one in events)

    def _write(self, block: bytes) -> None:
        """To all sockets. What one does not take is for its transport: the rest, and the error."""
        size = len(block)
        short: list[tuple[int, int]] = []
        for descriptor in self._direct:
            try:
                sent = write(descriptor, block)
            except OSError:
                sent = 0
            if sent != size:
                short.append((descriptor, sent))
        for descriptor, sent in short:
            self._direct[descriptor].outbox.write(block[sent:])
