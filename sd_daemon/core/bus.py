"""Typed publish and subscribe inside one core.

The order is one for everybody: an event has a sequence number, and every subscriber sees the
events it asked for in that order, each once. Publishing calls the subscribers at once and in the
loop's thread; a subscriber only takes note and never waits, so nobody can hold up anybody. What a
slow client causes is decided where its bytes are written, not here.

An event of a type that nobody asked for costs one look-up. Events that are only `asked_for`
(`JobUpdate`, `LogMessage`) never reach a subscriber that did not name them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from uuid import uuid4

import msgspec

from sd_daemon.core.log import get_log
from sd_wire.events import EVENTS, Event, Scope, scope_of

log = get_log(__name__)


class Published(msgspec.Struct):
    """An event with its place in the one order."""

    sequence: int
    time: datetime
    event: Event
    scope: Scope
    correlation_id: str | None = None


Receive = Callable[[Published], None]

_KNOWN_TO_ALL = frozenset(name for name, cls in EVENTS.items() if not cls.asked_for)


class Subscription:
    """One receiver's interest. Ends with `close`; closing again does nothing."""

    __slots__ = ("_bus", "names", "receive")

    def __init__(self, bus: Bus, names: frozenset[str], receive: Receive) -> None:
        self._bus = bus
        self.names = names
        self.receive = receive

    def close(self) -> None:
        """Receive nothing more."""
        self._bus.forget(self)


class Bus:
    """The events of one core."""

    def __init__(self) -> None:
        self.sequence = 0
        self.stream = uuid4()
        self._receivers: dict[str, tuple[Subscription, ...]] = {}

    def subscribe(self, names: Iterable[str], receive: Receive) -> Subscription:
        """Call `receive` with every event of these names from now on; no names: the usual ones.

        Names that no event has are allowed and never come.
        """
        wanted = frozenset(names) or _KNOWN_TO_ALL
        subscription = Subscription(self, wanted, receive)
        for name in wanted:
            self._receivers[name] = (*self._receivers.get(name, ()), subscription)
        return subscription

    def forget(self, subscription: Subscription) -> None:
        """End a subscription."""
        for name in subscription.names:
            left = tuple(s for s in self._receivers.get(name, ()) if s is not subscription)
            if left:
                self._receivers[name] = left
            else:
                self._receivers.pop(name, None)

    def wanted(self, event: type[Event]) -> bool:
        """Whether anybody would receive such an event now."""
        return event.__name__ in self._receivers

    def publish(self, event: Event, correlation_id: str | None = None) -> None:
        """Give an event its number and hand it to everybody who asked for its type."""
        self.sequence += 1
        receivers = self._receivers.get(type(event).__name__)
        if not receivers:
            return
        published = Published(
            self.sequence, datetime.now(UTC), event, scope_of(event), correlation_id
        )
        for subscription in receivers:
            try:
                subscription.receive(published)
            except Exception as error:  # what happened has happened, whoever cannot hear of it
                log.error("an event was not received", error=error, event=type(event).__name__)
