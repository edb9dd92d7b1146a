"""Connections that outlive the process, be it restarted, crashed or killed.

A service manager that keeps descriptors has one of each connection from soon after it was made, and
the ledger (`sd_daemon.server.ledger`) says at any instant what is sure of it. What is not said by
the end of a process cannot be said any more, so nothing here waits for that end: an orderly stop
only settles what is still in doubt.

A read puts a connection in doubt, and its answer ends the doubt, where it can be given at once and
the kernel takes all of it. (So the transport must not put anything off: it has no buffer of its own
as long as the kernel has room.) A turn's events put those in doubt that they are sent to, until all
of them are sent and the position is written down. Where a request is still being worked on, or the
client does not read, a timer looks again, less and less often.

A connection that the manager has, too, does not end when we close our descriptor. So it is shut
down, which its client sees at once, and the manager is told to forget it.
"""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol, cast

from sd_daemon.core.log import get_log
from sd_daemon.server.handover import KeptConnection, encoded
from sd_daemon.server.ledger import IN_DOUBT, SURE, Ledger
from sd_daemon.server.log_feed import microseconds
from sd_daemon.server.outbox import Outbox
from sd_daemon.server.session import Session
from sd_wire.connection import State
from sd_wire.reading import Rejected, Request, written

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sd_daemon.core.bus import Bus
    from sd_daemon.server.fanout import Fanout
    from sd_daemon.server.instance import Instance
    from sd_daemon.server.ledger import Place, Position
    from sd_wire.messages import Id

log = get_log(__name__)

NEW_FOR = 0.25  # seconds; most connections are over before, and need not be kept by anybody
SOON = 0.01  # seconds until one that stays in doubt is looked at again; then twice as long,
LATE = 2.0  # and never longer
PART_LIMIT = 4096  # bytes of a request in part that are written down while the client goes on
READ_BYTES = 256 * 1024


class Store(Protocol):
    """Whoever keeps descriptors from one process to the next."""

    def keep(self, name: str, descriptors: Sequence[int]) -> None:
        """Hold these until their other end is closed."""

    def forget(self, name: str) -> None:
        """Hold those of this name no longer."""


class Keeper:
    """The connections of one process, as the next one would find them."""

    def __init__(self, ledger: Ledger, store: Store, first: int = 0) -> None:
        """`first`: a number from which on no connection is named yet."""
        self.ledger = ledger
        self.room = bytearray(READ_BYTES)  # one for all: what is read is taken out at once
        self.delivering = False  # the events of a turn
        self.written: list[KeptSession] = []  # those that were sent some
        self._begun = False
        self._store = store
        self._number = first
        self._loop = asyncio.get_running_loop()
        self._places: dict[Instance, Place] = {}
        self._doubtful: dict[KeptSession, None] = {}
        self._pause = SOON
        self._timer: asyncio.TimerHandle | None = None
        self._newcomers: dict[KeptSession, None] = {}
        self._waiting: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """All connections that were left are served again. Before that no position is written
        down: it would be wrong for those who are not here yet."""
        self._begun = True
        for instance in self._places:
            if instance.ready:
                self.open(instance)

    # --- instances -------------------------------------------------------------------------------

    def follow(self, instance: Instance) -> bool:
        """Write down how far its clients are served; False where there is no room for that."""
        place = self.ledger.place(instance.settings.name)
        if place is not None:
            self._places[instance] = place
        return place is not None

    def left_off(self, instance: Instance) -> Position:
        """How far they were served before the instance was opened."""
        return self._places[instance].position

    def open(self, instance: Instance) -> None:
        """Its core is open, and all who were here are in doubt until they have caught up."""
        if self._begun and not isinstance(instance.core.bus.delivery, KeptDelivery):
            bus = instance.core.bus
            bus.flush()
            bus.deliver_by(KeptDelivery(self, instance.fanout, bus, self._places[instance]))
            self._places[instance].tell(bus.sequence, instance.logs.told)

    def leave_position(self, instance: Instance) -> None:
        """Its core is closed: everything that has happened was told."""
        place = self._places.pop(instance, None)
        if place is not None:
            place.tell(instance.core.bus.sequence, microseconds(datetime.now(UTC)))

    # --- connections -----------------------------------------------------------------------------

    def meet(self, session: KeptSession) -> None:
        """A connection was made: keep it when it has lasted for a while."""
        self._newcomers[session] = None
        if self._waiting is None:
            self._waiting = self._loop.call_later(NEW_FOR, self._keep_newcomers)

    def keep(self, session: KeptSession) -> bool:
        """Give it to the manager, too; False where that has enough already."""
        self._newcomers.pop(session, None)
        if session.slot is None:
            session.slot = self.ledger.begin()
            if session.slot is None:
                return False
            self._number += 1
            session.name = f"connection-{self._number}"
            self._store.keep(session.name, [session.descriptor])
            self.doubt(session)
        return True

    def lose(self, session: KeptSession) -> None:
        """It has ended, or is the next process's now; its descriptor is still open."""
        self._newcomers.pop(session, None)
        self._doubtful.pop(session, None)
        if session.slot is not None and not session.left:
            _shut_down(session.descriptor)
            self._store.forget(session.name)
            self.ledger.end(session.slot)
        session.slot = None

    def close(self) -> None:
        """Look at nothing any more."""
        for timer in (self._timer, self._waiting):
            if timer is not None:
                timer.cancel()

    def _keep_newcomers(self) -> None:
        self._waiting = None
        for session in tuple(self._newcomers):
            self.keep(session)

    # --- doubt -----------------------------------------------------------------------------------

    def doubt(self, session: KeptSession) -> None:
        """Look at it before long, unless its doubt ends before."""
        self._doubtful[session] = None
        if self._timer is None or self._pause > SOON:
            self._look_in(SOON)

    def trust(self, session: KeptSession) -> None:
        """Its doubt has ended."""
        self._doubtful.pop(session, None)

    def _look_in(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._pause = seconds
        self._timer = self._loop.call_later(seconds, self._look)

    def _look(self) -> None:
        self._timer = None
        if self._begun:
            for instance, place in self._places.items():
                if instance.ready:
                    place.tell(place.position.event, instance.logs.told)
        for session in tuple(self._doubtful):
            session.settle()
        if self._doubtful:
            self._look_in(min(2 * self._pause, LATE))


class KeptDelivery:
    """The fan-out of an instance whose position is written down."""

    def __init__(self, keeper: Keeper, fanout: Fanout, bus: Bus, place: Place) -> None:
        self._keeper = keeper
        self._fanout = fanout
        self._bus = bus
        self._place = place

    def flush(self) -> None:
        """Send what was received. Who was sent something is sure again when it is written down."""
        keeper, sequence = self._keeper, self._bus.sequence
        keeper.delivering = True
        self._fanout.flush()
        keeper.delivering = False
        self._place.tell(sequence)
        written, keeper.written = keeper.written, []
        for session in written:
            session.settle()

    async def room(self) -> None:
        """Return when nobody who reads is behind."""
        await self._fanout.room()


class KeptSession(Session):
    """A connection that the service manager has, too.

    It reads into memory of its own kind, because only so it hears before something is read.
    """

    __slots__ = ("_described", "_keeper", "left", "name", "slot")

    def __init__(
        self,
        instance: Instance,
        keeper: Keeper,
        kept: KeptConnection | None = None,
        slot: int | None = None,
    ) -> None:
        """`kept`, `slot`: what the process before has left of it."""
        super().__init__(instance, kept)
        self._keeper = keeper
        self._described: tuple[object, ...] | None = None  # what stands in the ledger
        self.slot = slot
        self.name = "" if kept is None else kept.name
        self.left = False  # to the next process

    # --- what the event loop calls ---------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there, or still is."""
        cast("asyncio.Transport", transport).set_write_buffer_limits(0)
        if self._kept is not None and self._kept.unread:
            self._doubt()  # or else it would be answered again after a kill
        super().connection_made(transport)
        if self.slot is None and not transport.is_closing() and not self.is_own:
            self._keeper.meet(self)

    def get_buffer(self, sizehint: int) -> bytearray:
        """Where to put what is read now."""
        self._doubt()
        return self._keeper.room

    def buffer_updated(self, nbytes: int) -> None:
        """So much was read."""
        self.data_received(bytes(memoryview(self._keeper.room)[:nbytes]))
        self.settle()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._doubt()
        super().resume_writing()
        self.settle()

    def connection_lost(self, error: Exception | None) -> None:
        """The client is gone, or we are."""
        self._keeper.lose(self)
        super().connection_lost(error)

    # --- what puts it in doubt -------------------------------------------------------------------

    def go_on(self) -> None:
        """Answer what was put off, if nothing stands in the way any more."""
        if self._held or (self._kept is not None and self._kept.watches):
            self._doubt()
        super().go_on()

    def _answered(self, request_id: Id, reply: bytes) -> None:
        super()._answered(request_id, reply)
        self.settle()

    def _outbox(self, give_up: Callable[[], None]) -> Outbox:
        return Outbox(self._write_events, give_up)

    def _write_events(self, data: bytes) -> None:
        if self._keeper.delivering:
            if self.slot is not None:
                self._keeper.ledger.marks[self.slot] = IN_DOUBT
            self._keeper.written.append(self)
        else:
            self._doubt()
        self.transport.write(data)

    def _doubt(self) -> None:
        if self.slot is not None:
            self._keeper.ledger.marks[self.slot] = IN_DOUBT
        self._keeper.doubt(self)

    # --- what ends the doubt ---------------------------------------------------------------------

    def settle(self) -> None:
        """Be sure again, if everything is done that was asked; else it is looked at once more."""
        if self.slot is None:
            self._keeper.trust(self)
            if not self._watched or self.transport.is_closing() or not self._keeper.keep(self):
                return
        if self._is_settled and self._is_described():
            self._keeper.ledger.marks[cast("int", self.slot)] = SURE
            self._keeper.trust(self)
        else:
            self._keeper.doubt(self)

    @property
    def _is_settled(self) -> bool:
        """Whether all that was begun here is done, and all that was said is with the kernel."""
        waits = self._line or self._held is not None
        behind = self._watched is not None and self._watched.are_behind
        return not (waits or behind or self._is_unfinished)

    @property
    def _is_unfinished(self) -> bool:
        """Whether nobody but us could go on from here."""
        busy = self._calls or self._kept is not None or self._congested or self._wire.has_more
        return bool(busy or self.transport.is_closing() or self.is_sending)

    def _hand_over(self, name: str) -> KeptConnection | None:
        """What the process that follows has to know, or None where not all of it is known."""
        rest = self._wire.rest
        waiting = [*(self._line or ()), *(self._held or ())]
        if self._is_unfinished or rest is None or any(isinstance(r, Rejected) for r in waiting):
            return None
        watches = [] if self._watched is None else self._watched.hand_over()
        if watches is None:
            return None
        encoding = self._wire.encoding
        unread = [written(one, encoding) for one in waiting if isinstance(one, Request)]
        return KeptConnection(
            name,
            self._instance.settings.name,
            # That the client has said everything is read once more, by whoever reads next.
            State.OPEN if self._wire.state is State.PEER_DONE else self._wire.state,
            encoding.name,
            b"".join(unread) + rest,
            watches,
        )

    def _is_described(self) -> bool:
        """Have all that the next process must know stand in the ledger; False where it cannot."""
        if self._wire.arriving > PART_LIMIT:
            return False
        rest = self._wire.rest
        version = 0 if self._watched is None else self._watched.version
        now = self._wire.state, self._wire.encoding.name, version, rest
        if now == self._described:
            return True
        if self.slot is None or rest is None:
            return False
        kept = self._hand_over(self.name)
        if kept is None or not self._keeper.ledger.describe(self.slot, encoded(kept)):
            return False
        self._described = now
        return True

    def leave(self) -> bool:
        """End it on our side only, for the process that follows. False where that cannot go on."""
        if self.is_own or not self._keeper.keep(self) or self.slot is None:
            return False
        kept = self._hand_over(self.name)
        ledger = self._keeper.ledger
        ledger.marks[self.slot] = IN_DOUBT
        if kept is None or not ledger.describe(self.slot, encoded(kept)):
            return False
        ledger.marks[self.slot] = SURE
        self.left = True
        self.transport.abort()
        return True


def _shut_down(descriptor: int) -> None:
    """End a connection for its client, whoever else has it open."""
    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as sock:
        sock.shutdown(socket.SHUT_RDWR)
