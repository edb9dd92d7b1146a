"""Connections that outlive the process, be it restarted, crashed or killed.

A service manager that keeps descriptors has one of each connection from soon after it was made, and
the ledger (`sd_daemon.server.ledger`) says at any instant what is sure of it. What is not said by
the end of a process cannot be said any more, so nothing here waits for that end: an orderly stop
only settles what is still in doubt.

When a read or a write puts a connection in doubt, it is looked at again in the next turn of the
loop. What the loop had to write is with the kernel then, and what could be answered is answered:
its doubt ends. Where a request is still being worked on, or the client does not read, it is looked
at again later, less and less often.

A connection that the manager has, too, does not end when we close our descriptor. So it is shut
down, which its client sees at once, and the manager is told to forget it.
"""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from sd_daemon.core.log import get_log
from sd_daemon.server.handover import KeptConnection, encoded
from sd_daemon.server.ledger import IN_DOUBT, SURE, Ledger, Position
from sd_daemon.server.log_feed import microseconds
from sd_daemon.server.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sd_daemon.server.instance import Instance
    from sd_daemon.server.ledger import Place
    from sd_wire.messages import Id

log = get_log(__name__)

NEW_FOR = 0.25  # seconds; most connections are over before, and need not be kept by anybody
SOON = 0.01  # seconds until one that stays in doubt is looked at again; then twice as long
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
        self._store = store
        self._number = first
        self._loop = asyncio.get_running_loop()
        self._places: dict[Instance, Place] = {}
        self._touched: dict[KeptSession, None] = {}
        self._due = True  # and `begin` does it
        self._doubtful: dict[KeptSession, None] = {}  # they stay so for a while
        self._pause = SOON
        self._timer: asyncio.TimerHandle | None = None
        self._newcomers: dict[KeptSession, None] = {}
        self._waiting: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """All connections that were left are served again. Before that nothing is settled: to say
        how far everybody was served would be wrong for those who are not here yet."""
        self._settle()

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

    def _tell_positions(self) -> None:
        for instance, place in self._places.items():
            if instance.ready:
                place.tell(Position(instance.core.bus.delivered, instance.logs.told))

    # --- what sessions say -----------------------------------------------------------------------

    def touch(self, session: KeptSession) -> None:
        """It is in doubt: look at it in the next turn."""
        self._touched[session] = None
        if not self._due:
            self._due = True
            self._loop.call_soon(self._settle)

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
            self.touch(session)
        return True

    def lose(self, session: KeptSession) -> None:
        """It has ended, or is the next process's now; its descriptor is still open."""
        for known in (self._newcomers, self._touched, self._doubtful):
            known.pop(session, None)
        if session.slot is not None and not session.left:
            _shut_down(session.descriptor)
            self._store.forget(session.name)
            self.ledger.end(session.slot)
            session.slot = None

    def _keep_newcomers(self) -> None:
        self._waiting = None
        for session in tuple(self._newcomers):
            self.keep(session)

    # --- doubt -----------------------------------------------------------------------------------

    def _settle(self) -> None:
        """End the doubt where nothing stands in its way. The positions come first: who is still in
        doubt would be closed, and who is not has nothing more to come up to there."""
        self._due = False
        touched, self._touched = self._touched, {}
        self._tell_positions()
        for session in touched:
            if session.settle():
                self._doubtful.pop(session, None)
            elif session not in self._doubtful:
                self._doubtful[session] = None
                self._look_again(SOON)

    def _look_again(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._pause = seconds
        self._timer = self._loop.call_later(seconds, self._look)

    def _look(self) -> None:
        self._timer = None
        self._tell_positions()
        for session in tuple(self._doubtful):
            if session.settle():
                del self._doubtful[session]
        if self._doubtful:
            self._look_again(min(2 * self._pause, LATE))

    # --- the end ---------------------------------------------------------------------------------

    def leave_position(self, instance: Instance) -> None:
        """Its core is closed: everything that has happened was told."""
        place = self._places.pop(instance, None)
        if place is not None:
            place.tell(Position(instance.core.bus.sequence, microseconds(datetime.now(UTC))))

    def close(self) -> None:
        """Look at nothing any more."""
        for timer in (self._timer, self._waiting):
            if timer is not None:
                timer.cancel()


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
        if self._kept is not None and self._kept.unread:
            self._touch()  # or else it would be answered again after a kill
        super().connection_made(transport)
        if self.slot is None and not transport.is_closing() and not self.is_own:
            self._keeper.meet(self)

    def get_buffer(self, sizehint: int) -> bytearray:
        """Where to put what is read now."""
        self._touch()
        return self._keeper.room

    def buffer_updated(self, nbytes: int) -> None:
        """So much was read."""
        self.data_received(bytes(memoryview(self._keeper.room)[:nbytes]))

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._touch()
        super().resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        """The client is gone, or we are."""
        self._keeper.lose(self)
        super().connection_lost(error)

    # --- what puts it in doubt -------------------------------------------------------------------

    def go_on(self) -> None:
        """Answer what was put off, if nothing stands in the way any more."""
        if self._held or (self._kept is not None and self._kept.watches):
            self._touch()
        super().go_on()

    def _answered(self, request_id: Id, reply: bytes) -> None:
        self._touch()
        super()._answered(request_id, reply)

    @property
    def _events_writer(self) -> Callable[[bytes], object]:
        return self._write_events

    def _write_events(self, data: bytes) -> None:
        self._touch()
        self.transport.write(data)

    def _touch(self) -> None:
        if self.slot is not None:
            self._keeper.ledger.marks[self.slot] = IN_DOUBT
        self._keeper.touch(self)

    # --- what ends the doubt ---------------------------------------------------------------------

    def settle(self) -> bool:
        """Be sure again, if everything is done that was asked. False where it has to be looked at
        once more."""
        if self.slot is None:
            if self._watched and not self.transport.is_closing():
                self._keeper.keep(self)
            return True
        if not self.is_settled:
            return self.transport.is_closing()  # it is lost before long
        rest = self._wire.rest
        version = 0 if self._watched is None else self._watched.version
        now = self._wire.state, self._wire.encoding.name, version, rest
        if now != self._described:
            kept = self.hand_over(self.name) if len(rest or b"") <= PART_LIMIT else None
            if kept is None or not self._keeper.ledger.describe(self.slot, encoded(kept)):
                return False
            self._described = now
        self._keeper.ledger.marks[self.slot] = SURE
        return True

    def leave(self) -> bool:
        """End it on our side only, for the process that follows. False where that cannot go on."""
        if self.is_own or not self._keeper.keep(self) or self.slot is None:
            return False
        kept = self.hand_over(self.name)
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
