"""What the daemon tells a follower, when it starts it and while it runs."""

from __future__ import annotations

import msgspec

FOLLOW = "follow"  # the name of the order


class Told(msgspec.Struct):
    """One line on standard input. Paths are exact bytes (base64 in the JSON)."""

    look: list[bytes] = []  # folders that somebody has changed, who knows it
    mounts: list[bytes] = []  # where something is mounted, or is not any more
    jobs: bool = False  # an index job has ended: there may be more folders, or fewer
    rules: dict[str, bool] | None = None  # another choice of rules
    mark: bool = False  # say when all that had happened by now is in the index


class Started(msgspec.Struct):
    """The params of the order."""

    rules: dict[str, bool]
    inotify: int = -1  # the descriptor to read; -1: open one
    table: int = -1  # that of the watches, likewise
    pulse: float = 10.0  # seconds, at most, from one sign of life to the next: see jobs/pulse.py
    channel: int = -1  # a socket on which to hand over what was opened
    watch: bool = True  # false: only do what is told
    all: bool = True  # nobody knows what has changed: look at everything
    own: list[bytes] = []  # folders in which the daemon writes, which are not watched
    told: list[Told] = []
