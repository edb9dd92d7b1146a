"""The locations that are followed, and which of them inotify can tell of."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from sd_daemon.core.index.distant import mount_of, mounts_by_length
from sd_daemon.core.index.passes import FOLLOWING
from sd_daemon.core.index.walk import Subtree, loose

if TYPE_CHECKING:
    import sqlite3

    from sd_daemon.core.mount_table import Mount


class Place(NamedTuple):
    """A location, as far as following it has to know it."""

    number: int
    uuid: str  # hexadecimal
    path: str
    entry: int
    identifies: bool  # files are to have a content identity
    mount: Mount | None  # what is mounted at the folder or above it
    is_busy: bool  # no index job of it has ended yet, or one is unfinished, paused perhaps

    @property
    def job(self) -> str:
        """The name that passes over it go by."""
        return f"{FOLLOWING}{self.number}"

    @property
    def is_remote(self) -> bool:
        """Whether changes can be made there that our kernel does not hear of."""
        return self.mount is not None and self.mount.may_hang


class Places:
    """All locations of a library that are to be indexed, as they are now."""

    def __init__(self, db: sqlite3.Connection) -> None:
        mounts = mounts_by_length()
        rows = db.execute(
            "SELECT id, uuid, path, entry, index_mode, last_scan_at FROM locations"
            " WHERE index_mode <> 'None'"
        ).fetchall()
        busy = _unfinished(db)
        self.all = [
            Place(
                number,
                uuid.hex(),
                loose(path),
                entry,
                mode in ("Content", "Deep"),
                mount_of(loose(path), mounts),
                scanned is None or any(Subtree(loose(path)).contains(one) for one in busy),
            )
            for number, uuid, path, entry, mode, scanned in rows
        ]
        self.all.sort(key=lambda one: -len(one.path))  # the innermost is found first
        self.roots = {one.entry for one in self.all}
        self._remote = [os.fsdecode(one.point) for one in mounts if one.may_hang]

    def of(self, path: str) -> Place | None:
        """The innermost location that a path lies in."""
        return next((one for one in self.all if Subtree(one.path).contains(path)), None)

    def any(self) -> Place | None:
        """One of them, the outermost."""
        return self.all[-1] if self.all else None

    def around(self, path: str) -> set[int]:
        """The numbers of all locations that a path lies in."""
        return {one.number for one in self.all if Subtree(one.path).contains(path)}

    def is_remote(self, path: str) -> bool:
        """Whether others can change what is at a path, so that watching it is not enough."""
        return any(Subtree(point).contains(path) for point in self._remote)

    def remote_in(self, path: str) -> set[str]:
        """The names in a folder at which remote filesystems are mounted. Even to look at such a
        name may take for ever, so only jobs do that, which are scans of what is not watched."""
        places = (point.rpartition("/") for point in self._remote)
        return {name for above, _, name in places if (above or "/") == path and name}

    def remote_inside(self, place: Place) -> str | None:
        """A remote filesystem that is mounted in a location, or at it."""
        inside = Subtree(place.path)
        if place.is_remote:
            return place.path
        return next((point for point in self._remote if inside.contains(point)), None)


def _unfinished(db: sqlite3.Connection) -> list[str]:
    """The roots of passes of jobs that are not done, and wait for the jobs to go on."""
    rows = db.execute(
        f"SELECT f.path FROM scans s JOIN folders f ON f.id = s.root WHERE s.job NOT LIKE"
        f" '{FOLLOWING}%'"
    )
    return [loose(path) for (path,) in rows]
