"""What only time can tell of connections: that one is idle, or that its client does not read.

One timer for all of them, set for when it is next needed. While no idle time-out is configured,
every client reads and no warning waits to be told, there is no timer at all.
"""

from __future__ import annotations

from heapq import nsmallest
from operator import itemgetter
from typing import TYPE_CHECKING

import msgspec

from sd_wire.errors import IdleConnectionClosed

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Collection

    from sd_daemon.server.session import Session
    from sd_daemon.server.tally import Tally
    from sd_wire.operations.config import LimitsConfig

LONG_IDLE = 60.0  # seconds after which a connection may have to make room for another
_AT_ONCE = 64  # of those that are looked up in one go
_LOOKS = 6  # at a client that does not read, before its time is over
_SHORTEST = 0.05  # seconds between two sweeps


class Unread(msgspec.Struct):
    """A client that has stopped reading."""

    since: float
    left: tuple[int, int] | None = None  # bytes that it had not read when last looked at


class Sweep:
    """The timer of one instance, and what it looks at."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sessions: Collection[Session],
        limits: Callable[[], LimitsConfig],
        tallies: tuple[Tally, ...],
    ) -> None:
        self._loop = loop
        self._sessions = sessions
        self._limits = limits
        self._tallies = tallies
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._unread: dict[Session, Unread] = {}
        self._idlest: list[Session] = []  # the one that has been idle longest comes last
        self._look_again = 0.0  # before then nobody can have become idle for long

    def within(self, seconds: float) -> None:
        """Look at everything in so many seconds at the latest."""
        due = self._loop.time() + max(seconds, _SHORTEST)
        if self._timer is not None:
            if self._due <= due:
                return
            self._timer.cancel()
        self._due = due
        self._timer = self._loop.call_at(due, self._look)

    def close(self) -> None:
        """Look no more; tell what was counted."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for tally in self._tallies:
            tally.settle(float("inf"))

    def stopped_reading(self, session: Session) -> None:
        """More waits for this client than the loop likes."""
        seconds = self._limits().unread_seconds
        if seconds:
            self._unread[session] = Unread(self._loop.time())
            self.within(seconds / _LOOKS)

    def reads_again(self, session: Session) -> None:
        """It reads, or it is gone."""
        self._unread.pop(session, None)

    def make_room(self) -> bool:
        """Close the connection that has been idle longest, if that is long."""
        now = self._loop.time()
        if not self._idlest and now >= self._look_again:
            idle = [
                (since, one) for one in self._sessions if (since := one.idle_since()) is not None
            ]
            longest = nsmallest(_AT_ONCE, idle, key=itemgetter(0))
            self._look_again = longest[0][0] + LONG_IDLE if longest else now + LONG_IDLE
            self._idlest = [one for since, one in reversed(longest) if now - since >= LONG_IDLE]
        while self._idlest:
            session = self._idlest.pop()
            since = session.idle_since()
            if since is not None and now - since >= LONG_IDLE:
                session.dismiss(IdleConnectionClosed(seconds=round(now - since)))
                return True
        return False

    def _look(self) -> None:
        self._timer = None
        now = self._loop.time()
        waits = [self._dismiss_idle(now), self._cut_off_unread(now)]
        waits.extend(tally.settle(now) for tally in self._tallies)
        needed = [wait for wait in waits if wait is not None]
        if needed:
            self.within(min(needed))

    def _dismiss_idle(self, now: float) -> float | None:
        seconds = self._limits().idle_seconds
        if not seconds or not self._sessions:
            return None
        first = now
        for session in tuple(self._sessions):
            since = session.idle_since()
            if since is None:
                continue
            if now - since >= seconds:
                session.dismiss(IdleConnectionClosed(seconds=round(now - since)))
            else:
                first = min(first, since)
        return max(first + seconds - now, seconds / _LOOKS)  # not once for each connection

    def _cut_off_unread(self, now: float) -> float | None:
        seconds = self._limits().unread_seconds
        for session, known in tuple(self._unread.items()):
            left = session.unread()
            if known.left is not None and (left[0] < known.left[0] or left[1] < known.left[1]):
                known.since = now
            known.left = left
            if seconds and now - known.since >= seconds:
                del self._unread[session]
                session.cut_off(f"it has read nothing for {seconds} s")
        return seconds / _LOOKS if seconds and self._unread else None
