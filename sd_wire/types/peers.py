"""Who is at the other end of a connection."""

from __future__ import annotations

from typing import Annotated

import msgspec

from sd_wire.operation import doc


class PeerInfo(msgspec.Struct):
    """Who asks, as the kernel says, and what that allows."""

    pid: int
    uid: int
    gid: int
    permission: Annotated[str, doc("none, read, write or admin")]
    groups: Annotated[list[int], doc("every group of the process")] = []  # ours
