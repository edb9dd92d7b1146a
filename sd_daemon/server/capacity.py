"""How many clients a process serves, over all its instances, and how many of one user.

Whoever owns the daemon, or is root, is served when others no longer are: a few connections and a
few descriptors are kept for them.

The kernel gives out the lowest descriptor that is free, so the number of a new one tells how many
are left. A connection is refused, with a sentence, while there are still some: when there are none
an event loop cannot even say no. uvloop then drops whoever connects; asyncio spins.
"""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING

from sd_daemon.core.access import is_owner
from sd_daemon.server.unfinished import Unfinished
from sd_wire.errors import (
    DescriptorsExhausted,
    SdError,
    TooManyConnections,
    TooManyConnectionsOfUser,
)

if TYPE_CHECKING:
    from collections.abc import Callable

KEPT = 8  # connections for the owner and root; fewer where there are few in all
SPARE = 24  # descriptors that no connection gets, so that libraries, logs and workers have them
OWNERS_SPARE = 16


class Capacity:
    """The places for clients, and who has them."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.used = 0
        self.unfinished = Unfinished()
        self.own_pid: int | None = None  # of who is no client: we ourselves, asking how we are
        self.watchers: list[Callable[[], None]] = []  # called by `tell`
        self._users: dict[int, int] = {}
        self._kept = max(1, min(KEPT, limit // 8))

    def obstacle(self, uid: int, descriptor: int, per_user: int) -> SdError | None:
        """Why this user cannot have one more connection, or None. `per_user` 0: a quarter."""
        owner = is_owner(uid)
        allowed = per_user or max(1, self.limit // 4)
        if not owner and self._users.get(uid, 0) >= allowed:
            return TooManyConnectionsOfUser(uid=uid, limit=allowed)
        if self.used >= (self.limit if owner else self.limit - self._kept):
            return TooManyConnections(limit=self.limit)
        most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        spare = OWNERS_SPARE if owner else SPARE
        if most != resource.RLIM_INFINITY and descriptor >= most - spare:
            return DescriptorsExhausted()
        return None

    def take(self, uid: int) -> None:
        """A client of this user is served."""
        self.used += 1
        self._users[uid] = self._users.get(uid, 0) + 1
        self.tell()

    def give_back(self, uid: int) -> None:
        """It is not any more."""
        self.used -= 1
        left = self._users[uid] - 1
        if left:
            self._users[uid] = left
        else:
            del self._users[uid]
        self.tell()

    def tell(self) -> None:
        """Whether clients are there, or can be, is another than before."""
        for watcher in self.watchers:
            watcher()
