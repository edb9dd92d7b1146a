"""Typed publish and subscribe inside one core.

The order is one for everybody: an event has a sequence number, and every subscriber sees the
events it asked for in that order, each once. Publishing calls the subscribers at once and in the
loop's thread; a subscriber only takes note and never waits, so nobody can hold up anybody. What a
slow client causes is decided where its bytes are written, not here.

When the loop's turn ends, what it has published goes to the journal, and only then to clients. So
nobody has seen what is not kept. Kept is every event but the transient: steps that the next one
replaces, and records of the log.

An event of a type that nobody asked for and that is not kept costs one look-up. Events that are
only `asked_for` (`JobUpdate`, `LogMessage`) never reach a subscriber that did not name them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol
from uuid import UUID, uuid4

import msgspec

from sd_daemon.core.log import get_log
from sd_wire.event_text import facts_text, text_of
from sd_wire.events import EVENTS, Event, Scope, library_of, scope_of

if TYPE_CHECKING:
    from sd_daemon.core.event_journal import EventJournal

log = get_log(__name__)

TURN_BYTES = 256 * 1024  # of events that wait for the end of a turn


class Published(msgspec.Struct, gc=False):
    """An event with its place in the one order. What not everybody wants of it is made once, when
    somebody does."""

    sequence: int
    time: datetime
    event: Event
    text: bytes  # the event as JSON
    device_id: UUID | None = None  # of this machine
    correlation_id: str | None = None
    transient: bool = False
    initial: bool = False  # it tells the state, and is no change
    made_scope: Scope | None = None
    made_facts: bytes = b""

    @property
    def name(self) -> str:
        """The name of the event."""
        return type(self.event).__name__

    @property
    def scope(self) -> Scope:
        """What filters compare."""
        if self.made_scope is None:
            self.made_scope = scope_of(self.event)
        return self.made_scope

    @property
    def facts(self) -> bytes:
        """What stands beside it, as JSON."""
        if not self.made_facts:  # without the scope, which takes longer than all of it
            self.made_facts = facts_text(
                self.sequence,
                self.time,
                library_of(self.event),
                getattr(self.event, "device_id", None) or self.device_id,
                self.correlation_id,
                initial=self.initial,
            )
        return self.made_facts


Receive = Callable[[Published], None]

_KNOWN_TO_ALL = frozenset(name for name, cls in EVENTS.items() if not cls.asked_for)


class Delivery(Protocol):
    """Whoever brings events to clients."""

    def flush(self) -> None:
        """Send what was received. All of it is in the journal."""

    async def room(self) -> None:
        """Return when nobody who reads is behind."""


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

    def __init__(self, journal: EventJournal | None = None, device_id: UUID | None = None) -> None:
        """Without a journal nothing is kept, and numbers begin anew."""
        self.journal = journal
        self.stream = uuid4() if journal is None else journal.stream
        self.sequence = 0 if journal is None else journal.sequence
        self.kept = self.sequence  # number of the last event that was not transient
        self.delivered = self.sequence  # of the last that has left for clients
        self.device_id = device_id
        self._receivers: dict[str, tuple[Subscription, ...]] = {}
        self._delivery: Delivery | None = None
        self._ending = False  # the end of the turn is seen to
        self._closed = False

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

    def deliver_by(self, delivery: Delivery) -> None:
        """Say who brings events to clients."""
        self._delivery = delivery

    def wanted(self, event: type[Event]) -> bool:
        """Whether anybody would receive such an event now."""
        return event.__name__ in self._receivers

    def publish(
        self, event: Event, correlation_id: str | None = None, *, transient: bool = False
    ) -> None:
        """Give an event its number and hand it to everybody who asked for its type.

        `transient`: not worth keeping for those who are away now.
        """
        if self._closed:
            return
        self.sequence = sequence = self.sequence + 1
        journal = self.journal
        if journal is not None and sequence > journal.limit:
            journal.reserve(sequence)
            self._end_soon()
        receivers = self._receivers.get(type(event).__name__, ())
        if not receivers and (transient or journal is None):
            return
        try:
            text = text_of(event)
        except (TypeError, ValueError) as error:  # what an encoder says to a value it can't
            log.error("an event could not be sent", error=error, event=type(event).__name__)
            return
        published = Published(
            sequence, datetime.now(UTC), event, text, self.device_id, correlation_id, transient
        )
        if not transient:
            self._keep(journal, published)
        for subscription in receivers:
            try:
                subscription.receive(published)
            except Exception as error:  # what has happened has happened, whoever cannot hear of it
                log.error("an event was not received", error=error, event=published.name)
        if not self._ending and (journal is not None or self._delivery is not None):
            self._end_soon()

    def flush(self) -> None:
        """End the turn: keep what it has brought, then have it delivered."""
        self._ending = False
        if self.journal is not None:
            self.journal.write()
        sequence = self.sequence
        if self._delivery is not None:
            self._delivery.flush()
        self.delivered = sequence

    async def room(self) -> None:
        """Return when there is room for more, for whoever publishes much and can wait."""
        if self._delivery is not None:
            await self._delivery.room()

    def close(self) -> None:
        """What is published from here on is said to nobody."""
        self.flush()
        self._closed = True

    def _end_soon(self) -> None:
        self._ending = True
        asyncio.get_running_loop().call_soon(self.flush)

    def _keep(self, journal: EventJournal | None, published: Published) -> None:
        self.kept = published.sequence
        if journal is not None:
            journal.add(published.sequence, published.facts, published.text)
            if journal.size > TURN_BYTES:
                self.flush()
