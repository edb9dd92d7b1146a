"""Who is at the other end of a connection."""

from __future__ import annotations

import msgspec


class PeerInfo(msgspec.Struct):
    """Who asks, as the kernel says, and what that allows."""

    pid: int
    uid: int
    gid: int
    permission: str  # none, read, write or admin
    groups: list[int] = []  # ours: every group of the process
