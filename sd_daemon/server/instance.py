"""One instance: a core, the socket it is reached by, and the clients that are connected.

The socket accepts before the core is open, so that no client is ever turned away by a daemon that
is only starting. What clients ask until then is held and answered as soon as the core is there.

At the end the order is: accept nobody, let what is being answered finish, close the core, tell the
subscribers, hang up. A client that sees the end of its connection knows that everything is closed.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from sd_daemon.core.core import Core
from sd_daemon.core.log import get_log
from sd_daemon.server.failures import defect, error_of
from sd_daemon.server.fanout import Fanout
from sd_daemon.server.hang_ups import HangUps
from sd_daemon.server.keeping import KeptSession
from sd_daemon.server.log_feed import LogFeed
from sd_daemon.server.peer import NOBODY
from sd_daemon.server.session import Session
from sd_daemon.server.sweep import Sweep
from sd_daemon.server.tally import QUIET, Tally
from sd_daemon.server.turns import Turns
from sd_daemon.server.unfinished import Share
from sd_wire.errors import DescriptorsExhausted, SdError, ShuttingDown, TooManyConnections
from sd_wire.events import ConfigChanged, CoreStarted
from sd_wire.operations.config import LimitsConfig
from sd_wire.operations.core import ConnectionCounts

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from sd_daemon.core.bus import Published
    from sd_daemon.handlers.handler import Peer
    from sd_daemon.server.capacity import Capacity
    from sd_daemon.server.handover import KeptConnection
    from sd_daemon.server.keeping import Keeper
    from sd_daemon.server.ledger import Position
    from sd_daemon.server.listen import Listener

log = get_log(__name__)

ANSWER_TIME = 0.3  # seconds that calls get to finish when the daemon stops
CLOSE_TIME = 1.4  # the core bounds itself; this is for the day it does not
SENDING_TIME = 0.2  # for clients that are just reading what they will go on from
LOOK = 0.005
HANG_UP_TIME = 0.15  # for clients that still have to read what is left

_FULL = (TooManyConnections, DescriptorsExhausted)
_USUAL_LIMITS = LimitsConfig()  # until the configuration is read


TURNS = 3  # of the loop, until everything that was said has left


class Settings(msgspec.Struct, frozen=True):
    """How an instance's core is opened."""

    data_dir: str
    name: str | None = None
    networking: bool = False
    boot: str | None = None  # what the kernel calls this boot, where that was told


class Instance:
    """A core with its clients."""

    core: Core
    fanout: Fanout
    logs: LogFeed

    def __init__(
        self,
        settings: Settings,
        listener: Listener,
        capacity: Capacity,
        *,
        keeper: Keeper | None = None,
        opened: Callable[[Instance], None],
        ask_to_stop: Callable[[Instance], None],
    ) -> None:
        """`keeper`: keeps the connections for a process that follows."""
        self.settings = settings
        self.listener = listener
        self.capacity = capacity
        self.loop = asyncio.get_running_loop()
        self.path = listener.path
        self.counts = ConnectionCounts()
        self.ready = False  # the core is open
        self.answering = False  # requests are answered; else they are put off
        self.stopping = False
        self.handing_over = False  # to a process that follows: no client is to notice
        self._keeper = keeper if keeper is not None and keeper.follow(self) else None
        if self._keeper is not None:
            self.left_off: Position = self._keeper.left_off(self)  # by the process before
        self.working: set[asyncio.Task[bytes]] = set()
        self.refused = Tally("a request was refused")
        self.turned_away = Tally("a client was turned away")
        self._sessions: set[Session] = set()
        self.hang_ups = HangUps(self.loop)
        self.turns = Turns(self.loop)
        self.sweep = Sweep(self.loop, self._sessions, self.limits, (self.refused, self.turned_away))
        self._opening: asyncio.Task[Core] | None = None
        self._opened = opened
        self._ask_to_stop = ask_to_stop
        self._empty = asyncio.Event()  # set whenever the last client has gone

    async def serve(self) -> None:
        """Accept clients."""
        keeper = self._keeper
        if keeper is None:
            await self.listener.serve(lambda: Session(self))
        else:
            await self.listener.serve(lambda: KeptSession(self, keeper))
        self.listener.guard(self.capacity.tell)

    # --- the core ----------------------------------------------------------------------------

    def wake(self) -> None:
        """Open the core if that has not begun; somebody waits for it."""
        if self._opening is None and not self.stopping:
            self._opening = self.loop.create_task(self._open())
            self._opening.add_done_callback(self._opening_ended)

    async def open(self) -> Core:
        """The core, opened on first use. Raises what keeps it from opening."""
        self.wake()
        assert self._opening is not None
        return await self._opening

    async def _open(self) -> Core:
        settings = self.settings
        self.core = await Core.open(
            settings.data_dir,
            instance=settings.name,
            networking=settings.networking,
            boot=settings.boot,
        )
        self.fanout = Fanout(self.core.bus)
        self.logs = LogFeed(self.loop, self.core.bus)
        self.core.bus.subscribe([ConfigChanged.__name__], self._config_changed)
        self.ready = self.answering = True
        self._permit_all()
        self._watch_idle()
        self._opened(self)
        for session in tuple(self._sessions):
            session.go_on()
        if self._keeper is not None:
            self._keeper.open(self)
        self.core.bus.publish(CoreStarted())
        return self.core

    def _opening_ended(self, task: asyncio.Task[Core]) -> None:
        found = None if task.cancelled() else task.exception()
        if not isinstance(found, Exception):
            return
        known = error_of(found, self.settings.data_dir) or defect(found, "Core.open")
        log.error("the core could not be opened", reason=known.text, code=known.code)
        self._opening = None  # whoever asks next tries again
        for session in tuple(self._sessions):
            session.refuse(known)

    # --- clients -----------------------------------------------------------------------------

    def admit(self, session: Session) -> SdError | None:
        """Serve one more client, or say why not."""
        peer = session.peer
        self._permit(peer)
        if peer.pid == self.capacity.own_pid:
            self._sessions.add(session)
            return None
        obstacle = self.capacity.obstacle(
            peer.uid, session.descriptor, self.limits().connections_per_user
        )
        # Nobody has to make room for a user who has too many already.
        if isinstance(obstacle, _FULL) and self.sweep.make_room():
            obstacle = None
        if obstacle is not None:
            self.turned_away.note(peer, obstacle.code, self.loop.time())
            self.sweep.within(QUIET)
            return obstacle
        self.capacity.take(peer.uid)
        self.counts.connections += 1
        self._sessions.add(session)
        self._empty.clear()
        self._watch_idle()
        return None

    def leave(self, session: Session) -> None:
        """A client is gone."""
        if session not in self._sessions:
            return
        self._sessions.remove(session)
        if session.peer.pid != self.capacity.own_pid:
            self.capacity.give_back(session.peer.uid)
            self.counts.connections -= 1
        if not self._sessions:
            self._empty.set()

    def share_of(self, peer: Peer) -> Share:
        """What a connection has of the memory for requests."""
        return Share(self.capacity.unfinished, peer.uid, self.limits)

    def note_refusal(self, peer: Peer, name: str) -> None:
        """A peer has asked for what it may not do."""
        self.refused.note(peer, name, self.loop.time())
        self.sweep.within(QUIET)

    def limits(self) -> LimitsConfig:
        """How much clients may occupy."""
        return self.core.config.stored.limits if self.ready else _USUAL_LIMITS

    def _permit(self, peer: Peer) -> None:
        if self.ready and peer is not NOBODY:
            peer.permission = self.core.access.permission_of(peer.uid, peer.groups)

    def _permit_all(self) -> None:
        for session in tuple(self._sessions):
            self._permit(session.peer)
            session.permission_changed()

    def _watch_idle(self) -> None:
        seconds = self.limits().idle_seconds
        if seconds:
            self.sweep.within(seconds)

    def _config_changed(self, _: Published) -> None:
        self._permit_all()
        self._watch_idle()

    # --- the end -----------------------------------------------------------------------------

    def ask_to_stop(self) -> None:
        """A client wants this instance to end."""
        self._ask_to_stop(self)

    async def stop(self, *, hand_over: bool = False) -> None:
        """End this instance in order and within two seconds. `hand_over`: leave the connections to
        the process that follows, as far as it can go on with them."""
        self.stopping = True
        self.listener.close()
        if hand_over:
            self.handing_over = True
            self.answering = False
            for session in tuple(self._sessions):
                session.pause()
        if self.working:
            await asyncio.wait(set(self.working), timeout=ANSWER_TIME)
        await self._close_core()
        left = set() if self._keeper is None else await self._leave(self._keeper, hand_over)
        for session in self._sessions - left:
            session.finish()
        await self._hang_up()
        self.sweep.close()
        self.hang_ups.close()
        self.listener.release()

    async def _leave(self, keeper: Keeper, hand_over: bool) -> set[Session]:  # noqa: FBT001
        """Leave the connections that nothing more is to be said to; those that were left."""
        if not (hand_over and self.ready):
            return set()
        for _ in range(TURNS):  # what is said last leaves at the end of one
            await asyncio.sleep(0)
        until = self.loop.time() + SENDING_TIME
        # A transport tells nobody that all is sent.
        while any(s.is_sending for s in self._sessions) and self.loop.time() < until:  # noqa: ASYNC110
            await asyncio.sleep(LOOK)
        keeper.leave_position(self)
        left: set[Session] = set()
        left.update(one for one in self._sessions if isinstance(one, KeptSession) and one.leave())
        log.info("connections are left to the next daemon", connections=len(left))
        return left

    async def adopt(self, kept: KeptConnection, slot: int, sock: socket.socket) -> None:
        """Go on with a connection of another process."""
        keeper = self._keeper
        assert keeper is not None
        await self.loop.connect_accepted_socket(lambda: KeptSession(self, keeper, kept, slot), sock)

    async def _close_core(self) -> None:
        if self._opening is not None and not self._opening.done():
            await asyncio.wait({self._opening}, timeout=CLOSE_TIME)
        if not self.ready:
            for session in tuple(self._sessions):
                session.refuse(ShuttingDown())
            return
        closing = self.loop.create_task(self.core.close())
        done, _ = await asyncio.wait({closing}, timeout=CLOSE_TIME)
        if not done:
            log.error("the core did not close in time", seconds=CLOSE_TIME)
        elif (failed := closing.exception()) is not None:
            log.error("the core did not close cleanly", error=failed)

    async def _hang_up(self) -> None:
        if self._sessions:
            try:
                await asyncio.wait_for(self._empty.wait(), HANG_UP_TIME)
            except TimeoutError:
                for session in tuple(self._sessions):
                    session.transport.abort()
