"""What file operations keep their hands off.

Mount points, because what is there is not one thing of its folder; roots of locations, because to
take one away is 'sd location remove'; and what the daemon itself lives in: its data folder and
those of the open libraries, with all that is in them. What contains one of these is protected,
too. To put something new into a folder is not a matter of this.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sd_daemon.core.mount_table import linux_mounts
from sd_daemon.core.paths import shown
from sd_wire.errors import PathProtected

if TYPE_CHECKING:
    from collections.abc import Iterable


class Protected:
    """The protected paths, as they are now. Looks at the mount table once, when it is made."""

    def __init__(self, own: Iterable[str], locations: Iterable[str]) -> None:
        """`own` are the folders that the daemon lives in, `locations` the roots of locations."""
        self._own = [os.path.realpath(path) for path in own]
        self._locations = list(locations)
        self._points = {os.fsdecode(mount.point) for mount in linux_mounts()} | {"/"}

    def check(self, path: str, pointer: str | None = None) -> None:
        """Raise PathProtected where the thing at `path` is not to be moved, changed or deleted."""
        folder, name = os.path.split(path)
        real = os.path.join(os.path.realpath(folder), name).rstrip("/") or "/"
        reason = self._reason(real)
        if reason is not None:
            raise PathProtected(path=shown(path), reason=reason, pointer=pointer)

    def check_inside(self, folder: str, pointer: str | None = None) -> None:
        """Raise PathProtected where nothing is to be put into a folder, a real path."""
        for own in self._own:
            if _within(folder, own):
                reason = "Spacedrive itself lives there"
                raise PathProtected(path=shown(folder), reason=reason, pointer=pointer)

    def _reason(self, path: str) -> str | None:
        if path == "/":
            return "it is the root of everything"
        for own in self._own:
            if _within(path, own):
                return "Spacedrive itself lives there"
            if _within(own, path):
                return f"Spacedrive itself lives in it, at {shown(own)}"
        for root in self._locations:
            if path == root:
                return "it is a location; 'sd location remove' takes it out of the index"
            if _within(root, path):
                return f"the location {shown(root)} is in it; 'sd location remove' removes that"
        for point in self._points:
            if path == point:
                return "something is mounted there"
            if _within(point, path):
                return f"something is mounted in it, at {shown(point)}"
        return None


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")
