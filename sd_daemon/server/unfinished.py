"""The memory of requests that have not arrived whole, over all connections of a process.

Each may have eight megabytes of one; a thousand that send all but the last byte of it would have
eight gigabytes. So the bytes are counted together, and what would be too many is refused: thrown
away as it comes, and answered with an error. The small beginning of a request that every read may
end with is not counted.

Whoever owns the daemon, or is root, is served when others no longer are; and one user cannot take
what is there for all of the others.
"""

from __future__ import annotations

from sd_daemon.core.access import is_owner
from sd_wire.errors import NoRoomForRequest

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
