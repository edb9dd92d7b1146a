"""The memory of requests that are not answered, over all connections of a process.

Each may have eight megabytes of one; a thousand that send all but the last byte of it would have
eight gigabytes. So the bytes are counted together, and what would be too many is refused: thrown
away as it comes, and answered with an error. The small beginning of a request that every read may
end with is not counted.

Long requests that have arrived and wait for their answers count as well, but are never refused: a
connection on which they are as long as the longest may be is not read from.

Whoever owns the daemon, or is root, is served when others no longer are; and one user cannot take
what is there for all of the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from sd_daemon.core.access import is_owner
from sd_wire.errors import NoRoomForRequest
from sd_wire.messages import Call
from sd_wire.reading import Batch, Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from sd_wire.connection import ServerConnection
    from sd_wire.operations.config import LimitsConfig
    from sd_wire.reading import Received

FREE = 4096  # bytes of a request that are not counted


class Unfinished:
    """How many bytes there are, and of whom."""

    def __init__(self) -> None:
        self.used = 0
        self._users: dict[int, int] = {}

    def change(self, uid: int, more: int, limit: int) -> NoRoomForRequest | None:
        """So many bytes more of this user's, or fewer; or why not. `limit` 0: there is none."""
        of_user = self._users.get(uid, 0) + more
        if more > 0 and limit and not is_owner(uid):
            if of_user > limit // 4:
                return NoRoomForRequest(limit=limit // 4)
            limit -= limit // 8  # kept for the owner
        if more > 0 and limit and self.used + more > limit:
            return NoRoomForRequest(limit=limit)
        self.used += more
        if of_user:
            self._users[uid] = of_user
        else:
            self._users.pop(uid, None)
        return None


class Share:
    """What one connection has of it."""

    __slots__ = ("_limits", "_uid", "_unfinished", "_waiting", "arrived")

    def __init__(
        self, unfinished: Unfinished, uid: int, limits: Callable[[], LimitsConfig]
    ) -> None:
        self._unfinished = unfinished
        self._uid = uid
        self._limits = limits
        self._waiting = 0  # bytes of requests that wait for their answers
        self.arrived = 0  # bytes that are not read, as far as they count

    def arrives(self, wire: ServerConnection) -> list[Received]:
        """Count what has arrived and is not read. Where it would be too much it is thrown away,
        and this is the answer to it."""
        more = max(0, wire.held - FREE) - self.arrived
        if not more:
            return []
        refused = self._unfinished.change(self._uid, more, self._limits().unfinished_bytes)
        if refused is None:
            self.arrived += more
        elif wire.arriving > FREE:
            return [*wire.refuse(refused), *self.arrives(wire)]
        return []

    def waits(self, size: int) -> int:
        """So many bytes wait for their answers now."""
        if size != self._waiting:
            self._unfinished.change(self._uid, size - self._waiting, 0)
            self._waiting = size
        return size

    def give_back(self) -> None:
        """The connection has ended."""
        self._unfinished.change(self._uid, -self.arrived - self._waiting, 0)
        self.arrived = self._waiting = 0


def size_of(received: Received) -> int:
    """Bytes that a request takes while it waits, as far as they count."""
    body = received.body if isinstance(received, Request) else None
    if isinstance(body, Batch):
        return sum(map(size_of, body.requests))
    if not isinstance(body, Call) or body.payload is msgspec.UNSET:
        return 0
    size = len(memoryview(body.payload))
    return size if size > FREE else 0
